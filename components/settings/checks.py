"""What a setting's value must be like: one pure function a kind of value, without Pulumi.

Each takes what stands in the stack's file and returns it, parsed; or raises `Mistake`, whose text
follows the key in the message and says what to write instead. None quotes a secret.
"""

import base64
import binascii
import difflib
import hashlib
import itertools
import re
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from components.settings import data_disk, sshkeys

MYSQL_PORT = 3306

# Azure keeps the first four addresses of a subnet and the last (learn.microsoft.com, "Virtual
# network FAQ": network, gateway, two for DNS, broadcast).
_RESERVED_FIRST = 4
_RESERVED_LAST = 1

# RFC 1918 and RFC 6598: what Azure recommends for a virtual network.
_PRIVATE = tuple(IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))

# Fewer bits than a class A network's are as good as the whole world.
_WIDEST_SOURCE = 8

# learn.microsoft.com, osProfile.adminUsername, "Disallowed values".
_AZURE_FORBIDS_ADMIN = """
    administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console david
    guest john owner root server sql support support_388945a0 sys test2 test3 user4 user5
"""

# Accounts that the image or the cluster's packages bring.
_SYSTEM_ACCOUNTS = """
    bin daemon games gnats hacluster haclient irc list lp mail man messagebus mysql news nobody proxy sshd sudo sync
    systemd-network systemd-resolve uucp www-data
"""

# Accounts of MySQL's, MariaDB's and their packages' own.
_DATABASE_ACCOUNTS = """
    root mysql mysql.sys mysql.session mysql.infoschema mariadb.sys debian-sys-maint replication public
"""

_SYSTEM_DATABASES = "mysql sys information_schema performance_schema ndbinfo"

_DATA_DISK_SKUS = ("Standard_LRS", "StandardSSD_LRS", "Premium_LRS", "PremiumV2_LRS")
_OS_DISK_SKUS = ("Standard_LRS", "StandardSSD_LRS", "Premium_LRS")

# Family and capabilities: Standard_D4s_v5, Standard_E4-2ds_v5, Standard_M416s_8_v2,
# Standard_NC24ads_A100_v4 (learn.microsoft.com, "Azure VM sizes naming conventions").
_VM_SIZE = re.compile(
    r"Standard_(?P<family>[A-Z]{1,3})(?P<cpus>\d+)(-\d+)?(?P<features>[a-z]*)"
    r"(_(?!v)[A-Za-z0-9]+)*(?P<version>_v\d+)?"
)

_PASSWORD_CHARACTERS = set(string.ascii_letters + string.digits + string.punctuation) - set("'\"`\\")
_DRBD_CHARACTERS = set(string.ascii_letters + string.digits + "-_.+/=")


class Mistake(Exception):
    """A setting is wrong. The text says how, and what to do; it begins after the key."""


def _near(value: str, allowed: Iterable[str]) -> str:
    found = difflib.get_close_matches(value, list(allowed), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def choice(value: str, allowed: Sequence[str]) -> str:
    """Return the value if it is one of those allowed."""
    if value not in allowed:
        raise Mistake(f"{value!r} is not one of {', '.join(allowed)}{_near(value, allowed)}")
    return value


def switch(value: str) -> bool:
    """Return whether a switch is on; true and false are what YAML 1.1 makes of on and off."""
    return choice({"true": "on", "false": "off"}.get(value.lower(), value), ("on", "off")) == "on"


def number(value: int, least: int, most: int, unit: str = "") -> int:
    """Return the number if it is from `least` to `most`, both included."""
    if not least <= value <= most:
        raise Mistake(f"{value} is not from {least} to {most}{unit and ' ' + unit}")
    return value


# Names


def cluster_name(value: str) -> str:
    """Check the cluster's name, which begins the names of everything that Azure makes for it."""
    # 33: with "-r0" it names a GPT partition, for which there is room for 36 characters.
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,31}[a-z0-9])?", value):
        raise Mistake(
            f"{value!r} is not a cluster's name: 1 to 33 of a-z, 0-9 and -, beginning with a letter"
            " and not ending with -"
        )
    return value


