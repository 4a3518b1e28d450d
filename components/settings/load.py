"""The stack's settings: typed, checked, and all mistakes told at once. The only reader of pulumi.Config.

Defaults stand in Pulumi.yaml, whence the engine hands them to the program; none stands here.
"""

import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Generic, Literal, TypeVar, cast

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret

from components.settings import checks, operating_system
from components.settings.checks import AzureId, KeyUrl, Mistake
from components.settings.losses import KEYS, Wanted, losses, permission, refuse
from components.settings.operating_system import OperatingSystem, OperatingSystemError
from components.settings.recorded import DataDisk, Recorded
from components.settings.server_options import server_options

# The balancer's NAT rules lead there, and so does an address of a node's own.
SSH_PORT = 22

_NOTHING = Recorded()

T = TypeVar("T")


@dataclass(frozen=True)
class HostKey:
    """A machine's SSH host key.

    Args:
        private: the private key in OpenSSH's form, secret.
        public: the public key's line, "ssh-ed25519 AAAA...".
    """

    private: pulumi.Output[str]
    public: str


@dataclass(frozen=True)
class MachineSettings:
    """A machine: one of the two nodes, or the witness.

    Args:
        name: VM name in Azure, host name, and a node's name in the cluster.
        private_address: IPv4 address in the subnet.
        zone: availability zone "1" to "3"; None for none.
        host_key: by which SSH knows the machine.
        ssh_port: port under which SSH finds it from outside.
    """

    name: str
    private_address: str
    zone: str | None
    host_key: HostKey
    ssh_port: int


@dataclass(frozen=True)
class WitnessSettings:
    """The machine whose vote decides which node goes on alone.

    Args:
        machine: its name, address, zone, host key and port.
        vm_size: Azure's name of its size.
    """

    machine: MachineSettings
    vm_size: str


@dataclass(frozen=True)
class NetworkSettings:
    """The virtual network.

    Args:
        address_space: its IPv4 network, in CIDR form; that of the subnet where an existing one is used.
        subnet: the nodes' subnet of it.
        existing_subnet: the subnet that is there already; None to make network and subnet.
        endpoint_address: the endpoint's address in that subnet; None for a public endpoint.
    """

    address_space: str
    subnet: str
    existing_subnet: AzureId | None
    endpoint_address: str | None


@dataclass(frozen=True)
class VmSettings:
    """The machines.

    Args:
        size: Azure's name of the size, such as "Standard_D2s_v5".
        image_version: version of the operating system's image, or "latest".
        admin_user: the account that SSH logs in to.
        os_disk_sku: SKU of the operating system's disk.
        accelerated_networking: whether the nodes' traffic goes past the host's switch.
    """

    size: str
    image_version: str
    admin_user: str
    os_disk_sku: str
    accelerated_networking: bool


@dataclass(frozen=True)
class DataDiskSettings:
    """The data disk of each node.

    Args:
        size_gib: 4 to 32767.
        sku: Azure's SKU, such as "Premium_LRS".
        protect: whether Pulumi refuses to delete it.
        deleted: those of before that this update may delete, and does.
    """

    size_gib: int
    sku: str
    protect: bool
    deleted: tuple[DataDisk, ...]


@dataclass(frozen=True)
class EncryptionSettings:
    """The user's own key for all disks.

    Args:
        key_url: the key with its version.
        key_id: resource id of the key, without a version.
        vault: its vault.
    """

    key_url: str
    key_id: str
    vault: AzureId


@dataclass(frozen=True)
class SshSettings:
    """Administration by SSH.

    Args:
        access: "nat-rules", ports of the endpoint's address; or "node-addresses", one a machine.
        ports: port of the endpoint's address by machine name, for "nat-rules"; that of the witness is kept for it
            whether it is there or not.
        admin_cidrs: networks that may connect, in CIDR form.
        private_key: private key of the admin user, secret.
        public_key: its public key's line.
        previous_private_key: the admin user's key before, secret, while it is being changed; None otherwise.
        previous_public_key: its public key's line.
        cluster_private_key: private key by which the nodes reach each other, secret.
        cluster_public_key: its public key's line.
    """

    access: Literal["nat-rules", "node-addresses"]
    ports: dict[str, int]
    admin_cidrs: tuple[str, ...]
    private_key: pulumi.Output[str]
    public_key: str
    previous_private_key: pulumi.Output[str] | None
    previous_public_key: str | None
    cluster_private_key: pulumi.Output[str]
    cluster_public_key: str


