"""What no stack may be, whatever its settings say: plain functions over resources. Knows no Pulumi.

A rule takes what is registered and yields a line for each violation. The pack (`__main__.py`) runs the rules in the
engine, on what it is about to make; the tests run them over the recorded resources of every tracked stack.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

MYSQL_PORT = 3306
SSH_PORT = 22

PRODUCTION = ("prod", "production")
"""Stacks whose data disks Pulumi must refuse to delete."""

# The world, or so much of it that it is nearly the world: a network of more than 2^24 addresses, outside of the
# private ones. 0.0.0.0/0 is as open in two halves.
_SHORTEST_PREFIX = 8

# Azure's names for a source that is everybody.
_EVERYBODY = ("*", "any", "internet")

_FEWEST_DAYS = 7
"""For which a backup must not be changed."""

_COMMAND = "command:remote:Command"
_DISK = "azure-native:compute:Disk"
_MACHINE = "azure-native:compute:VirtualMachine"
_SECURITY_GROUP = "azure-native:network:NetworkSecurityGroup"
_STORAGE = "azure-native:storage:StorageAccount"
_CONTAINER = "azure-native:storage:BlobContainer"
_IMMUTABILITY = "azure-native:storage:BlobContainerImmutabilityPolicy"
_BALANCER = "azure-native:network:LoadBalancer"
_WITH_SKU = (_BALANCER, "azure-native:network:PublicIPAddress")


@dataclass(frozen=True)
class Resource:
    """One resource, as the program registers it.

    Args:
        stack: the stack's name, without its organisation.
        type: Pulumi's type, such as "azure-native:compute:Disk".
        name: its name in the program.
        protect: whether Pulumi refuses to delete it.
        properties: its inputs; a secret one is {"secret": value}, where the marks of secrets are known. What is not
            known before the update is some text that means nothing.
    """

    stack: str
    type: str
    name: str
    protect: bool
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule about one resource at a time.

    Args:
        name: its name, with which it can be switched off or made advisory in the engine.
        description: what must be so, for whoever breaks it.
        check: yields a line for each violation.
        needs_marks: whether it looks at the marks of secrets, not only at values.
    """

    name: str
    description: str
    check: Callable[[Resource], Iterator[str]]
    needs_marks: bool = False


def plain(value: Any) -> Any:
    """Return a value without the marks of secrets in it."""
    if isinstance(value, Mapping):
        properties = cast(Mapping[str, Any], value)
        if set(properties) == {"secret"}:
            return plain(properties["secret"])
        return {key: plain(inner) for key, inner in properties.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in cast(Sequence[Any], value)]
    return value


def no_world_open_ssh(resource: Resource) -> Iterator[str]:
    """Yield each rule of a security group that lets the world, or most of it, to SSH."""
    if resource.type != _SECURITY_GROUP:
        return
    for rule in plain(resource.properties.get("securityRules") or []):
        if rule.get("direction") != "Inbound" or rule.get("access") != "Allow" or not _leads_to(SSH_PORT, rule):
            continue
        for source in _several(rule, "sourceAddressPrefix"):
            if _is_nearly_everybody(source):
                yield f"rule {rule.get('name')} lets {source} reach port {SSH_PORT}; name networks of your own"


def no_password_login(resource: Resource) -> Iterator[str]:
    """Yield where a machine, or a connection to one, would take a password."""
    if resource.type == _MACHINE:
        profile = _mapping(plain(resource.properties.get("osProfile")))
        if profile.get("adminPassword"):
            yield "the machine has a password; a key is enough"
        if _mapping(profile.get("linuxConfiguration")).get("disablePasswordAuthentication") is not True:
            yield "disablePasswordAuthentication is not true"
    if resource.type == _COMMAND:
        connection = _mapping(plain(resource.properties.get("connection")))
        if connection.get("password"):
            yield "the connection has a password; a key is enough"
        # As a whole it is not known before the update where its machine is yet to be made.
        if connection and not connection.get("hostKey"):
            yield "the connection pins no host key, so it would talk to any machine"


