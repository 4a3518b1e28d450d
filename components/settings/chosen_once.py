"""What is chosen when a cluster is made: Azure refuses to change it on machines that exist.

Without a word at preview an update would find it out half-way, with what comes before the refusal done already: the
security group closed around the old addresses, the endpoint's balancer deleted.
"""

from collections.abc import Callable, Iterable
from functools import partial

from components.settings.mistake import Mistake
from components.settings.section import Check
from components.settings.settings import Settings


def checks(settings: Settings) -> Iterable[Check]:
    """Return a check for each such setting. It finds nothing where there are no machines, or where disks are to go."""
    told: tuple[tuple[str, Callable[[Settings], None]], ...] = (
        ("zones", _zones),
        ("adminUser", _admin_user),
        ("endpoint", _endpoint),
        ("sshAccess", _ssh_access),
        ("subnet", partial(_addresses, given=False)),
        ("nodeAddresses", partial(_addresses, given=True)),
        ("existingSubnetId", _existing_subnet),
        ("diskEncryptionKeyUrl", _encryption),
    )
    return [(key, partial(_on_machines, check, settings)) for key, check in told]


def _on_machines(check: Callable[[Settings], None], settings: Settings) -> None:
    if settings.before.machines.intersection(settings.names.nodes) and not settings.lost_disks:
        check(settings)


def _refuse(settings: Settings, wanted: str, there: str) -> None:
    remedy = "make another stack" if settings.has_data else "run pulumi destroy first, since this stack has no data yet"
    raise Mistake(
        f"{wanted}, but {there}, and Azure does not change that on machines that exist: set it back, or {remedy}"
    )


def _zones(settings: Settings) -> None:
    for node in settings.nodes:
        disk = settings.before.data_disks.get(f"{node.name}-data")
        if disk and disk.zone != node.zone:
            _refuse(settings, f"{node.name} would be in {_zone(node.zone)}", f"{disk.name} is in {_zone(disk.zone)}")


def _zone(zone: str | None) -> str:
    return f"zone {zone}" if zone else "no zone"


def _admin_user(settings: Settings) -> None:
    wanted = settings.ssh.admin_user
    for machine in settings.everyone:
        user = settings.before.admin_users.get(machine.name, wanted)
        if user != wanted:
            _refuse(settings, f"is {wanted}", f"{machine.name} has {user}")


def _endpoint(settings: Settings) -> None:
    balancer = settings.before.balancer
    if balancer and balancer.is_public != settings.endpoint.is_public:
        kinds = {True: "public", False: "internal"}
        _refuse(settings, f"is {kinds[settings.endpoint.is_public]}", f"the endpoint is {kinds[balancer.is_public]}")


def _ssh_access(settings: Settings) -> None:
    balancer, wanted = settings.before.balancer, settings.ssh.ssh_access
    if balancer and balancer.leads_to_ssh != (wanted == "nat-rules"):
        there = "nat-rules" if balancer.leads_to_ssh else "node-addresses"
        _refuse(settings, f"is {wanted}", f"the machines are reached by {there}")


def _addresses(settings: Settings, *, given: bool) -> None:
    """Check the nodes' addresses: those that nodeAddresses gives, or those that follow from the subnet."""
    if bool(settings.network.node_addresses) != given:
        return
    for node in settings.nodes:
        interface = settings.before.interfaces.get(f"{node.name}-interface")
        if interface and interface.address != node.private_address:
            _refuse(settings, f"{node.name} would be {node.private_address}", f"it is {interface.address}")


def _existing_subnet(settings: Settings) -> None:
    wanted = settings.network.existing_subnet_id
    own = f"/virtualnetworks/vnet-{settings.names.cluster_name}/".lower()
    for node in settings.nodes:
        if interface := settings.before.interfaces.get(f"{node.name}-interface"):
            there = interface.subnet_id.lower()
            if wanted and wanted.text.lower() != there:
                _refuse(settings, "is another subnet", f"{node.name} is in {interface.subnet_id}")
            if not wanted and own not in there:
                _refuse(settings, "is empty", f"{node.name} is in {interface.subnet_id}")


def _encryption(settings: Settings) -> None:
    has_key = ("compute:DiskEncryptionSet", "encryption-set") in settings.before.azure
    if has_key != (settings.encryption.key is not None):
        there = "the disks are encrypted by a key" if has_key else "the disks are encrypted by Azure's own keys"
        _refuse(settings, "is empty" if has_key else "is set", there)