@dataclass(frozen=True)
class EndpointSettings:
    """Where clients find MySQL.

    Args:
        public: whether the endpoint has a public address.
        client_cidrs: networks that may connect, in CIDR form.
        probe_port: TCP port that only the node that serves answers.
    """

    public: bool
    client_cidrs: tuple[str, ...]
    probe_port: int


@dataclass(frozen=True)
class DatabaseSettings:
    """The application's database.

    Args:
        name: its name.
        user: the application's account, which owns it.
        password: that account's password, secret.
        options: further options of the server, names spelt with _; none that the cluster sets.
    """

    name: str
    user: str
    password: pulumi.Output[str]
    options: dict[str, str]


@dataclass(frozen=True)
class MembershipSettings:
    """Corosync.

    Args:
        token_ms: time after which a silent node is missed, in milliseconds, 1000 to 60000.
        key: base64 of 256 random bytes, secret.
        key_file: a name for its file that tells one key from another and nothing of the key itself.
    """

    token_ms: int
    key: pulumi.Output[str]
    key_file: str


@dataclass(frozen=True)
class ReplicationSettings:
    """DRBD.

    Args:
        shared_secret: by which the peers know each other, 32 to 63 characters, secret.
        resync_max_rate: most that a resynchronisation may take a second, in DRBD's form ("100M").
        resync_min_rate: what it gets a second, however much is written, likewise.
    """

    shared_secret: pulumi.Output[str]
    resync_max_rate: str
    resync_min_rate: str


@dataclass(frozen=True)
class FencingSettings:
    """Fencing (STONITH).

    Args:
        enabled: whether a node that fails is fenced.
        delay_seconds: how long the fencing of the node that serves is put off, in seconds, 0 to 300.
        existing_role: the role that is there already; None to make one.
    """

    enabled: bool
    delay_seconds: int
    existing_role: AzureId | None


@dataclass(frozen=True)
class Settings:
    """All that a stack can say.

    Args:
        cluster_name: begins or ends the names of all that is made.
        location: Azure region.
        existing_resource_group: name of the group that is there already; None to make one.
        operating_system: what the nodes run.
        nodes: the two nodes; the first does what is done once.
        witness: the third machine; None for a cluster without one.
        zones: zones in use; None for an availability set.
        deletion_lock: whether Azure refuses to delete the data disks and the endpoint's public address.
        encryption: the user's own key for all disks; None for Azure's.
        tags: on every Azure resource.
    """

    cluster_name: str
    location: str
    existing_resource_group: str | None
    operating_system: OperatingSystem
    nodes: tuple[MachineSettings, MachineSettings]
    witness: WitnessSettings | None
    network: NetworkSettings
    zones: tuple[str, ...] | None
    vm: VmSettings
    data_disk: DataDiskSettings
    deletion_lock: bool
    encryption: EncryptionSettings | None
    ssh: SshSettings
    endpoint: EndpointSettings
    database: DatabaseSettings
    membership: MembershipSettings
    replication: ReplicationSettings
    fencing: FencingSettings
    tags: dict[str, str]


class SettingsError(pulumi.RunError):
    """Some settings are wrong; the text names all of them. The engine shows it without a traceback.

    Args:
        stack: the stack's name.
        mistakes: a line for each, beginning with the key.
    """

    def __init__(self, stack: str, mistakes: list[str]) -> None:
        self.mistakes = tuple(mistakes)
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        head = f"{count} in the settings of stack {stack}; nothing was changed"
        super().__init__("\n".join([f"{head}:", *(f"  {mistake}" for mistake in mistakes)]))