def node_names(values: Sequence[str]) -> tuple[str, str]:
    """Check the two nodes' names: VM names in Azure, host names, node names in the cluster."""
    if len(values) != 2:
        raise Mistake(f"has {len(values)} names; a cluster has 2 nodes")
    for value in values:
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", value) or value == "localhost":
            raise Mistake(
                f"{value!r} is not a host name: 1 to 63 of a-z, 0-9 and -, beginning with a letter"
                " and not ending with -"
            )
    first, second = values
    if first == second:
        raise Mistake(f"both nodes are called {first!r}; give them different names")
    return first, second


def resource_group(value: str, cluster: str) -> str:
    """Check the name of a resource group that is there already."""
    if not re.fullmatch(r"[-\w.()]{0,89}[-\w()]", value, re.ASCII):
        raise Mistake(f"{value!r} is not a resource group's name: 1 to 90 of A-Z, a-z, 0-9, _-.(), not ending with .")
    # Taken out of the program, the group that it has made would be deleted with all that is in it.
    if value.lower() == f"rg-{cluster}":
        raise Mistake(f"{value} is the group that this stack makes for itself; leave this out to have it so")
    return value


@dataclass(frozen=True)
class AzureId:
    """A resource id of Azure's.

    Args:
        text: the whole id.
        subscription: GUID of the subscription; empty for what belongs to none.
        group: name of the resource group; empty for what belongs to none.
        names: the resource's name, after those of the resources that it is part of.
    """

    text: str
    subscription: str
    group: str
    names: tuple[str, ...]


_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def resource_id(value: str, kind: str) -> AzureId:
    """Parse the resource id of something in a resource group.

    Args:
        value: the id; letter case of its fixed words does not matter.
        kind: its type with names left open, such as "Microsoft.KeyVault/vaults/NAME".
    """
    wanted = f"/subscriptions/ID/resourceGroups/NAME/providers/{kind}"
    pattern = "".join(
        f"/(?P<subscription>{_GUID})" if word == "ID" else r"/([-\w.()]+)" if word == "NAME" else f"/{re.escape(word)}"
        for word in wanted.split("/")[1:]
    )
    match = re.fullmatch(pattern, value, re.ASCII | re.IGNORECASE)
    if match is None:
        raise Mistake(f"{value!r} is not of the form {wanted}")
    _, group, *names = match.groups()
    return AzureId(value, match["subscription"], group, tuple(names))


def subnet_id(value: str, cluster: str) -> AzureId:
    """Parse the resource id of a subnet that is there already."""
    subnet = resource_id(value, "Microsoft.Network/virtualNetworks/NAME/subnets/NAME")
    # As with the resource group: out of the program, they would be deleted.
    if (subnet.group.lower(), subnet.names[0].lower()) == (f"rg-{cluster}", f"vnet-{cluster}"):
        raise Mistake("is the subnet that this stack makes for itself; leave this out to have it so")
    return subnet


def role_id(value: str) -> AzureId:
    """Parse a role definition's id: a custom role's of the subscription, or a built-in role's, which has none."""
    match = re.fullmatch(
        rf"(?:/subscriptions/(?P<subscription>{_GUID}))?/providers/Microsoft\.Authorization/roleDefinitions/"
        rf"(?P<name>{_GUID})",
        value,
        re.IGNORECASE,
    )
    if match is None:
        raise Mistake(
            f"{value!r} is not of the form /subscriptions/ID/providers/Microsoft.Authorization/roleDefinitions/ID"
        )
    return AzureId(value, match["subscription"] or "", "", (match["name"],))


def witness_name(cluster: str, nodes: Collection[str]) -> str:
    """Return the witness's name, which none of the nodes may have."""
    name = f"{cluster}-witness"
    if name in nodes:
        raise Mistake(f"{name} is the witness's name; choose another")
    return name


def location(value: str) -> str:
    """Check the form of an Azure region's name."""
    if not re.fullmatch(r"[a-z][a-z0-9]+", value):
        meant = re.sub(r"[^a-z0-9]", "", value.lower())
        hint = f"; did you mean {meant}?" if meant else "; an example is westeurope"
        raise Mistake(f"{value!r} is not the name of an Azure region{hint}")
    return value


