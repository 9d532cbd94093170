"""What makes a VM special as a whole: what it is, its state, its size and its guest."""

from __future__ import annotations

from ingest.twin.world import VM, VApp
from ingest.twin.worlds.oddity import Setting, oddity, switch_off
from ingest.twin.worlds.vocabulary import AGENT_GUEST, ODD_SIZES, UNMAPPED_GUEST

EAM = ("com.vmware.vim.eam", "cluster-agent")
PLACEHOLDER = ("com.vmware.vcDr", "placeholderVm")


@oddity
def template(vm: VM, setting: Setting) -> None:
    """A vSphere template: off, in the folder of templates."""
    switch_off(vm)
    vm.template = True
    vm.folder = setting.machines.folder(setting.site, "Templates")


@oddity
def vcls_agent(vm: VM, setting: Setting) -> None:
    """A vSphere Cluster Services agent: tiny, without a network, owned by the ESX Agent Manager."""
    vm.name = f"vCLS-{setting.parts.uuid()}"
    vm.folder = setting.machines.folder(setting.site, "vCLS")
    vm.managed_by = EAM
    vm.power_state, vm.tools_status = "poweredOn", "toolsOk"
    vm.cpus, vm.memory_mib, vm.firmware, vm.secure_boot = 1, 128, "efi", False
    setting.machines.set_guest(vm, AGENT_GUEST)
    vm.nics.clear()
    del vm.disks[1:]
    datastore = setting.parts.world.datastores[vm.disks[0].datastore].name
    vm.disks[0].capacity_bytes = 2 << 30
    vm.disks[0].file_name = f"[{datastore}] {vm.name}/{vm.name}.vmdk"


@oddity
def placeholder(vm: VM, setting: Setting) -> None:
    """The stand-in that a replication product registers for a VM of another site."""
    switch_off(vm)
    vm.managed_by = PLACEHOLDER
    vm.folder = setting.machines.folder(setting.site, "Recovery")
    vm.disabled_methods = ["PowerOnVM_Task", "MigrateVM_Task"]


@oddity
def in_vapp(vm: VM, setting: Setting) -> None:
    """A member of a vApp: no parent folder, the vApp is its resource pool."""
    cluster = setting.cluster
    if cluster.vapp is None:
        moref = setting.parts.moref("resgroup-v")
        folder = setting.site.datacenter.vm_folder
        cluster.vapp = VApp(
            moref, f"{cluster.compute.name}-suite", cluster.compute.resource_pool, folder, cluster.compute.moref
        )
        setting.parts.world.vapps[moref] = cluster.vapp
    vm.folder, vm.vapp, vm.resource_pool = "", cluster.vapp.moref, cluster.vapp.moref


@oddity
def nested_vapp(vm: VM, setting: Setting) -> None:
    """A member of a vApp that is in another vApp, and so in no folder either."""
    in_vapp(vm, setting)
    outer = vm.vapp
    vapps = setting.parts.world.vapps
    inner = next((vapp.moref for vapp in vapps.values() if vapp.parent == outer), "")
    if not inner:
        inner = setting.parts.moref("resgroup-v")
        vapps[inner] = VApp(inner, f"{vapps[outer].name}-db", outer, "", setting.cluster.compute.moref)
    vm.vapp = vm.resource_pool = inner


@oddity
def standalone_host(vm: VM, setting: Setting) -> None:
    """On a host outside every cluster, with its local datastore; CloudStack never sees that host."""
    host, datastore = setting.site.standalone[0]
    vm.host = host.moref
    vm.resource_pool = setting.parts.world.computes[host.compute].resource_pool
    for disk in vm.disks:
        disk.datastore = datastore.moref
        disk.file_name = f"[{datastore.name}] {disk.file_name.partition('] ')[2]}"


@oddity
def fault_tolerant(vm: VM, setting: Setting) -> None:
    """The primary of a fault tolerant pair."""
    vm.ft_role = 1