def load(config: pulumi.Config | None = None, *, before: Recorded = _NOTHING) -> Settings:
    """Read and check all settings of the stack.

    Args:
        config: the project's configuration; by default that of the running program.
        before: what there was before this update; by default nothing.

    Raises:
        SettingsError: something is missing, wrong, or not known; all of it is named.
    """
    read = _Reader(config or pulumi.Config())
    check = read.check

    cluster = check("clusterName", lambda: checks.cluster_name(read.text("clusterName")))
    names = check(
        "nodeNames",
        lambda: checks.node_names(read.texts("nodeNames") or [f"{cluster.value}-1", f"{cluster.value}-2"]),
    )
    witness_name = check("nodeNames", lambda: checks.witness_name(cluster.value, names.value))
    location = check("location", lambda: checks.location(read.text("location")))
    group = check(
        "existingResourceGroup",
        lambda: _given(read, "existingResourceGroup", lambda value: checks.resource_group(value, cluster.value)),
    )
    system = check("operatingSystem", lambda: _operating_system(read.text("operatingSystem")))
    image_version = check("imageVersion", lambda: checks.image_version(read.text("imageVersion")))

    subnet = check("subnet", lambda: checks.subnet(read.text("subnet")))
    existing_subnet = check(
        "existingSubnetId",
        lambda: _given(read, "existingSubnetId", lambda value: checks.subnet_id(value, cluster.value)),
    )
    space = check(
        "addressSpace",
        lambda: _address_space(read.text("addressSpace", optional=True), existing_subnet, subnet),
    )
    check("subnet", lambda: checks.subnet_within(subnet.value, space.value))
    addresses = check(
        "nodeAddresses",
        lambda: checks.node_addresses(
            read.texts("nodeAddresses") or checks.default_node_addresses(subnet.value), subnet.value
        ),
    )
    endpoint = check("endpoint", lambda: checks.choice(read.text("endpoint"), ("public", "internal")))
    endpoint_address = check(
        "endpointAddress",
        lambda: _endpoint_address(read.text("endpointAddress", optional=True), endpoint, subnet, addresses),
    )

    witness = check("witness", lambda: read.boolean("witness"))
    witness_address = check(
        "witnessAddress",
        lambda: _witness_address(
            read.text("witnessAddress", optional=True), witness, subnet, addresses, endpoint_address
        ),
    )

    availability_set = check("availabilitySet", lambda: read.boolean("availabilitySet"))
    zones = check("zones", lambda: checks.zones(read.texts("zones")))
    check("zones", lambda: checks.placement(zones.value, availability_set.value))

    def zones_of_nodes() -> Sequence[str | None]:
        return (zones.value * 2)[:2] or (None, None)

    vm_size = check("vmSize", lambda: checks.vm_size(read.text("vmSize")))
    os_disk_sku = check("osDiskSku", lambda: checks.os_disk_sku(read.text("osDiskSku")))
    check("osDiskSku", lambda: checks.premium_fits(os_disk_sku.value, "vmSize", vm_size.value))
    accelerated = check(
        "acceleratedNetworking",
        lambda: checks.acceleration_fits(read.boolean("acceleratedNetworking"), vm_size.value),
    )
    witness_size = check("witnessSize", lambda: checks.vm_size(read.text("witnessSize")))
    check("witnessSize", lambda: checks.premium_fits(os_disk_sku.value, "witnessSize", witness_size.value))
    protect = check("protectData", lambda: read.boolean("protectData"))
    deleted_disks = _losses(
        read,
        before,
        lambda: Wanted(
            zones=dict(zip(names.value, zones_of_nodes(), strict=True)),
            location=location.value,
            resource_group=group.value or f"rg-{cluster.value}",
            named=bool(read.texts("nodeNames")),
            group_is_there=group.value is not None,
        ),
        protect,
    )
    disk_size = check("dataDiskSizeGb", lambda: checks.data_disk_size(read.integer("dataDiskSizeGb")))
    check(
        "dataDiskSizeGb",
        lambda: checks.never_shrinks(
            disk_size.value,
            {disk.name: disk.gib for disk in before.data_disks.values() if disk not in deleted_disks.value},
        ),
    )
    disk_sku = check("dataDiskSku", lambda: checks.data_disk_sku(read.text("dataDiskSku")))
    check("dataDiskSku", lambda: checks.premium_fits(disk_sku.value, "vmSize", vm_size.value))
    check("dataDiskSku", lambda: checks.sku_fits_zones(disk_sku.value, zones.value))
    lock = check("deletionLock", lambda: checks.lock_needs_protection(read.boolean("deletionLock"), protect.value))
    key_url = check("diskEncryptionKeyUrl", lambda: _given(read, "diskEncryptionKeyUrl", checks.key_url))
    vault = check(
        "diskEncryptionKeyVaultId",
        lambda: _given(
            read,
            "diskEncryptionKeyVaultId",
            lambda value: checks.resource_id(value, "Microsoft.KeyVault/vaults/NAME"),
        ),
    )
    encryption = check("diskEncryptionKeyVaultId", lambda: _encryption(key_url.value, vault.value))

    admin_user = check("adminUser", lambda: checks.admin_user(read.text("adminUser")))
    admin_cidrs = check("adminCidrs", lambda: checks.sources(read.texts("adminCidrs"), "SSH"))
    access = check("sshAccess", lambda: checks.choice(read.text("sshAccess"), ("nat-rules", "node-addresses")))
    probe_port = check("probePort", lambda: checks.probe_port(read.integer("probePort")))
    ssh_ports = check("sshPorts", lambda: checks.ssh_ports(read.integers("sshPorts")))
    check("sshPorts", lambda: checks.ports_differ(ssh_ports.value, probe_port.value))
    check("sshPorts", lambda: checks.has_one_for_the_witness(ssh_ports.value, "ports", witness.value))
    ssh_key = check("sshPrivateKey", lambda: checks.ssh_key(read.secret("sshPrivateKey")))
    previous_ssh_key = check(
        "sshPreviousPrivateKey", lambda: _optional_key(read.secret("sshPreviousPrivateKey", optional=True))
    )
    check("sshPreviousPrivateKey", lambda: checks.keys_differ(previous_ssh_key.value, ssh_key.value))
    host_keys = check("sshHostKeys", lambda: checks.host_keys(read.secrets("sshHostKeys")))
    check(
        "sshHostKeys",
        lambda: checks.has_one_for_the_witness(
            host_keys.value, "keys", witness.value, f"; make stack STACK={pulumi.get_stack()} makes it"
        ),
    )
    cluster_key = check("clusterSshKey", lambda: checks.ssh_key(read.secret("clusterSshKey")))
    check("clusterSshKey", lambda: checks.keys_differ(cluster_key.value, ssh_key.value))
    check("clusterSshKey", lambda: checks.keys_differ(cluster_key.value, previous_ssh_key.value))

    client_cidrs = check("clientCidrs", lambda: _client_cidrs(read.texts("clientCidrs"), endpoint))
    database = check("databaseName", lambda: checks.database_name(read.text("databaseName")))
    user = check("databaseUser", lambda: checks.database_user(read.text("databaseUser")))
    password = check("databasePassword", lambda: checks.database_password(read.secret("databasePassword")))
    options = check("mysqlOptions", lambda: server_options(read.mapping("mysqlOptions")))
    token_ms = check(
        "corosyncTokenMs",
        lambda: checks.number(read.integer("corosyncTokenMs"), 1000, 60000, "milliseconds"),
    )
    corosync_key = check("corosyncKey", lambda: checks.corosync_key(read.secret("corosyncKey")))
    drbd_secret = check("drbdSecret", lambda: checks.drbd_secret(read.secret("drbdSecret")))
    resync_rate = check("drbdResyncMaxRate", lambda: checks.resync_rate(read.text("drbdResyncMaxRate")))
    resync_min_rate = check(
        "drbdResyncMinRate",
        lambda: checks.resync_min_rate(
            read.text("drbdResyncMinRate", optional=True), resync_rate.value, disk_sku.value, disk_size.value
        ),
    )
    fencing = check("fencing", lambda: checks.switch(read.text("fencing")))
    fencing_delay = check(
        "fencingDelaySeconds", lambda: checks.number(read.integer("fencingDelaySeconds"), 0, 300, "seconds")
    )
    existing_role = check("existingRoleDefinitionId", lambda: _given(read, "existingRoleDefinitionId", checks.role_id))
    tags = check("tags", lambda: checks.tags(read.mapping("tags")))
    read.finish()

    by_ports = access.value == "nat-rules"
    machine_names = (*names.value, witness_name.value)
    machine_addresses = (*addresses.value, witness_address.value)
    zone_of_machine = (*zones_of_nodes(), checks.witness_zone(zones.value) if zones.value else None)

    def machine(index: int) -> MachineSettings:
        return MachineSettings(
            name=machine_names[index],
            private_address=machine_addresses[index],
            zone=zone_of_machine[index],
            host_key=HostKey(_secret(host_keys.value[index].private), host_keys.value[index].public),
            ssh_port=ssh_ports.value[index] if by_ports else SSH_PORT,
        )

    return Settings(
        cluster_name=cluster.value,
        location=location.value,
        existing_resource_group=group.value,
        operating_system=system.value,
        nodes=(machine(0), machine(1)),
        witness=WitnessSettings(machine(2), witness_size.value) if witness.value else None,
        network=NetworkSettings(str(space.value), str(subnet.value), existing_subnet.value, endpoint_address.value),
        zones=zones.value or None,
        vm=VmSettings(
            size=vm_size.value,
            image_version=image_version.value,
            admin_user=admin_user.value,
            os_disk_sku=os_disk_sku.value,
            accelerated_networking=accelerated.value,
        ),
        data_disk=DataDiskSettings(disk_size.value, disk_sku.value, protect.value, deleted_disks.value),
        deletion_lock=lock.value,
        encryption=encryption.value,
        ssh=SshSettings(
            access="nat-rules" if by_ports else "node-addresses",
            ports=dict(zip(machine_names, ssh_ports.value, strict=False)) if by_ports else {},
            admin_cidrs=admin_cidrs.value,
            private_key=_secret(ssh_key.value.private),
            public_key=ssh_key.value.public,
            previous_private_key=_secret(previous_ssh_key.value.private) if previous_ssh_key.value else None,
            previous_public_key=previous_ssh_key.value.public if previous_ssh_key.value else None,
            cluster_private_key=_secret(cluster_key.value.private),
            cluster_public_key=cluster_key.value.public,
        ),
        endpoint=EndpointSettings(endpoint.value == "public", client_cidrs.value, probe_port.value),
        database=DatabaseSettings(database.value, user.value, _secret(password.value), options.value),
        membership=MembershipSettings(
            token_ms.value, _secret(corosync_key.value), checks.corosync_key_file(corosync_key.value)
        ),
        replication=ReplicationSettings(_secret(drbd_secret.value), resync_rate.value, resync_min_rate.value),
        fencing=FencingSettings(fencing.value, fencing_delay.value, existing_role.value),
        tags=tags.value,
    )