def admin_user(value: str) -> str:
    """Check the name of the account that SSH logs in to."""
    if value.lower() in _AZURE_FORBIDS_ADMIN.split():
        raise Mistake(f"{value!r} is a name that Azure forbids; an example is azureuser")
    if value in _SYSTEM_ACCOUNTS.split() or value.startswith("systemd-"):
        raise Mistake(f"{value!r} is an account of the system's own; an example is azureuser")
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", value):
        raise Mistake(f"{value!r} is not a user name: 1 to 32 of a-z, 0-9, _ and -, not beginning with a digit or -")
    return value


def database_name(value: str) -> str:
    """Check the name of the application's database."""
    if value.lower() in _SYSTEM_DATABASES.split():
        raise Mistake(f"{value!r} is a database of the server's own; choose another name")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value):
        raise Mistake(f"{value!r} is not a database's name: 1 to 64 of A-Z, a-z, 0-9 and _, beginning with a letter")
    return value


def database_user(value: str) -> str:
    """Check the name of the application's account."""
    if value.lower() in _DATABASE_ACCOUNTS.split() or value.lower().startswith(("mysql.", "mariadb.")):
        raise Mistake(f"{value!r} is an account of the server's own; choose another name")
    # 32: MySQL's limit; MariaDB's is higher.
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,31}", value):
        raise Mistake(f"{value!r} is not an account's name: 1 to 32 of A-Z, a-z, 0-9 and _, beginning with a letter")
    return value


# Network


def cidr(value: str) -> IPv4Network:
    """Parse an IPv4 network in CIDR form whose host bits are all 0."""
    address, slash, _length = value.partition("/")
    if ":" in value:
        raise Mistake(f"{value} is an IPv6 network; only IPv4 is supported")
    if not slash:
        try:
            IPv4Address(address)
        except AddressValueError:
            raise Mistake(f"{value!r} is not a network; an example is 10.32.0.0/24") from None
        raise Mistake(f"{value} has no prefix length; one address alone is {value}/32")
    try:
        loose = IPv4Network(value, strict=False)
    except (AddressValueError, NetmaskValueError):
        raise Mistake(f"{value!r} is not a network; an example is 10.32.0.0/24") from None
    if str(loose) != value:
        raise Mistake(f"{value} is an address within a network; did you mean {loose}?")
    return loose


def address_space(value: str) -> IPv4Network:
    """Parse the virtual network's address space: private, /8 to /29."""
    network = cidr(value)
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise Mistake(f"{network} is not private; choose within {', '.join(map(str, _PRIVATE))}")
    return _sized(network)


def subnet(value: str) -> IPv4Network:
    """Parse a subnet: /8 to /29, since Azure keeps 5 addresses of each."""
    return _sized(cidr(value))


def _sized(network: IPv4Network) -> IPv4Network:
    if not 8 <= network.prefixlen <= 29:
        raise Mistake(f"{network} is not from /8 to /29, the sizes that Azure takes")
    return network


def subnet_within(network: IPv4Network, space: IPv4Network) -> None:
    """Check that a subnet lies within the address space."""
    if not network.subnet_of(space):
        raise Mistake(f"{network} is outside addressSpace {space}; choose a subnet of it")


def default_address_space(network: IPv4Network) -> IPv4Network:
    """Return the /16 that a subnet is in, or the subnet itself where it is larger."""
    return network.supernet(new_prefix=16) if network.prefixlen > 16 else network


def default_node_addresses(network: IPv4Network) -> tuple[str, str]:
    """Return the first two addresses of a subnet that Azure leaves to its user."""
    return str(network[_RESERVED_FIRST]), str(network[_RESERVED_FIRST + 1])


def default_endpoint_address(network: IPv4Network) -> str:
    """Return the subnet's 11th address, or the last that is free in a subnet too small for that."""
    return str(network[min(10, network.num_addresses - 1 - _RESERVED_LAST)])


def default_witness_address(network: IPv4Network) -> str:
    """Return the subnet's 7th address, the next one after the nodes' own by default."""
    return str(network[_RESERVED_FIRST + 2])