def data_is_protected(resource: Resource) -> Iterator[str]:
    """Yield a production stack's data disk, or what holds its backups, that Pulumi would delete."""
    what = {_DISK: "data disk", _STORAGE: "storage account of the backups", _CONTAINER: "container of backups"}
    if resource.type in what and resource.stack in PRODUCTION and not resource.protect:
        yield f"the {what[resource.type]} of stack {resource.stack} is not protected; set protectData: true"


def no_disk_by_link(resource: Resource) -> Iterator[str]:
    """Yield a data disk that whoever has the right to it could download by a link, over the Internet."""
    if resource.type == _DISK:
        for key, wanted in (("networkAccessPolicy", "DenyAll"), ("publicNetworkAccess", "Disabled")):
            if (found := plain(resource.properties.get(key))) != wanted:
                yield f"{key} is {found or 'not set'}, not {wanted}"


def backups_are_private(resource: Resource) -> Iterator[str]:
    """Yield where a storage account would let somebody in without a role, or a listener read along."""
    if resource.type == _STORAGE:
        for key, wanted in (
            ("allowSharedKeyAccess", False),
            ("allowBlobPublicAccess", False),
            ("allowCrossTenantReplication", False),
            ("enableHttpsTrafficOnly", True),
        ):
            if plain(resource.properties.get(key)) is not wanted:
                yield f"{key} is not {str(wanted).lower()}"
        if plain(resource.properties.get("minimumTlsVersion")) not in ("TLS1_2", "TLS1_3"):
            yield "minimumTlsVersion is not TLS1_2"
    if resource.type == _CONTAINER and plain(resource.properties.get("publicAccess")) != "None":
        yield "publicAccess is not None"


def backups_stay(resource: Resource) -> Iterator[str]:
    """Yield an immutability policy by which a backup could be changed within its first week."""
    if resource.type == _IMMUTABILITY:
        days = plain(resource.properties.get("immutabilityPeriodSinceCreationInDays"))
        if not isinstance(days, (int, float)) or days < _FEWEST_DAYS:
            yield f"immutabilityPeriodSinceCreationInDays is {days}, less than {_FEWEST_DAYS}"
        if plain(resource.properties.get("allowProtectedAppendWrites")) or plain(
            resource.properties.get("allowProtectedAppendWritesAll")
        ):
            yield "data could be appended to blobs that are already written"


def standard_skus(resource: Resource) -> Iterator[str]:
    """Yield what is not of the SKU Standard: Basic ones are retired, and do not go with Standard ones."""
    if resource.type in _WITH_SKU:
        sku = _mapping(plain(resource.properties.get("sku"))).get("name")
        if sku != "Standard":
            yield f"is of SKU {sku or 'Basic (none is named)'}, not Standard"


def probe_is_not_mysql(resource: Resource) -> Iterator[str]:
    """Yield a balancer's probe on MySQL itself, or a rule for MySQL without a probe."""
    if resource.type != _BALANCER:
        return
    for probe in plain(resource.properties.get("probes") or []):
        if probe.get("port") == MYSQL_PORT:
            yield f"probe {probe.get('name')} uses port {MYSQL_PORT}: a server answers there before it may serve"
    for rule in plain(resource.properties.get("loadBalancingRules") or []):
        if rule.get("backendPort") == MYSQL_PORT and not rule.get("probe"):
            yield f"rule {rule.get('name')} has no probe, so clients would be sent to both nodes"


def secrets_are_marked(resource: Resource) -> Iterator[str]:
    """Yield each place that holds a secret, and is not marked: it would stand in clear in the state and in previews."""
    places: list[tuple[str, Any]] = []
    if resource.type == _MACHINE:
        places.append(("osProfile.customData", _at(resource.properties, "osProfile", "customData")))
    if resource.type == _COMMAND:
        places.append(("connection.privateKey", _at(resource.properties, "connection", "privateKey")))
        for key in _keys(resource.properties.get("environment")):
            if _names_a_secret(key):
                places.append((f"environment.{key}", _at(resource.properties, "environment", key)))
    for place, value in places:
        if value is not None and not _is_marked(value):
            yield f"{place} is not marked as a secret"


