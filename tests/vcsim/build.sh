#!/bin/sh
# Builds VMware's vCenter simulator and a small client of VMware's Go library into .tools, for the tests marked vcsim.
# Needs Go; without it those tests skip.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
tools=$(CDPATH= cd -- "$here/../.." && pwd)/.tools

if ! command -v go >/dev/null 2>&1; then
    echo "vcsim: Go is not installed, the tests against VMware's simulator and with VMware's client will be skipped" >&2
    exit 0
fi
mkdir -p "$tools"

# build FOLDER PROGRAM
build() {
    cd "$here/$1"
    # -mod=readonly: the versions and checksums are the committed ones; a differing module is an error, not an update.
    CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -mod=readonly" go build -trimpath -ldflags="-s -w" -o "$tools/$2.new" .
    mv -f "$tools/$2.new" "$tools/$2"
    echo "$2: built $tools/$2" >&2
}

build server vcsim
build client govmomiclient