def host_address(value: str, network: IPv4Network) -> str:
    """Check an address of a subnet that a machine is to have."""
    try:
        address = IPv4Address(value)
    except AddressValueError:
        example = network[_RESERVED_FIRST]
        raise Mistake(f"{value!r} is not an IPv4 address; an example is {example}") from None
    if address not in network:
        raise Mistake(f"{address} is outside subnet {network}; choose an address of it")
    offset = int(address) - int(network.network_address)
    last = network.num_addresses - 1 - _RESERVED_LAST
    if not _RESERVED_FIRST <= offset <= last:
        raise Mistake(
            f"{address} is one that Azure keeps for itself in subnet {network}; choose from"
            f" {network[_RESERVED_FIRST]} to {network[last]}"
        )
    return str(address)


def node_addresses(values: Sequence[str], network: IPv4Network) -> tuple[str, str]:
    """Check the two nodes' private addresses."""
    if len(values) != 2:
        raise Mistake(f"has {len(values)} addresses; a cluster has 2 nodes")
    first, second = (host_address(value, network) for value in values)
    if first == second:
        raise Mistake(f"both nodes have {first}; give them different addresses")
    return first, second


def endpoint_address(value: str, network: IPv4Network, taken: Collection[str]) -> str:
    """Check the private address of an internal endpoint."""
    address = host_address(value, network)
    if address in taken:
        raise Mistake(f"{address} is a node's; choose another")
    return address


def witness_address(value: str, network: IPv4Network, nodes: Collection[str], endpoint: str | None) -> str:
    """Check the witness's private address."""
    address = host_address(value, network)
    if address in nodes or address == endpoint:
        raise Mistake(f"{address} is {'the endpoint' if address == endpoint else 'a node'}'s; choose another")
    return address


def sources(values: Sequence[str], what: str, *, may_be_world: bool = False) -> tuple[str, ...]:
    """Check the networks that may connect.

    Args:
        values: the networks, in CIDR form.
        what: what they may reach, for the message.
        may_be_world: whether a network wider than /8 is allowed.
    """
    if not values:
        raise Mistake(f"is empty: nobody could reach {what}; name the networks that may")
    networks: list[IPv4Network] = []
    for value in values:
        if value.lower() in ("*", "any", "internet", "::/0"):
            raise Mistake(f"{value} opens {what} to the whole world; name the networks that may")
        network = cidr(value)
        if network.prefixlen < _WIDEST_SOURCE and not may_be_world:
            raise Mistake(
                f"{network} opens {what} to {_share(network)}; name the networks that may, none"
                f" wider than /{_WIDEST_SOURCE}"
            )
        for other in networks:
            # Azure: OverlappingSubnetsNotPermittedInSecurityRule.
            if network.overlaps(other):
                raise Mistake(f"{other} and {network} overlap, which Azure refuses; keep the wider")
        networks.append(network)
    return tuple(str(network) for network in networks)


def _share(network: IPv4Network) -> str:
    return "the whole world" if network.prefixlen == 0 else f"1/{2**network.prefixlen} of the world"


def ssh_ports(values: Sequence[int]) -> tuple[int, ...]:
    """Check the frontend ports by which SSH reaches the nodes and the witness."""
    if len(values) not in (2, 3):
        raise Mistake(f"has {len(values)} ports; a cluster has 2 nodes, and perhaps a witness")
    ports = tuple(number(value, 1, 65535) for value in values)
    for port in ports:
        if ports.count(port) > 1:
            raise Mistake(f"{port} is there twice; give each machine a port of its own")
    if MYSQL_PORT in ports:
        raise Mistake(f"{MYSQL_PORT} is MySQL's; choose another")
    return ports


def has_one_for_the_witness(values: Sequence[object], what: str, witness: bool, remedy: str = "") -> None:
    """Check that there is a third value where there is a witness.

    Args:
        values: one a machine.
        what: what they are, for the message.
        witness: whether there is a witness.
        remedy: what the user can do, for the message's end.
    """
    if witness and len(values) < 3:
        raise Mistake(f"has {len(values)} {what}; with a witness a third is needed{remedy}")


def ports_differ(ssh: Collection[int], probe: int) -> None:
    """Check that no frontend port of SSH is the probe's."""
    if probe in ssh:
        raise Mistake(f"{probe} is probePort; choose another")


def probe_port(value: int) -> int:
    """Check the port that only the node that serves answers."""
    number(value, 1, 65535)
    # 22 SSH, 5405 Corosync, 7789 DRBD: in use on every node.
    if value in (22, MYSQL_PORT, 5405, 7789):
        raise Mistake(f"{value} is in use on the nodes; choose another, such as 61500")
    return value


