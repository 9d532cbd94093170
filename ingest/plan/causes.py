"""Why each rule exists: what happens on the server, or to the VM, when it is broken. One entry per rule id."""

from __future__ import annotations

_IN_ORDER = "Rows that run before this one count as well."

CAUSES: dict[str, str] = {
    "VM-001": (
        "A row means one VM, by instance UUID and managed object id. No VM of vCenter has both any more: it "
        "was deleted, or unregistered and registered again."
    ),
    "VM-002": (
        "The import looks the VM up by name on the hosts of its cluster that are Up. What CloudStack does not "
        "list it cannot import, and its error does not say why."
    ),
    "VM-003": (
        "The import takes the first host that knows the name. With two VMs of one name in a cluster nobody "
        "can say which one CloudStack would take."
    ),
    "VM-004": "The row was decided on facts that are no longer true, such as another size, VLAN or disk.",
    "VM-005": (
        "A disk or NIC that CloudStack cannot read is left out of its list without an error: raw device "
        "mappings, NICs whose port group is gone. The VM would be imported without it, and CloudStack would "
        "not know that it exists."
    ),
    "VM-006": (
        "Suspended counts as neither on nor off, a pending question blocks every task on the VM, and disks "
        "that need consolidation change their files under CloudStack's records."
    ),
    "VM-007": (
        "The server does not look at shared disks, fault tolerance, encryption, devices tied to a host, or "
        "VMs that belong to a product. Importing them works and breaks later, at the first start, stop or "
        "migration."
    ),
    "VM-008": (
        "With a snapshot the disk's current file is a delta. CloudStack records that file, does not know the "
        "snapshot, refuses to resize, and after an undo hides VMs that are named like the base file."
    ),
    "VM-009": "An import into a cluster that is not Enabled is refused.",
    "VM-010": ("No fact decided this value. A guess is shown so that it can be checked, and is never imported unseen."),
    "VM-011": "A vApp is vCenter's own: CloudStack knows none, and starts and stops the VM by itself.",
    "VM-012": (
        "CloudStack records no image for an imported VM. The drive keeps the datastore of the image in use, may "
        "hold up a migration, and what boots from it is not on the VM's disks."
    ),
    "VM-013": "Only VMware Tools can shut a guest down; without them the VM can only be switched off hard.",
    "FLIGHT-001": (
        "CloudStack has no lock for a VM: two imports of one VM at the same time may both succeed, and two instances "
        "then share its disks. A job does not say which VM it imports, so this one may be it."
    ),
    "FLIGHT-002": (
        "Only success and a VM that was not found are logged as an end. Every other failure looks like an import that "
        "never ended; no job runs that could be this one."
    ),
    "HOST-001": ("Without a host name CloudStack takes the VM's name, and this VM's is not a valid host name."),
    "HOST-002": "Host names follow DNS: underscores, dots, blanks and a leading digit are refused.",
    "HOST-003": "A host name is unique in each network; with the setting vm.instancename.flag in the whole zone.",
    "OWNER-001": "CloudStack resolves the owner before anything else; an account needs its domain.",
    "OWNER-002": (
        "Without an owner the VM belongs to the administrator whose API key is used: it counts against "
        "nobody's limits, and its real owner cannot see it."
    ),
    "OFFER-001": "Every import needs exactly one compute offering.",
    "OFFER-002": (
        "The offering is restricted to other domains or zones. That is checked for the owner, not for the caller."
    ),
    "OFFER-003": (
        "A fixed offering must equal a VM that is not powered off; a custom one must have it within its "
        "bounds; one that leaves the CPU speed open needs a speed."
    ),
    "OFFER-004": "The CPU speed is a whole number of MHz; anything else is silently ignored by the server.",
    "OFFER-005": "The offering asks for host tags. Without migrate_allowed the VM's own host has to carry them.",
    "DETAIL-001": "The server stores details unchecked and fails on some of them after the VM row exists.",
    "DETAIL-002": "The server overwrites or ignores this detail, or stores it beside a fixed size it contradicts.",
    "TMPL-001": "The template decides the guest OS when it is named.",
    "OS-001": ("Without a template CloudStack needs a guest OS mapping for the VM's OS and exactly this ESXi version."),
    "ROOT-001": "The root disk is the one disk without an offering. CloudStack does not check that it boots.",
    "CTRL-001": "CloudStack records one controller type for all data disks.",
    "CTRL-002": (
        "CloudStack knows SCSI and IDE controllers only. It records 'none' for SATA and NVMe, and the "
        "controller may be another one after the next start."
    ),
    "DISK-001": "Every disk but the root disk needs an offering.",
    "DISK-002": (
        "The offering is restricted to other domains or zones. That is checked for the owner, not for the caller."
    ),
    "DISK-003": "A disk offering of a fixed size has to hold the disk; sizes are compared in bytes.",
    "DISK-004": "CloudStack finds the root disk by the offering it lacks: with one too many it would find none.",
    "DISK-005": (
        "A snapshot of the VM does not hold an independent disk, and a nonpersistent one forgets at every power off "
        "what was written to it. CloudStack knows neither and offers snapshots all the same."
    ),
    "DISK-006": (
        "CloudStack records the top file only. The base below it may belong to a template or another VM, and whoever "
        "deletes or changes that one destroys this disk; or it is what a removed snapshot left behind."
    ),
    "POOL-001": (
        "A disk's datastore has to be a primary storage of the zone, with all tags of the offering. Tags are "
        "looked at even when migration is allowed."
    ),
    "POOL-002": (
        "The server searches the datastore's name as a part of the pools' paths: ds1 also finds ds10, and the "
        "wrong pool is recorded without an error."
    ),
    "POOL-003": (
        "The import looks for the datastore itself, not for its cluster, and the pools of members are hidden from "
        "every list."
    ),
    "NIC-001": "A NIC without a named network is put into the first network of its VLAN, whoever's it is.",
    "NIC-002": "The owner has to be allowed to use the network. That is checked for the owner, not for the caller.",
    "NIC-003": (
        "The NIC's VLAN has to be the network's, also for VMs that are off; only Isolated networks are not compared."
    ),
    "NIC-004": "Shared and Isolated networks record an address for every NIC: one that is free, or auto.",
    "NIC-005": "CloudStack records one adapter type for all NICs.",
    "NIC-006": "The same MAC stands twice, in places where CloudStack does not object.",
    "NIC-007": (
        "A MAC is unique in each network. A failed import leaves its NIC rows behind, so a second try meets its own."
    ),
    "LIMIT-001": f"The owner, or a domain above it, may not have so many VMs. {_IN_ORDER}",
    "LIMIT-002": f"The owner, or a domain above it, may not have so many CPUs. {_IN_ORDER}",
    "LIMIT-003": f"The owner, or a domain above it, may not have so much memory. {_IN_ORDER}",
    "LIMIT-004": f"The owner, or a domain above it, may not have so many volumes. {_IN_ORDER}",
    "LIMIT-005": f"The owner, or a domain above it, may not have so much primary storage. {_IN_ORDER}",
    "CAP-001": "An import takes no new space, but what it records counts against the pool's size from then on.",
    "SERVER-001": (
        "Judged in the server's own order, this call would fail: no other rule says so, because the reason lies in the "
        "exact call or in a rare check."
    ),
    "NIC-009": "CloudStack imports such a NIC like any other and does not record that it is not connected.",
    "NIC-010": (
        "A standard port group is defined on every host for itself. The import compares the VLAN of the host that runs "
        "the VM then, which is another one after a migration."
    ),
    "NIC-011": "The VLAN shown for this NIC, or its absence, may not be the one it uses.",
    "NIC-008": (
        "CloudStack picks the lowest free address, which may be one that another VM of this plan brings along."
    ),
}
