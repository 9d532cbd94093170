#!/bin/sh
# Builds VMware's vCenter simulator into .tools/vcsim, for the tests marked vcsim. Needs Go; without it those tests skip.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
tools=$(CDPATH= cd -- "$here/../.." && pwd)/.tools

if ! command -v go >/dev/null 2>&1; then
    echo "vcsim: Go is not installed, the tests against VMware's simulator will be skipped" >&2
    exit 0
fi
mkdir -p "$tools"
cd "$here/server"
# -mod=readonly: the versions and checksums are the committed ones; a differing module is an error, not an update.
CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -mod=readonly" go build -trimpath -ldflags="-s -w" -o "$tools/vcsim.new" .
mv -f "$tools/vcsim.new" "$tools/vcsim"
echo "vcsim: built $tools/vcsim" >&2