# Machines and disks


def vm_size(value: str) -> str:
    """Check the form of a VM size's name."""
    match = _VM_SIZE.fullmatch(value)
    if not match:
        hint = "; Basic sizes cannot join a Standard load balancer" * value.startswith("Basic_")
        raise Mistake(f"{value!r} is not a VM size; an example is Standard_D2s_v5{hint}")
    if "p" in match["features"]:
        raise Mistake(f"{value} has ARM processors (its p); the images are for x86-64")
    return value


def has_premium_storage(size: str) -> bool:
    """Tell whether a VM size takes Premium disks: by its "s", and by the families DS, GS and M."""
    match = _VM_SIZE.fullmatch(size)
    if match is None:
        return False
    return "s" in match["features"] or match["family"] in ("DS", "GS", "M")


def premium_fits(sku: str, key: str, size: str) -> None:
    """Check that a VM size, the value of the setting `key`, takes a disk's SKU."""
    if sku.startswith("Premium") and not has_premium_storage(size):
        raise Mistake(f"{sku} does not fit {key} {size}, which has no premium storage (no s in its name)")


def can_accelerate(size: str) -> bool:
    """Tell whether a VM size may have accelerated networking: two processors at least, none of series A or first B.

    Of sizes that are not known to lack it Azure itself has the last word (learn.microsoft.com, "Accelerated Networking
    overview", "Supported VM instances", and the pages of the series A, Av2, B).
    """
    match = _VM_SIZE.fullmatch(size)
    if match is None:
        return False
    cpus = int(match["cpus"])
    first_b = match["family"] == "B" and match["version"] is None
    return cpus >= (12 if first_b else 2) and match["family"] != "A"


def acceleration_fits(wanted: bool, size: str) -> bool:
    """Check that the nodes' size can do what is wanted of their network."""
    if wanted and not can_accelerate(size):
        raise Mistake(f"vmSize {size} has none: it takes 2 processors, and not the series A or the first B")
    return wanted


def lock_needs_protection(lock: bool, protect: bool) -> bool:
    """Check that what Azure refuses to delete, Pulumi does, too: it would take the lock away, and then the data."""
    if lock and not protect:
        raise Mistake("is on and protectData off: pulumi destroy would take the lock away, and then the data")
    return lock


@dataclass(frozen=True)
class KeyUrl:
    """A key in Key Vault.

    Args:
        text: its URL, with the version.
        vault: name of the vault.
        name: the key's name.
    """

    text: str
    vault: str
    name: str


def key_url(value: str) -> KeyUrl:
    """Parse the URL of a key in Key Vault, in one of Azure's clouds."""
    match = re.fullmatch(
        r"https://(?P<vault>[a-z][a-z0-9-]{1,22}[a-z0-9])\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)(:443)?"
        r"/keys/(?P<name>[A-Za-z0-9-]{1,127})(?P<version>/[0-9a-f]{32})?/?",
        value,
    )
    if match is None:
        raise Mistake(f"{value!r} is not a key's URL, https://VAULT.vault.azure.net/keys/NAME/VERSION")
    if match["version"] is None:
        raise Mistake(f"{value} has no version at its end, which Azure asks for; az keyvault key show tells it")
    return KeyUrl(value.rstrip("/"), match["vault"], match["name"])


def key_fits_vault(key: KeyUrl, vault: AzureId) -> None:
    """Check that a vault's resource id is that of the key's vault."""
    if vault.names[0].lower() != key.vault:
        raise Mistake(f"is that of vault {vault.names[0]}, and the key is in vault {key.vault}")


def data_disk_sku(value: str) -> str:
    """Check the data disks' SKU. DRBD makes the second copy, so zone-redundant disks are not taken."""
    if value.endswith("_ZRS"):
        raise Mistake(f"{value} is copied across zones, which DRBD does already; choose an LRS SKU")
    return choice(value, _DATA_DISK_SKUS)


def os_disk_sku(value: str) -> str:
    """Check the SKU of the operating system's disk."""
    if value == "PremiumV2_LRS":
        raise Mistake(f"{value} cannot hold an operating system; choose Premium_LRS")
    return choice(value, _OS_DISK_SKUS)


