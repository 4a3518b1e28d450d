"""How the sections of a stack's settings have to agree with each other, and with what there is already."""

from collections.abc import Callable, Iterable
from functools import partial

import pulumi

from components.certificates import is_address
from components.settings.data_disk import GROW_WITHOUT_BOUND, MOST_WHILE_ATTACHED
from components.settings.losses import KEYS, check_permission, refuse
from components.settings.machines import premium_fits
from components.settings.mistake import Mistake
from components.settings.section import Check
from components.settings.server_options import check_binary_log
from components.settings.settings import Settings
from components.settings.vm_size import parse


def checks(settings: Settings) -> Iterable[Check]:
    """Return what has to be checked, each by the key that a mistake is told of."""
    told: tuple[tuple[str, Callable[[Settings], None]], ...] = (
        ("existingSubnetId", _subnet_is_not_our_own),
        ("existingPrivateDnsZoneId", _zone_is_not_our_own),
        ("endpointAddress", _endpoint_has_an_address_of_its_own),
        ("witnessAddress", _witness_has_an_address_of_its_own),
        *((key, partial(_data_stays, key)) for key in KEYS),
        ("deleteDataDisks", _permission_is_of_use),
        ("witnessSize", _witness_keeps_its_controller),
        ("dataDiskSizeGb", _disks_never_shrink),
        ("dataDiskSizeGb", _attached_disks_stay_small),
        ("dataDiskSku", _attached_disks_keep_their_sku),
        ("dataDiskSku", _sku_fits_the_machines),
        ("dataDiskSku", _sku_fits_zones),
        ("mysqlOptions", _binary_log_is_of_the_backups),
        ("ownCertificate", _certificate_is_for_the_endpoint),
        ("existingBackupStorageAccountId", _account_is_not_our_own),
        ("restoreFrom", _restores_from_another_cluster),
        ("restoreFrom", _backup_is_restored_once),
        ("restoreTo", _time_of_the_restore_stays),
        ("monitorOnWitness", _witness_can_monitor),
        ("watchdog", _watchdog_is_possible),
        ("sshPorts", _ports_differ),
        ("sshPorts", _has_a_port_for_the_witness),
        ("sshHostKeys", _has_a_host_key_for_the_witness),
    )
    return [(key, partial(check, settings)) for key, check in told]


def _subnet_is_not_our_own(settings: Settings) -> None:
    subnet, cluster = settings.network.existing_subnet_id, settings.names.cluster_name
    # Taken out of the program, the network that it has made would be deleted.
    own = (settings.names.own_resource_group, f"vnet-{cluster}")
    if subnet and (subnet.group.lower(), subnet.names[0].lower()) == own:
        raise Mistake("is the subnet that this stack makes for itself; leave this setting out")


def _zone_is_not_our_own(settings: Settings) -> None:
    zone = settings.endpoint.existing_private_dns_zone_id
    # Taken out of the program, the zone that it has made would be deleted.
    if zone and zone.group.lower() == settings.names.own_resource_group:
        raise Mistake("is in the group that this stack makes for itself; leave this setting out")


def _endpoint_has_an_address_of_its_own(settings: Settings) -> None:
    if settings.endpoint.is_public:
        if settings.network.endpoint_address:
            raise Mistake("is for an internal endpoint; a public one gets its address from Azure")
        return
    address = settings.network.internal_endpoint
    settings.network.check_address(address)
    if address in settings.network.nodes:
        raise Mistake(f"{address} is a node's; choose another")


def _witness_has_an_address_of_its_own(settings: Settings) -> None:
    if not settings.machines.witness and not settings.network.witness_address:
        return
    address = settings.network.witness
    settings.network.check_address(address)
    if address == settings.internal_endpoint:
        raise Mistake(f"{address} is the endpoint's; choose another")
    if address in settings.network.nodes:
        raise Mistake(f"{address} is a node's; choose another")


def _data_stays(key: str, settings: Settings) -> None:
    refuse(settings.lost_disks.get(key, ()), settings.disks.delete_data_disks)


def _permission_is_of_use(settings: Settings) -> None:
    check_permission(settings.disks.delete_data_disks, settings.deleted_disks, settings.disks.protect_data)


def _disks_never_shrink(settings: Settings) -> None:
    size = settings.disks.data_disk_size_gb
    # Azure has no way to shrink one.
    for disk in settings.kept_disks:
        if size < disk.gib:
            had = f"the {disk.gib} GiB that {disk.name} has"
            raise Mistake(f"{size} GiB is less than {had}; a disk can grow, but never shrink")


def _attached_disks_stay_small(settings: Settings) -> None:
    size = settings.disks.data_disk_size_gb
    for disk in settings.kept_disks:
        if disk.gib <= MOST_WHILE_ATTACHED < size and disk.sku not in GROW_WITHOUT_BOUND:
            had = f"{disk.name}, of {disk.gib} GiB"
            raise Mistake(
                f"{size} GiB is more than {MOST_WHILE_ATTACHED}, and Azure does not grow an attached disk beyond"
                f" that: {had}; docs/operations/growing-disk.md says how to do it by hand"
            )