_FENCING = re.compile(r"\b(?:stonith|fencing)-enabled=(\w+)")
"""Pacemaker's property, by the name that it had before 3.0.3 and by the one since."""


def fencing_is_on(resources: Sequence[Resource]) -> Iterator[str]:
    """Yield why a cluster among a stack's resources would not fence a node that fails."""
    said = [word for text in map(_script, resources) for word in _FENCING.findall(text)]
    if not any(resource.type == _COMMAND for resource in resources):
        return
    if not said:
        yield "no script says whether fencing is enabled: nothing ensures that two nodes never serve"
    elif {*said} != {"true"}:
        yield "fencing is not enabled: in a network split both nodes could serve; set fencing: on"


RULES = (
    Rule("no-world-open-ssh", "Only named networks can reach SSH, never the whole world.", no_world_open_ssh),
    Rule("no-password-login", "Nobody logs in by password, and host keys are pinned.", no_password_login),
    Rule(
        "data-is-protected", "Pulumi refuses to delete the data disks and the backups of production.", data_is_protected
    ),
    Rule("no-disk-by-link", "Nobody can export a data disk by a link.", no_disk_by_link),
    Rule("backups-are-private", "Backups can be read only with a role, and over TLS.", backups_are_private),
    Rule("backups-stay", "Nobody can change a backup.", backups_stay),
    Rule("standard-skus", "The load balancer and the addresses have the SKU Standard.", standard_skus),
    Rule("probe-is-not-mysql", "The balancer's probe asks who serves, not whether MySQL runs.", probe_is_not_mysql),
    Rule("secrets-are-marked", "Every secret is marked as one.", secrets_are_marked, needs_marks=True),
)
"""All rules about one resource."""

FENCING = ("fencing-is-on", "A node that fails is fenced before the other serves.")
"""Name and description of the rule about a whole stack, `fencing_is_on`."""


def _script(resource: Resource) -> str:
    return str(plain(resource.properties.get("stdin")) or "") if resource.type == _COMMAND else ""


def _several(rule: Mapping[str, Any], key: str) -> list[str]:
    """Return what Azure has in one field for a single value and in another for several: KEY and KEYs or KEYes."""
    single = rule.get(key)
    many: list[Any] = rule.get(f"{key}es") or rule.get(f"{key}s") or []
    return [*([str(single)] if single else []), *map(str, many)]


def _leads_to(port: int, rule: Mapping[str, Any]) -> bool:
    if str(rule.get("protocol", "*")).lower() not in ("tcp", "*"):
        return False
    for ports in _several(rule, "destinationPortRange"):
        first, _, last = ports.partition("-")
        if ports == "*" or (first.isdigit() and int(first) <= port <= int(last or first)):
            return True
    return False


def _is_nearly_everybody(source: str) -> bool:
    if source.lower() in _EVERYBODY:
        return True
    try:
        network = ipaddress.ip_network(source, strict=False)
    except ValueError:
        return False  # a tag of Azure's, or not known before the update
    return network.prefixlen < _SHORTEST_PREFIX and not network.is_private


def _at(properties: Mapping[str, Any], outer: str, inner: str) -> Any:
    """Return an inner property with the marks that it has; one within a secret is as secret as that."""
    value = properties.get(outer)
    if _is_marked(value):
        return {"secret": _mapping(plain(value)).get(inner)}
    return _mapping(value).get(inner)


def _keys(value: Any) -> list[str]:
    return list(_mapping(plain(value)))


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a value that is an object; an empty one for what is absent or not known before the update."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _is_marked(value: Any) -> bool:
    return isinstance(value, Mapping) and set(cast(Mapping[str, Any], value)) == {"secret"}


def _names_a_secret(variable: str) -> bool:
    """Tell whether an environment variable's name says that it holds a secret."""
    return any(word in variable for word in ("PASSWORD", "SECRET", "KEY"))