def data_disk_size(value: int) -> int:
    """Check a data disk's size: the database's files and DRBD's metadata must fit, 4 GiB."""
    if value < 4:
        raise Mistake(f"{value} GiB is too small for a database; choose 4 or more")
    return number(value, 4, 32767, "GiB")


def never_shrinks(value: int, before: Mapping[str, int]) -> int:
    """Check a data disk's size against those that there are, by the disk's name: Azure has no way to shrink one."""
    for name, size in sorted(before.items()):
        if value < size:
            raise Mistake(f"{value} GiB is less than the {size} GiB that {name} has; a disk can grow, and never shrink")
    return value


def image_version(value: str) -> str:
    """Check the form of an image's version: Azure's three numbers, or latest."""
    if value != "latest" and not re.fullmatch(r"\d+\.\d+\.\d+", value):
        raise Mistake(f"{value!r} is neither latest nor a version of Azure's, such as 24.04.202511010")
    return value


def zones(values: Sequence[str]) -> tuple[str, ...]:
    """Check the availability zones: one for both nodes, or one each."""
    for value in values:
        if value not in ("1", "2", "3"):
            raise Mistake(f"{value!r} is not a zone; zones are 1, 2 and 3")
    if len(values) > 2:
        raise Mistake(f"has {len(values)} zones; name one a node, or one for both")
    if len(values) == 2 and values[0] == values[1]:
        raise Mistake(f"both nodes are in zone {values[0]}; name it once if that is meant")
    return tuple(values)


def placement(chosen: Sequence[str], availability_set: bool) -> None:
    """Check that either zones or an availability set keep the nodes apart, and not both."""
    if chosen and availability_set:
        raise Mistake("excludes an availability set; set availabilitySet to false, or leave it out")
    if not chosen and not availability_set:
        raise Mistake("is empty, and availabilitySet is false: one rack could hold both nodes")


def witness_zone(of_nodes: Sequence[str]) -> str:
    """Return the witness's zone: one that no node is in, so that no failure of a zone takes two of three votes."""
    return next(zone for zone in ("1", "2", "3") if zone not in of_nodes)


def sku_fits_zones(sku: str, chosen: Sequence[str]) -> None:
    """Check that a SKU that exists in zones only is used in zones."""
    if sku == "PremiumV2_LRS" and not chosen:
        raise Mistake(f"{sku} needs zones; an availability set cannot have it")


# Database and cluster


def resync_rate(value: str) -> str:
    """Check a rate in DRBD's form: K, M or G bytes a second."""
    if not re.fullmatch(r"[1-9]\d{0,5}[KMG]", value):
        raise Mistake(f"{value!r} is not a rate of DRBD's; an example is 100M (a second)")
    # drbd.conf(5): c-max-rate is at most 4 GiB a second.
    if _bytes(value) > 4 << 30:
        raise Mistake(f"{value} is more than DRBD takes, 4G a second")
    return value


def _bytes(rate: str) -> int:
    return int(rate[:-1]) << {"K": 10, "M": 20, "G": 30}[rate[-1]]


def resync_min_rate(value: str, max_rate: str, sku: str, size_gib: int) -> str:
    """Check, or choose, what a resynchronisation gets while the server writes as fast as it can.

    Args:
        value: a rate of DRBD's; empty for a quarter of what the data disk can do, which leaves three to the server:
            docs/benchmarks.md has what either costs.
        max_rate: the most that it may take.
        sku: the data disk's SKU.
        size_gib: its size in GiB.
    """
    if not value:
        chosen = f"{data_disk.throughput(sku, size_gib) // 4}M"
        return min(chosen, max_rate, key=_bytes)
    if _bytes(resync_rate(value)) > _bytes(max_rate):
        raise Mistake(f"{value} is more than drbdResyncMaxRate, {max_rate}")
    return value


