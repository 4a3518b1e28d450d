"""All that a stack can say: the sections, and what follows from several of them."""

import hashlib
from dataclasses import dataclass

from components import ports
from components.settings.alerts import AlertsSection
from components.settings.azure_id import AzureId
from components.settings.backup import BackupSection
from components.settings.data_disk import Speed, speed
from components.settings.database import DatabaseSection
from components.settings.disks import DisksSection
from components.settings.encryption import EncryptionSection
from components.settings.endpoint import EndpointSection
from components.settings.failover import FailoverSection, Preset
from components.settings.fencing import FencingSection
from components.settings.losses import Wanted, losses
from components.settings.machines import MachinesSection
from components.settings.membership import MembershipSection
from components.settings.monitoring import MonitoringSection
from components.settings.names import NamesSection
from components.settings.network import NetworkSection
from components.settings.recorded import DataDisk, Recorded
from components.settings.replication import ReplicationSection
from components.settings.server_size import ServerSize
from components.settings.ssh import KeyPair, SshSection
from components.settings.tls import TlsSection
from components.settings.vm_size import VmSize
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
        # Of a region's labels none is another, whoever has them.
        return self.endpoint.dns_label or f"{self.names.cluster_name}-{self._digits}"

    @property
    def _digits(self) -> str:
        """Eight hexadecimal digits that tell this stack's names from those of others with a cluster of that name."""
        # A host key is the stack's alone, and never changes.
        return hashlib.sha256(self.ssh.ssh_host_keys[0].public.encode()).hexdigest()[:8]

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
        return existing.names[0] if existing else self.backup.backup_storage_account or self.own_storage_account

    @property
    def own_storage_account(self) -> str:
        """The storage account that the stack has made or makes, unless its settings name one; at most 24 characters."""
        # Of the whole world's accounts none has the name of another.
        new = f"st{self.names.cluster_name.replace('-', '')[:14]}{self._digits}"
        # With another name it would be another account, and this one deleted with all backups.
        return self.before.storage_account or new

    @property
    def begins_with(self) -> AzureId | None:
        """The storage account of the backup that a cluster without data begins with; None where there is data."""
        return None if self.has_data else self.backup.restore_from

    @property
    def deleted_disks(self) -> tuple[DataDisk, ...]:
        """The data disks that this update deletes, as the stack allows."""
        going = [disk for some in self.lost_disks.values() for disk in some]
        return tuple(disk for disk in going if str(disk) in self.disks.delete_data_disks)

    @property
    def lost_disks(self) -> dict[str, list[DataDisk]]:
        """The data disks that would go, by the setting whose change takes them."""
        return losses(
            self.before,
            Wanted(
                nodes=self.names.nodes,
                location=self.names.location,
                resource_group=self.names.resource_group,
                named=bool(self.names.node_names),
                group_is_there=self.names.existing_resource_group is not None,
            ),
        )

    @property
    def kept_disks(self) -> list[DataDisk]:
        """The data disks that there were and that stay, by name."""
        kept = [disk for disk in self.before.data_disks.values() if disk not in self.deleted_disks]
        return sorted(kept, key=lambda disk: disk.name)

    @property
    def has_data(self) -> bool:
        """Whether there is data that stays; where a first update has failed before, there are only disks."""
        return self.before.has_data and bool(self.kept_disks)
