"""All that a stack can say: the sections, what follows from several of them, and how they have to fit each other."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import pulumi

from components import ports
from components.certificates import is_address
from components.settings.alerts import AlertsSection
from components.settings.azure_id import AzureId
from components.settings.backup import BackupSection
from components.settings.data_disk import GROW_WITHOUT_BOUND, MOST_WHILE_ATTACHED, Speed, speed
from components.settings.database import DatabaseSection
from components.settings.disks import DisksSection
from components.settings.encryption import EncryptionSection
from components.settings.endpoint import EndpointSection
from components.settings.failover import FailoverSection, Preset
from components.settings.fencing import FencingSection
from components.settings.losses import KEYS, Wanted, check_permission, losses, refuse
from components.settings.machines import MachinesSection, premium_fits
from components.settings.membership import MembershipSection
from components.settings.mistake import Mistake
from components.settings.monitoring import MonitoringSection
from components.settings.names import NamesSection
from components.settings.network import NetworkSection
from components.settings.recorded import DataDisk, Recorded
from components.settings.replication import ReplicationSection
from components.settings.section import Check
from components.settings.server_options import check_binary_log
from components.settings.server_size import ServerSize
from components.settings.ssh import KeyPair, SshSection
from components.settings.tls import TlsSection
from components.settings.vm_size import VmSize, parse
from components.settings.watchdog import Watchdog, watchdog


@dataclass(frozen=True)
class MachineSettings:
    """A machine: one of the two nodes, or the witness.

    Args:
        name: VM name in Azure, host name, and a node's name in the cluster.
        zone: availability zone "1" to "3"; None for none.
        ssh_port: port under which SSH finds it from outside.
    """

    name: str
    private_address: str
    zone: str | None
    size: VmSize
    host_key: KeyPair
    ssh_port: int


@dataclass(frozen=True)
class Settings:
    """All that a stack can say, by section."""

    before: Recorded
    names: NamesSection
    machines: MachinesSection
    network: NetworkSection
    endpoint: EndpointSection
    disks: DisksSection
    encryption: EncryptionSection
    ssh: SshSection
    database: DatabaseSection
    tls: TlsSection
    backup: BackupSection
    monitoring: MonitoringSection
    alerts: AlertsSection
    failover: FailoverSection
    membership: MembershipSection
    replication: ReplicationSection
    fencing: FencingSection

    @property
    def nodes(self) -> tuple[MachineSettings, MachineSettings]:
        """The two nodes; the first does what is done once."""
        return self._node(0), self._node(1)

    def _node(self, index: int) -> MachineSettings:
        return MachineSettings(
            name=self.names.nodes[index],
            private_address=self.network.nodes[index],
            zone=self.machines.zones_of_nodes[index],
            size=self.machines.vm_size,
            host_key=self.ssh.ssh_host_keys[index],
            ssh_port=self._ssh_port(index),
        )

    @property
    def witness(self) -> MachineSettings | None:
        """The machine whose vote decides which node goes on alone; None for a cluster without one."""
        if not self.machines.witness:
            return None
        return MachineSettings(
            name=self.names.witness,
            private_address=self.network.witness,
            zone=self.machines.zone_of_witness,
            size=self.machines.witness_size,
            host_key=self.ssh.ssh_host_keys[2],
            ssh_port=self._ssh_port(2),
        )

    @property
    def everyone(self) -> tuple[MachineSettings, ...]:
        """The nodes, and the witness if there is one."""
        return (*self.nodes, *((self.witness,) if self.witness else ()))

    def _ssh_port(self, index: int) -> int:
        return self.ssh.ssh_ports[index] if self.ssh.ssh_access == "nat-rules" else ports.SSH

    @property
    def frontend_ports(self) -> dict[str, int]:
        """Port of the endpoint's address that leads to SSH, by machine, a witness or not; none for node addresses."""
        if self.ssh.ssh_access != "nat-rules":
            return {}
        return dict(zip((*self.names.nodes, self.names.witness), self.ssh.ssh_ports, strict=False))

    @property
    def internal_endpoint(self) -> str | None:
        """An internal endpoint's address in the subnet; None for a public endpoint."""
        return None if self.endpoint.is_public else self.network.internal_endpoint

    @property
    def has_host_firewall(self) -> bool:
        """Whether the machines judge by themselves who comes in."""
        # They ask a public endpoint from the address by which they leave, which an existing subnet's owner alone knows.
        is_known = self.network.existing_subnet_id is None or not self.endpoint.is_public
        return self.network.host_firewall and is_known

    @property
    def dns_label(self) -> str | None:
        """What the domain name of a public endpoint begins with; None for an internal one."""
        if not self.endpoint.is_public:
            return None
        # Of a region's labels none is another, whoever has them. A host key is the stack's alone, and never changes.
        digest = hashlib.sha256(self.ssh.ssh_host_keys[0].public.encode()).hexdigest()[:8]
        return self.endpoint.dns_label or f"{self.names.cluster_name}-{digest}"

    @property
    def domain_name(self) -> str | None:
        """The endpoint's domain name; None for an internal one without."""
        label = self.dns_label
        return f"{label}.{self.names.location}.cloudapp.azure.com" if label else self.endpoint.private_dns_name

    @property
    def data_disk_speed(self) -> Speed:
        """What a node's data disk can do."""
        return speed(self.disks.data_disk_sku, self.disks.data_disk_size_gb)

    @property
    def server_size(self) -> ServerSize:
        """What the server takes of its machine."""
        return ServerSize(
            memory_mib=self.machines.vm_size.memory_mib,
            disk=self.data_disk_speed,
            redo_log=self.machines.operating_system.database.redo_log,
            given=self.database.mysql_options,
        )

    @property
    def failover_times(self) -> Preset:
        """How soon a silent node counts as lost and is fenced: as the preset has it, but for what is given."""
        preset, token = self.failover.failover, self.membership.corosync_token_ms
        delay = self.fencing.fencing_delay_seconds
        return Preset(
            token_ms=preset.token_ms if token is None else token,
            fencing_delay_seconds=preset.fencing_delay_seconds if delay is None else delay,
        )

    @property
    def watchdog(self) -> Watchdog | None:
        """The watchdog's times; None for nodes without one: it needs a witness, and a Pacemaker that can have it."""
        is_possible = self.fencing.fencing and self.machines.witness and not self.machines.operating_system.no_watchdog
        return watchdog(self.failover_times.token_ms) if is_possible and self.fencing.watchdog is not False else None

    @property
    def lacks_watchdog(self) -> str:
        """Why a cluster with a witness has no watchdog though nobody has switched it off; empty otherwise."""
        is_wanted = self.fencing.fencing and self.machines.witness and self.fencing.watchdog is None
        return self.machines.operating_system.no_watchdog if is_wanted else ""

    @property
    def backup_account(self) -> str:
        """The name of the storage account that backups are in."""
        existing = self.backup.existing_backup_storage_account_id
        return existing.names[0] if existing else self.backup.backup_storage_account or self.names.own_storage_account

    @property
    def begins_with(self) -> AzureId | None:
        """The storage account of the backup that a cluster without data begins with; None where there is data."""
        return None if self._has_data() else self.backup.restore_from

    @property
    def deleted_disks(self) -> tuple[DataDisk, ...]:
        """The data disks that this update deletes, as the stack allows."""
        going = [disk for some in self._losses().values() for disk in some]
        return tuple(disk for disk in going if str(disk) in self.disks.delete_data_disks)

    def _losses(self) -> dict[str, list[DataDisk]]:
        return losses(
            self.before,
            Wanted(
                zones=dict(zip(self.names.nodes, self.machines.zones_of_nodes, strict=True)),
                location=self.names.location,
                resource_group=self.names.resource_group,
                named=bool(self.names.node_names),
                group_is_there=self.names.existing_resource_group is not None,
            ),
        )

    def checks(self) -> Iterable[Check]:
        return (
            ("existingSubnetId", self._subnet_is_not_our_own),
            ("existingPrivateDnsZoneId", self._zone_is_not_our_own),
            ("endpointAddress", self._endpoint_has_an_address_of_its_own),
            ("witnessAddress", self._witness_has_an_address_of_its_own),
            *((key, lambda key=key: self._data_stays(key)) for key in KEYS),
            ("deleteDataDisks", self._permission_is_of_use),
            ("witnessSize", self._witness_keeps_its_controller),
            ("dataDiskSizeGb", self._disks_never_shrink),
            ("dataDiskSizeGb", self._attached_disks_stay_small),
            ("dataDiskSku", self._attached_disks_keep_their_sku),
            ("dataDiskSku", lambda: premium_fits(self.disks.data_disk_sku, "vmSize", self.machines.vm_size)),
            ("dataDiskSku", self._sku_fits_zones),
            ("mysqlOptions", self._binary_log_is_of_the_backups),
            ("ownCertificate", self._certificate_is_for_the_endpoint),
            ("existingBackupStorageAccountId", self._account_is_not_our_own),
            ("restoreFrom", self._restores_from_another_cluster),
            ("restoreFrom", self._backup_is_restored_once),
            ("restoreTo", self._time_of_the_restore_stays),
            ("monitorOnWitness", self._witness_can_monitor),
            ("watchdog", self._watchdog_is_possible),
            ("sshPorts", self._ports_differ),
            ("sshPorts", lambda: self._has_one_for_the_witness(self.ssh.ssh_ports, "ports")),
            ("sshHostKeys", self._has_a_host_key_for_the_witness),
        )

    def _subnet_is_not_our_own(self) -> None:
        subnet, cluster = self.network.existing_subnet_id, self.names.cluster_name
        # Taken out of the program, the network that it has made would be deleted.
        own = (self.names.own_resource_group, f"vnet-{cluster}")
        if subnet and (subnet.group.lower(), subnet.names[0].lower()) == own:
            raise Mistake("is the subnet that this stack makes for itself; leave this setting out")

    def _zone_is_not_our_own(self) -> None:
        zone = self.endpoint.existing_private_dns_zone_id
        # Taken out of the program, the zone that it has made would be deleted.
        if zone and zone.group.lower() == self.names.own_resource_group:
            raise Mistake("is in the group that this stack makes for itself; leave this setting out")

    def _endpoint_has_an_address_of_its_own(self) -> None:
        if self.endpoint.is_public:
            if self.network.endpoint_address:
                raise Mistake("is for an internal endpoint; a public one gets its address from Azure")
            return
        address = self.network.internal_endpoint
        self.network.check_address(address)
        if address in self.network.nodes:
            raise Mistake(f"{address} is a node's; choose another")

    def _witness_has_an_address_of_its_own(self) -> None:
        if not self.machines.witness and not self.network.witness_address:
            return
        address = self.network.witness
        self.network.check_address(address)
        if address == self.internal_endpoint:
            raise Mistake(f"{address} is the endpoint's; choose another")
        if address in self.network.nodes:
            raise Mistake(f"{address} is a node's; choose another")

    def _data_stays(self, key: str) -> None:
        refuse(self._losses().get(key, ()), self.disks.delete_data_disks)

    def _permission_is_of_use(self) -> None:
        check_permission(self.disks.delete_data_disks, self.deleted_disks, self.disks.protect_data)

    def _kept_disks(self) -> list[DataDisk]:
        """Return the data disks that there were and that stay, by name."""
        kept = [disk for disk in self.before.data_disks.values() if disk not in self.deleted_disks]
        return sorted(kept, key=lambda disk: disk.name)

    def _has_data(self) -> bool:
        """Tell whether there is data that stays; where a first update has failed before, there are only disks."""
        return self.before.has_data and bool(self._kept_disks())

    def _disks_never_shrink(self) -> None:
        size = self.disks.data_disk_size_gb
        # Azure has no way to shrink one.
        for disk in self._kept_disks():
            if size < disk.gib:
                had = f"the {disk.gib} GiB that {disk.name} has"
                raise Mistake(f"{size} GiB is less than {had}; a disk can grow, but never shrink")

    def _attached_disks_stay_small(self) -> None:
        size = self.disks.data_disk_size_gb
        for disk in self._kept_disks():
            if disk.gib <= MOST_WHILE_ATTACHED < size and disk.sku not in GROW_WITHOUT_BOUND:
                had = f"{disk.name}, of {disk.gib} GiB"
                raise Mistake(
                    f"{size} GiB is more than {MOST_WHILE_ATTACHED}, and Azure does not grow an attached disk beyond"
                    f" that: {had}; docs/operations/growing-disk.md says how to do it by hand"
                )

    def _attached_disks_keep_their_sku(self) -> None:
        sku = self.disks.data_disk_sku
        for disk in self._kept_disks():
            if disk.sku and sku != disk.sku:
                raise Mistake(
                    f"{sku} is not {disk.sku}, which {disk.name} has, and Azure does not change the SKU of a disk"
                    " whose machine is on; docs/operations/growing-disk.md says how to do it by hand"
                )

    def _witness_keeps_its_controller(self) -> None:
        wanted, had = self.machines.witness_size, self.before.sizes.get(self.names.witness)
        if self.machines.witness and had and parse(had).is_nvme != wanted.is_nvme:
            controller = "NVMe" if wanted.is_nvme else "SCSI"
            raise Mistake(
                f"{wanted.name} has {controller} disks, but {had} does not, so the witness would be rebuilt: set"
                " witness to false, run pulumi up, and then set it to true again"
            )

    def _sku_fits_zones(self) -> None:
        if self.disks.data_disk_sku == "PremiumV2_LRS" and not self.machines.zones:
            raise Mistake(f"{self.disks.data_disk_sku} needs zones; an availability set cannot have it")

    def _binary_log_is_of_the_backups(self) -> None:
        if self.backup.backup:
            check_binary_log(self.database.mysql_options)

    def _certificate_is_for_the_endpoint(self) -> None:
        own = self.tls.own_certificate
        # A domain name may be one that leads to the endpoint, which is for others to say; an address is known here.
        if own and is_address(own.host) and own.host != self.internal_endpoint:
            endpoint = self.internal_endpoint or "public, with an address that Azure chooses"
            raise Mistake(f"is for {', '.join(own.names)}, but the endpoint is {endpoint}; it needs a domain name")

    def _account_is_not_our_own(self) -> None:
        account, names = self.backup.existing_backup_storage_account_id, self.names
        # Taken out of the program, the account that it has made would be deleted with all backups.
        own = (names.own_resource_group, names.own_storage_account)
        if account and (account.group.lower(), account.names[0].lower()) == own:
            raise Mistake("is the storage account that this stack makes for itself; leave this setting out")

    def _restores_from_another_cluster(self) -> None:
        source = self.backup.restore_from
        if source and self.backup.backup and source.names[0].lower() == self.backup_account.lower():
            raise Mistake("is the storage account of this stack's own backups; a backup is restored into a new stack")

    def _backup_is_restored_once(self) -> None:
        source, before = self.backup.restore_from, self.before.restored
        if source and self._has_data() and (before is None or before.source.lower() != source.text.lower()):
            had = f"the data of {before.source}" if before else "data"
            raise Mistake(
                f"this cluster already has {had}, and a backup can only be restored into a new one: clear this setting,"
                " and make another stack"
            )

    def _time_of_the_restore_stays(self) -> None:
        to, before = self.backup.restore_to, self.before.restored
        if self.backup.restore_from and before and self._has_data() and before.to != to:
            raise Mistake(
                f"is {to}, but this cluster was made with {before.to}: set it back, or clear restoreFrom and restoreTo,"
                " and make another stack"
            )

    def _witness_can_monitor(self) -> None:
        if not self.monitoring.monitor_on_witness:
            return
        if not self.monitoring.monitoring:
            raise Mistake("is true, but monitoring is false: the nodes would tell it nothing")
        if not self.machines.witness:
            raise Mistake("is true, but there is no witness (witness: true)")

    def _watchdog_is_possible(self) -> None:
        if not self.fencing.watchdog:
            return
        system = self.machines.operating_system
        if not self.fencing.fencing:
            raise Mistake("is on, but fencing is off, and the watchdog is a part of it")
        if not self.machines.witness:
            raise Mistake("is on, but there is no witness: a node alone would not know whether to end itself")
        if system.no_watchdog:
            raise Mistake(f"is on, but {system.name} cannot have it: {system.no_watchdog}; leave this setting out")

    def _ports_differ(self) -> None:
        if self.endpoint.probe_port in self.ssh.ssh_ports:
            raise Mistake(f"{self.endpoint.probe_port} is probePort; choose another")

    def _has_a_host_key_for_the_witness(self) -> None:
        remedy = f"; make stack STACK={pulumi.get_stack()} makes it"
        self._has_one_for_the_witness(self.ssh.ssh_host_keys, "keys", remedy)

    def _has_one_for_the_witness(self, values: tuple[object, ...], what: str, remedy: str = "") -> None:
        if self.machines.witness and len(values) < 3:
            raise Mistake(f"has {len(values)} {what}; a witness needs a third{remedy}")