def tags(values: Mapping[str, str]) -> dict[str, str]:
    """Check Azure's tags: 50, names of 512 and values of 256 characters."""
    if len(values) > 50:
        raise Mistake(f"has {len(values)} tags; Azure takes 50")
    seen: set[str] = set()
    for name, value in values.items():
        if not 1 <= len(name) <= 512 or set(name) & set("<>%&\\?/"):
            raise Mistake(f"{name!r} is not a tag's name: 1 to 512 characters, none of <>%&\\?/")
        if name.lower().startswith(("microsoft", "azure", "windows")):
            raise Mistake(f"{name!r} begins with a word that Azure keeps for itself")
        if name.lower() in seen:
            raise Mistake(f"{name!r} is there twice; Azure does not tell upper from lower case")
        seen.add(name.lower())
        if len(value) > 256:
            raise Mistake(f"{name!r} has a value of {len(value)} characters; Azure takes 256")
    return dict(values)


# Secrets


@dataclass(frozen=True)
class KeyPair:
    """A private key in OpenSSH's form, and its public key's line."""

    private: str = field(repr=False)
    public: str


def ssh_key(value: str) -> KeyPair:
    """Read a private key: Ed25519, in OpenSSH's form, without a passphrase."""
    try:
        key = sshkeys.parse(value)
    except sshkeys.SshKeyError as error:
        raise Mistake(f"{error}; make one with ssh-keygen -t ed25519 -N ''") from None
    if key.kind != "ssh-ed25519":
        raise Mistake(f"is of type {key.kind}; make one with ssh-keygen -t ed25519 -N ''")
    if key.encrypted:
        raise Mistake("has a passphrase, which nobody could type here; remove it: ssh-keygen -p")
    # `pulumi config set` cuts the last line feed off, without which OpenSSH refuses the file.
    return KeyPair(value.strip() + "\n", key.public)


def host_keys(values: Sequence[str]) -> tuple[KeyPair, ...]:
    """Read the SSH host keys of the nodes and, as the third, the witness."""
    if len(values) not in (2, 3):
        raise Mistake(f"has {len(values)} keys; a cluster has 2 nodes, and perhaps a witness")
    keys: list[KeyPair] = []
    for place, value in zip(("the first", "the second", "the third"), values, strict=False):
        try:
            keys.append(ssh_key(value))
        except Mistake as mistake:
            raise Mistake(f"{place} {mistake}") from None
    for one, other in itertools.combinations(keys, 2):
        keys_differ(one, other)
    return tuple(keys)


def keys_differ(one: KeyPair | None, other: KeyPair | None) -> None:
    """Check that two keys, where there are two, are not the same: who has one of them must not have both."""
    if one and other and one.public == other.public:
        raise Mistake("is the same key twice; make one for each use")


def database_password(value: str) -> str:
    """Check the application account's password.

    It travels through SQL and an option file, so what would end a string there is not allowed.
    """
    if not set(value) <= _PASSWORD_CHARACTERS:
        raise Mistake(
            "has a character that is not allowed; allowed are ASCII's letters, digits and signs,"
            " without quotes, backslash and space"
        )
    if len(value) > 128:
        raise Mistake("is longer than 128 characters")
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation)
    variety = sum(1 for kind in kinds if set(value) & set(kind))
    if len(value) < 16 or (len(value) < 24 and variety < 3) or len(set(value)) < 8:
        raise Mistake(
            "is weak; make it 24 characters long, or 16 of three kinds (small, capital, digit,"
            " sign), 8 of them different"
        )
    return value


def corosync_key(value: str) -> str:
    """Check Corosync's key: base64 of 256 bytes, as many as corosync-keygen makes."""
    value = "".join(value.split())
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Mistake("is not base64") from None
    if len(key) != 256:
        raise Mistake(f"is base64 of {len(key)} bytes; 256 are needed")
    # Of 256 random bytes 162 are different on average.
    if len(set(key)) < 100:
        raise Mistake("is not random")
    return value


def corosync_key_file(value: str) -> str:
    """Return a key's file name: of 256 random bytes a part of the hash betrays nothing."""
    return f"authkey-{hashlib.sha256(base64.b64decode(value)).hexdigest()[:16]}"


def drbd_secret(value: str) -> str:
    """Check the secret by which DRBD's peers know each other: 63 characters at most."""
    if not 32 <= len(value) <= 63:
        raise Mistake(f"has {len(value)} characters; 32 to 63 are needed")
    if not set(value) <= _DRBD_CHARACTERS:
        raise Mistake("has a character that is not allowed: letters, digits and -_.+/=")
    if len(set(value)) < 12:
        raise Mistake("is weak: it has fewer than 12 different characters")
    return value