def _secret(value: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(value)


def _optional_key(value: str) -> checks.KeyPair | None:
    return checks.ssh_key(value) if value else None


def _operating_system(name: str) -> OperatingSystem:
    try:
        return operating_system.load(name)
    except OperatingSystemError as error:
        raise Mistake(str(error)) from None


def _given(read: "_Reader", key: str, parse: Callable[[str], T]) -> T | None:
    """Return what a setting's text means; None where it is left empty."""
    value = read.text(key, optional=True)
    return parse(value) if value else None


def _losses(
    read: "_Reader", before: Recorded, wanted: Callable[[], Wanted], protect: "_Setting[bool]"
) -> "_Setting[tuple[DataDisk, ...]]":
    """Return the data disks that the stack lets this update delete; any other that it would delete is a mistake."""
    allowed = read.check("deleteDataDisks", lambda: read.texts("deleteDataDisks"))
    going = read.check("deleteDataDisks", lambda: losses(before, wanted()))

    def refuse_for(key: str) -> None:
        read.check(key, lambda: refuse(going.value.get(key, ()), allowed.value))

    for key in KEYS:
        refuse_for(key)
    return read.check(
        "deleteDataDisks",
        lambda: permission(allowed.value, [disk for some in going.value.values() for disk in some], protect.value),
    )


def _address_space(
    value: str, existing_subnet: "_Setting[AzureId | None]", subnet: "_Setting[IPv4Network]"
) -> IPv4Network:
    if existing_subnet.value:
        if value:
            raise Mistake("is of a network that is made; with existingSubnetId leave it out")
        return subnet.value
    return checks.address_space(value or str(checks.default_address_space(subnet.value)))


def _encryption(key: KeyUrl | None, vault: AzureId | None) -> EncryptionSettings | None:
    if key is None and vault is None:
        return None
    if key is None:
        raise Mistake("is there, and diskEncryptionKeyUrl is not; set both or none")
    if vault is None:
        raise Mistake("is missing: on its key the right to use it is given; az keyvault show tells it")
    checks.key_fits_vault(key, vault)
    return EncryptionSettings(key.text, f"{vault.text}/keys/{key.name}", vault)


def _endpoint_address(
    value: str,
    endpoint: "_Setting[str]",
    subnet: "_Setting[IPv4Network]",
    node_addresses: "_Setting[tuple[str, str]]",
) -> str | None:
    if endpoint.value == "public":
        if value:
            raise Mistake("is for an internal endpoint; a public one gets its address from Azure")
        return None
    chosen = value or checks.default_endpoint_address(subnet.value)
    return checks.endpoint_address(chosen, subnet.value, node_addresses.value)


def _witness_address(
    value: str,
    witness: "_Setting[bool]",
    subnet: "_Setting[IPv4Network]",
    node_addresses: "_Setting[tuple[str, str]]",
    endpoint_address: "_Setting[str | None]",
) -> str:
    if not witness.value and not value:
        return ""
    chosen = value or checks.default_witness_address(subnet.value)
    return checks.witness_address(chosen, subnet.value, node_addresses.value, endpoint_address.value)


def _client_cidrs(values: list[str], endpoint: "_Setting[str]") -> tuple[str, ...]:
    # Nobody reaches an internal endpoint but the virtual network and what is joined to it.
    return checks.sources(values, "MySQL", may_be_world=endpoint.value == "internal")


class _Told(Exception):
    """A value is asked for that is wrong, which has been told already."""


@dataclass(frozen=True)
class _Setting(Generic[T]):
    """A checked value, or nothing where the check failed."""

    found: tuple[()] | tuple[T]

    @property
    def value(self) -> T:
        if not self.found:
            raise _Told
        return self.found[0]


class _Reader:
    """Reads the values of one namespace and collects what is wrong with them."""

    def __init__(self, config: pulumi.Config) -> None:
        self._config = config
        self._known: set[str] = set()
        self._mistakes: list[str] = []

    def check(self, key: str, look: Callable[[], T]) -> _Setting[T]:
        """Return what `look` returns; or note its mistake under the key, and return nothing."""
        try:
            return _Setting((look(),))
        except Mistake as mistake:
            self._mistakes.append(f"{self._config.full_key(key)}: {mistake}")
        except _Told:
            pass
        return _Setting(())

    def finish(self) -> None:
        """Raise SettingsError if there was any mistake, or a key that nobody has asked for."""
        prefix = f"{self._config.name}:"
        present = {key for key in (*CONFIG.get(), *get_config_env()) if key.startswith(prefix)}
        for key in sorted(key.removeprefix(prefix) for key in present):
            if key not in self._known:
                near = difflib.get_close_matches(key, sorted(self._known), n=1)
                hint = f"did you mean {near[0]}?" if near else "Pulumi.yaml has those that there are"
                self._mistakes.append(f"{prefix}{key}: there is no such setting; {hint}")
        if self._mistakes:
            raise SettingsError(pulumi.get_stack(), self._mistakes)

    def text(self, key: str, *, optional: bool = False) -> str:
        """Return a text, stripped of white space around it; empty only if optional."""
        value = self._raw(key).strip()
        if not value and not optional:
            raise Mistake("is missing")
        return value

    def integer(self, key: str) -> int:
        """Return a whole number."""
        return _integer(self.text(key))

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self.text(key)
        if value.lower() not in ("true", "false"):
            raise Mistake(f"{value!r} is neither true nor false")
        return value.lower() == "true"

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        value = self._json(key, list, "a list")
        return [_scalar(item) for item in cast(list[object], value)]

    def integers(self, key: str) -> list[int]:
        """Return a list of whole numbers."""
        return [_integer(item) for item in self.texts(key)]

    def mapping(self, key: str) -> dict[str, str]:
        """Return names and values, all of them as texts."""
        value = cast(dict[object, object], self._json(key, dict, "an object (name: value)"))
        return {str(name): _scalar(item) for name, item in value.items()}

    def secret(self, key: str, *, optional: bool = False) -> str:
        """Return a secret in clear: it must be encrypted in the stack's file, and there unless it is optional."""
        value = self._raw(key).strip()
        if value or not optional:
            self._is_secret(key, bool(value))
        return value

    def secrets(self, key: str) -> list[str]:
        """Return a list of secrets in clear."""
        value = self._raw(key).strip()
        self._is_secret(key, value not in ("", "[]"))
        try:
            items: object = json.loads(value)
        except ValueError:
            items = None
        if not isinstance(items, list):
            raise Mistake("is not a list")
        return [str(item) for item in cast(list[object], items)]

    def _raw(self, key: str) -> str:
        self._known.add(key)
        return self._config.get(key) or ""

    def _json(self, key: str, kind: type, name: str) -> object:
        raw = self._raw(key)
        if not raw:
            raise Mistake("is missing")
        try:
            value: object = json.loads(raw)
        except ValueError:
            value = raw
        if not isinstance(value, kind):
            raise Mistake(f"{raw!r} is not {name}")
        return value

    def _is_secret(self, key: str, is_there: bool) -> None:
        if not is_there:
            raise Mistake(f"is missing; make stack STACK={pulumi.get_stack()} makes every secret that is not there")
        if not is_config_secret(self._config.full_key(key)):
            raise Mistake(
                "is in clear text; remove it (whoever read the file knows it) and make a new one:"
                f" make stack STACK={pulumi.get_stack()}"
            )


def _integer(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise Mistake(f"{value!r} is not a whole number") from None


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Mistake(f"has {json.dumps(value)} where a text or a number is expected")
