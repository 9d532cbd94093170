"""The words and numbers a made-up site consists of: guests, sizes, roles, names."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.twin.world import Controller


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest system: vSphere's id and full name, CloudStack's OS type, its usual disk controller."""

    guest_id: str
    full_name: str
    os_type: str
    weight: int
    controller: Controller = "pvscsi"


GUESTS = (
    Guest("ubuntu64Guest", "Ubuntu Linux (64-bit)", "Ubuntu 22.04 LTS", 22),
    Guest("debian12_64Guest", "Debian GNU/Linux 12 (64-bit)", "Debian GNU/Linux 12 (64-bit)", 10),
    Guest("debian11_64Guest", "Debian GNU/Linux 11 (64-bit)", "Debian GNU/Linux 11 (64-bit)", 6),
    Guest("rhel9_64Guest", "Red Hat Enterprise Linux 9 (64-bit)", "Red Hat Enterprise Linux 9", 10),
    Guest("rhel8_64Guest", "Red Hat Enterprise Linux 8 (64-bit)", "Red Hat Enterprise Linux 8", 8),
    Guest("rockylinux_64Guest", "Rocky Linux (64-bit)", "Rocky Linux 9", 5),
    Guest("centos7_64Guest", "CentOS 7 (64-bit)", "CentOS 7", 6, "lsilogic"),
    Guest("sles15_64Guest", "SUSE Linux Enterprise 15 (64-bit)", "SUSE Linux Enterprise Server 15 (64-bit)", 3),
    Guest(
        "windows2019srvNext_64Guest", "Microsoft Windows Server 2022 (64-bit)", "Windows Server 2022", 9, "lsisas1068"
    ),
    Guest("windows2019srv_64Guest", "Microsoft Windows Server 2019 (64-bit)", "Windows Server 2019", 10, "lsisas1068"),
    Guest("windows9Server64Guest", "Microsoft Windows Server 2016 (64-bit)", "Windows Server 2016", 6, "lsisas1068"),
    Guest("windows9_64Guest", "Microsoft Windows 10 (64-bit)", "Windows 10 (64-bit)", 2, "lsisas1068"),
    Guest("freebsd13_64Guest", "FreeBSD 13 (64-bit)", "FreeBSD 13 (64-bit)", 1, "lsilogic"),
    Guest("other5xLinux64Guest", "Other 5.x or later Linux (64-bit)", "Other Linux (64-bit)", 2),
)
AGENT_GUEST = Guest("vmwarePhoton64Guest", "VMware Photon OS (64-bit)", "", 0)
UNMAPPED_GUEST = Guest("amazonlinux2_64Guest", "Amazon Linux 2 (64-bit)", "", 0)

# (vCPU, MiB, weight): the first eight are the fixed offerings of the CloudStack side.
SIZES = (
    (1, 1024, 6),
    (1, 2048, 14),
    (2, 4096, 28),
    (2, 8192, 14),
    (4, 8192, 12),
    (4, 16384, 12),
    (8, 16384, 5),
    (8, 32768, 5),
    (12, 49152, 2),
    (16, 65536, 2),
)
FIXED_SIZES = tuple((cpus, memory_mib) for cpus, memory_mib, _ in SIZES[:8])
ODD_SIZES = ((3, 6144), (3, 5120), (5, 10240), (6, 12288), (2, 3072), (6, 20480))

ROOT_DISK_GIB = (16, 20, 20, 32, 40, 40, 60, 80, 100)
DATA_DISK_GIB = (10, 20, 50, 50, 100, 100, 200, 500)
DATA_DISK_COUNTS = ((0, 62), (1, 25), (2, 9), (3, 4))
NIC_COUNTS = ((1, 80), (2, 16), (3, 4))

ROLES = (
    "web", "app", "db", "api", "cache", "queue", "mail", "dns", "ldap", "file", "print", "backup", "ci", "git",
    "mon", "log", "proxy", "lb", "etl", "report", "search", "auth", "vpn", "jump", "sql", "erp", "crm", "wiki",
)  # fmt: skip
ENVIRONMENTS = ("prod", "prod", "test", "dev", "stage")
CITIES = (
    "fra",
    "ams",
    "lon",
    "par",
    "mad",
    "mil",
    "vie",
    "zrh",
    "cph",
    "osl",
    "hel",
    "waw",
    "prg",
    "bud",
    "lis",
    "dub",
)
CARDS = (("VirtualVmxnet3", 90), ("VirtualE1000", 6), ("VirtualE1000e", 4))

# (name, domain, is a project): the first are departments, then customers.
TENANTS = (
    ("platform", "Corporate", False),
    ("shop", "Corporate", False),
    ("finance", "Corporate", False),
    ("apollo", "Corporate", True),
    ("acme", "Customers", False),
    ("globex", "Customers", False),
    ("initech", "Customers", False),
    ("umbra", "Customers", False),
    ("hooli", "Customers", False),
    ("vandelay", "Customers", False),
    ("soylent", "Customers", False),
    ("tyrell", "Customers", False),
)
TENANT_TIERS = ("web", "app", "data")