def _attached_disks_keep_their_sku(settings: Settings) -> None:
    sku = settings.disks.data_disk_sku
    for disk in settings.kept_disks:
        if disk.sku and sku != disk.sku:
            raise Mistake(
                f"{sku} is not {disk.sku}, which {disk.name} has, and Azure does not change the SKU of a disk"
                " whose machine is on; docs/operations/growing-disk.md says how to do it by hand"
            )


def _witness_keeps_its_controller(settings: Settings) -> None:
    wanted, had = settings.machines.witness_size, settings.before.sizes.get(settings.names.witness)
    if settings.machines.witness and had and parse(had).is_nvme != wanted.is_nvme:
        controller = "NVMe" if wanted.is_nvme else "SCSI"
        raise Mistake(
            f"{wanted.name} has {controller} disks, but {had} does not, so the witness would be rebuilt: set"
            " witness to false, run pulumi up, and then set it to true again"
        )


def _sku_fits_the_machines(settings: Settings) -> None:
    premium_fits(settings.disks.data_disk_sku, "vmSize", settings.machines.vm_size)


def _sku_fits_zones(settings: Settings) -> None:
    if settings.disks.data_disk_sku == "PremiumV2_LRS" and not settings.machines.zones:
        raise Mistake(f"{settings.disks.data_disk_sku} needs zones; an availability set cannot have it")


def _binary_log_is_of_the_backups(settings: Settings) -> None:
    if settings.backup.backup:
        check_binary_log(settings.database.mysql_options)


def _certificate_is_for_the_endpoint(settings: Settings) -> None:
    own = settings.tls.own_certificate
    # A domain name may be one that leads to the endpoint, which is for others to say; an address is known here.
    if own and is_address(own.host) and own.host != settings.internal_endpoint:
        endpoint = settings.internal_endpoint or "public, with an address that Azure chooses"
        raise Mistake(f"is for {', '.join(own.names)}, but the endpoint is {endpoint}; it needs a domain name")


def _account_is_not_our_own(settings: Settings) -> None:
    account = settings.backup.existing_backup_storage_account_id
    # Taken out of the program, the account that it has made would be deleted with all backups.
    own = (settings.names.own_resource_group, settings.own_storage_account)
    if account and (account.group.lower(), account.names[0].lower()) == own:
        raise Mistake("is the storage account that this stack makes for itself; leave this setting out")


def _restores_from_another_cluster(settings: Settings) -> None:
    source = settings.backup.restore_from
    if source and settings.backup.backup and source.names[0].lower() == settings.backup_account.lower():
        raise Mistake("is the storage account of this stack's own backups; a backup is restored into a new stack")


def _backup_is_restored_once(settings: Settings) -> None:
    source, before = settings.backup.restore_from, settings.before.restored
    if source and settings.has_data and (before is None or before.source.lower() != source.text.lower()):
        had = f"the data of {before.source}" if before else "data"
        raise Mistake(
            f"this cluster already has {had}, and a backup can only be restored into a new one: clear this setting,"
            " and make another stack"
        )


def _time_of_the_restore_stays(settings: Settings) -> None:
    to, before = settings.backup.restore_to, settings.before.restored
    if settings.backup.restore_from and before and settings.has_data and before.to != to:
        raise Mistake(
            f"is {to}, but this cluster was made with {before.to}: set it back, or clear restoreFrom and restoreTo,"
            " and make another stack"
        )


def _witness_can_monitor(settings: Settings) -> None:
    if not settings.monitoring.monitor_on_witness:
        return
    if not settings.monitoring.monitoring:
        raise Mistake("needs monitoring: true, since without it the nodes have no exporters")
    if not settings.machines.witness:
        raise Mistake("is true, but there is no witness (witness: true)")


def _watchdog_is_possible(settings: Settings) -> None:
    if not settings.fencing.watchdog:
        return
    system = settings.machines.operating_system
    if not settings.fencing.fencing:
        raise Mistake("is on, but fencing is off, and the watchdog is a part of it")
    if not settings.machines.witness:
        raise Mistake("is on, but there is no witness: a node alone would not know whether to end itself")
    if system.no_watchdog:
        raise Mistake(f"is on, but {system.name} cannot have it: {system.no_watchdog}; leave this setting out")


def _ports_differ(settings: Settings) -> None:
    if settings.endpoint.probe_port in settings.ssh.ssh_ports:
        raise Mistake(f"{settings.endpoint.probe_port} is probePort; choose another")


def _has_a_port_for_the_witness(settings: Settings) -> None:
    _has_one_for_the_witness(settings, settings.ssh.ssh_ports, "ports")


def _has_a_host_key_for_the_witness(settings: Settings) -> None:
    remedy = f"; make stack STACK={pulumi.get_stack()} makes it"
    _has_one_for_the_witness(settings, settings.ssh.ssh_host_keys, "keys", remedy)


def _has_one_for_the_witness(settings: Settings, values: tuple[object, ...], what: str, remedy: str = "") -> None:
    if settings.machines.witness and len(values) < 3:
        raise Mistake(f"has {len(values)} {what}; a witness needs a third{remedy}")