@oddity
def fault_tolerant_secondary(vm: VM, setting: Setting) -> None:
    """The shadow of another VM, which this makes a primary: same name and instance UUID's pair, own moref."""
    for other in setting.parts.world.vms.values():
        ordinary = other.folder and not other.template and not other.managed_by and not other.ft_partner
        if other is not vm and ordinary and setting.parts.world.compute_of(other) is setting.cluster.compute:
            vm.name, vm.folder, vm.ft_role, vm.ft_partner = other.name, other.folder, 2, other.moref
            other.ft_role, other.ft_partner = 1, vm.moref
            return
    raise ValueError("a fault tolerant pair needs a second VM in the cluster")


@oddity
def duplicate_name(vm: VM, setting: Setting) -> None:
    """The same name as an ordinary VM of the same datacenter, in another folder: a restore that was never removed."""
    restored = setting.machines.folder(setting.site, "Restored")
    taken = {other.name for other in setting.parts.world.vms.values() if other.folder == restored}
    for other in setting.parts.world.vms.values():
        same_site = setting.parts.world.compute_of(other).datacenter == setting.site.datacenter.moref
        if other is not vm and same_site and other.folder and other.name not in taken and not other.managed_by:
            vm.name, vm.folder = other.name, restored
            return
    raise ValueError("a world with a duplicate name needs a second VM in the datacenter")


@oddity
def escaped_name(vm: VM, setting: Setting) -> None:
    """A slash in the name, which vCenter keeps as %2f."""
    vm.name = f"{vm.name}%2fnew"


@oddity
def long_name(vm: VM, setting: Setting) -> None:
    """More characters than a host name may have (63), fewer than vCenter allows (80)."""
    vm.name = f"{vm.name}-{'copy-before-the-upgrade-' * 3}"[:70].rstrip("-") + "-keep"


@oddity
def suspended(vm: VM, setting: Setting) -> None:
    """Neither on nor off: CloudStack calls it PowerUnknown."""
    switch_off(vm)
    vm.power_state = "suspended"


@oddity
def pending_question(vm: VM, setting: Setting) -> None:
    """Waits for an answer of the administrator."""
    vm.question = "This virtual machine might have been moved or copied. Did you move it, or did you copy it?"


@oddity
def inaccessible(vm: VM, setting: Setting) -> None:
    """Its files cannot be read: vCenter shows no configuration."""
    switch_off(vm)
    vm.connection_state = "inaccessible"


@oddity
def encrypted(vm: VM, setting: Setting) -> None:
    """Encrypted, with a virtual TPM."""
    vm.encrypted = True
    vm.firmware = "efi"
    vm.extra_devices.append("VirtualTPM")


@oddity
def passthrough(vm: VM, setting: Setting) -> None:
    """Owns a PCI device of its host."""
    vm.extra_devices.append("VirtualPCIPassthrough")


@oddity
def vgpu(vm: VM, setting: Setting) -> None:
    """A slice of a graphics card of its host."""
    vm.vgpus.append("grid_t4-4q")


@oddity
def usb_device(vm: VM, setting: Setting) -> None:
    """A USB device of its host, such as a licence dongle."""
    vm.extra_devices += ["VirtualUSBXHCIController", "VirtualUSB"]


@oddity
def iso_attached(vm: VM, setting: Setting) -> None:
    """An ISO of its first disk's datastore in the drive."""
    datastore = setting.parts.world.datastores[vm.disks[0].datastore].name
    vm.iso = f"[{datastore}] iso/installer.iso"


@oddity
def cpu_reservation(vm: VM, setting: Setting) -> None:
    """A CPU reservation: CloudStack compares it with the speed of a fixed offering."""
    vm.cpu_reservation_mhz = 500 * vm.cpus


@oddity
def odd_size(vm: VM, setting: Setting) -> None:
    """Running, with a size no fixed offering has."""
    vm.cpus, vm.memory_mib = setting.parts.random.choice(ODD_SIZES)
    vm.power_state = "poweredOn"


@oddity
def unmapped_guest(vm: VM, setting: Setting) -> None:
    """A guest id CloudStack has no mapping for: the import needs a template."""
    setting.machines.set_guest(vm, UNMAPPED_GUEST)
