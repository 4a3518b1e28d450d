"""What all resources together mean for traffic: which listeners there are, and where each leads.  Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.cloud import nsg
from lab.cloud.addresses import DEFAULT_OUTBOUND
from lab.cloud.fields import items, reference, section, texts
from lab.cloud.inventory import BALANCER, INTERFACE, PUBLIC_ADDRESS, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import key_of
from lab.cloud.zones import are_away, is_network_away

_DEFAULT_PORTS = (22, 3306)
"""Ports on which a machine's own public address is listened on, besides those that its security groups name."""

_WIDEST_RANGE = 32
"""A range of ports in a security rule is listened on port by port up to this width."""

_INSTANCE_IDLE_MINUTES = 4


@dataclass(frozen=True)
class Probe:
    """A health probe of one backend.

    Args:
        interface: identity of the interface that it goes to, for comparing.
        interval: seconds from one probe to the next, and the longest that one may take.
        threshold: how many in a row change the verdict.
    """

    interface: str
    address: IPv4Address
    port: int
    interval: int
    threshold: int


@dataclass(frozen=True)
class Backend:
    """A machine's port behind a listener.

    Args:
        machine: name of the machine; empty where the interface is on none.
        probe: what says whether it is healthy; None where it always is.
    """

    machine: str
    interface: str
    address: IPv4Address
    port: int
    probe: Probe | None


@dataclass(frozen=True)
class Listener:
    """An address and port that clients connect to.

    Args:
        name: identity of the rule that it comes from.
        backends: in the order of their addresses.
        idle_seconds: a flow that rests longer is forgotten.
        reset: whether both sides of such a flow are told, by a reset.
        balanced: whether it is a load-balancing rule: the one that is shown in the status.
    """

    address: IPv4Address
    port: int
    name: str
    backends: tuple[Backend, ...]
    idle_seconds: float
    reset: bool
    public: bool
    balanced: bool


def listeners(inventory: Inventory) -> list[Listener]:
    """Return every listener that the resources ask for, sorted by address and port."""
    found: list[Listener] = []
    for balancer in inventory.of_type(BALANCER):
        if balancer.provisioning != "Deleting":
            found += _of_balancer(inventory, balancer)
    taken = {(listener.address, listener.port) for listener in found}
    for listener in _of_instances(inventory):
        if (listener.address, listener.port) not in taken:
            found.append(listener)
    return sorted(found, key=lambda listener: (listener.address, listener.port))


def _of_balancer(inventory: Inventory, balancer: Resource) -> list[Listener]:
    properties = balancer.properties
    frontends: dict[str, tuple[IPv4Address, bool]] = {}
    for frontend in items(properties, "frontendIPConfigurations"):
        details = section(frontend, "properties")
        public = reference(details, "publicIPAddress")
        address = inventory.public_ip(public) if public else IPv4Address(details["privateIPAddress"])
        if address is not None and not _is_away(inventory, frontend, public):
            frontends[f"{balancer.key}/frontendipconfigurations/{frontend['name'].lower()}"] = (address, bool(public))
    probes = {
        f"{balancer.key}/probes/{probe['name'].lower()}": section(probe, "properties")
        for probe in items(properties, "probes")
    }
    found: list[Listener] = []
    for part, listname, target in (
        ("loadBalancingRules", "loadBalancerBackendAddressPools", "backendAddressPool"),
        ("inboundNatRules", "loadBalancerInboundNatRules", ""),
    ):
        for rule in items(properties, part):
            details = section(rule, "properties")
            front = frontends.get(key_of(reference(details, "frontendIPConfiguration")))
            if front is None:
                continue
            name = f"{balancer.id}/{part}/{rule['name']}"
            probe = probes.get(key_of(reference(details, "probe"))) if target else None
            users = inventory.configurations_with(listname, reference(details, target) if target else name)
            backends = [_backend(inventory, nic, details["backendPort"], probe) for nic, _ in users]
            found.append(
                Listener(
                    address=front[0],
                    port=details["frontendPort"],
                    name=name,
                    backends=tuple(sorted(backends, key=lambda backend: backend.address)),
                    idle_seconds=details["idleTimeoutInMinutes"] * 60.0,
                    reset=details["enableTcpReset"],
                    public=front[1],
                    balanced=bool(target),
                )
            )
    return found


def _is_away(inventory: Inventory, frontend: Json, public: str) -> bool:
    """Tell whether a frontend is in the zone that is away: a public one is where its address is."""
    resource = inventory.get(public, PUBLIC_ADDRESS)
    return are_away(inventory.store, resource.zones if resource else texts(frontend, "zones"))


def _backend(inventory: Inventory, interface: Resource, port: int, probe: Json | None) -> Backend:
    machine = inventory.machine_of_interface(interface.id)
    address = inventory.private_address(interface)
    return Backend(
        machine=machine.name if machine else "",
        interface=interface.key,
        address=address,
        port=port,
        probe=Probe(
            interface=interface.key,
            address=address,
            port=probe["port"],
            interval=probe["intervalInSeconds"],
            threshold=probe["probeThreshold"],
        )
        if probe
        else None,
    )


def _of_instances(inventory: Inventory) -> list[Listener]:
    """Return listeners for the machines' own public addresses, on the ports that their groups name."""
    found: list[Listener] = []
    for address in inventory.of_type(PUBLIC_ADDRESS):
        user = inventory.public_address_user(address.id) or ""
        interface = inventory.get(user.partition("/ipConfigurations/")[0], INTERFACE)
        if interface is None or is_network_away(inventory.store, address):
            continue
        ports = set[int](_DEFAULT_PORTS)
        for group in inventory.security_groups(interface):
            for rule in nsg.rules_of(group.properties):
                for word in rule.ports if rule.allow and rule.inbound else ():
                    named = nsg.parse_ports(word)
                    if named is not None and len(named) <= _WIDEST_RANGE:
                        ports.update(named)
        found += [
            Listener(
                address=IPv4Address(address.properties["ipAddress"]),
                port=port,
                name=address.id,
                backends=(_backend(inventory, interface, port, None),),
                idle_seconds=_INSTANCE_IDLE_MINUTES * 60.0,
                reset=False,
                public=True,
                balanced=False,
            )
            for port in sorted(ports - {0})
        ]
    return found


def translated(inventory: Inventory, listener: Listener, client: IPv4Address) -> IPv4Address | None:
    """Return the address that a listener's backends see a client as.

    Returns:
        its own, for the outside world and inside a virtual network; its public one, for a machine that leaves its
        network; None where it has no way out.
    """
    if not listener.public:
        return client
    owner = inventory.machine_addresses().get(client)
    if owner is None:
        return client
    egress = inventory.egress_address(owner[1])
    if isinstance(egress, str):
        return DEFAULT_OUTBOUND
    return egress


def admits(inventory: Inventory, listener: Listener, backend: Backend, source: IPv4Network) -> bool:
    """Tell whether the security groups let a source, as the backend sees it, through to the backend."""
    interface = inventory.get(backend.interface, INTERFACE)
    return interface is not None and inventory.admits(interface, source, backend.port, listener.public)


def probe_admitted(inventory: Inventory, probe: Probe) -> bool:
    """Tell whether the security groups let a probe through: it comes from the platform's address."""
    interface = inventory.get(probe.interface, INTERFACE)
    return interface is not None and inventory.admits(interface, nsg.PLATFORM_NETWORK, probe.port, public=False)


def verdicts(
    inventory: Inventory, listener: Listener, usable: list[Backend]
) -> tuple[list[tuple[IPv4Network, bool]], bool]:
    """Return whose packets a listener wants to see.

    Returns:
        every network that is treated alike, with its verdict (the longest prefix decides), and that of all others.
    """
    if not usable:
        return [], False

    def wanted(source: IPv4Network, besides: IPv4Address | None = None) -> bool:
        return any(backend.address != besides and admits(inventory, listener, backend, source) for backend in usable)

    prefixes: set[IPv4Network] = {nsg.PLATFORM_NETWORK}
    for backend in usable:
        interface = inventory.get(backend.interface, INTERFACE)
        if interface is not None:
            prefixes.update(inventory.address_space(inventory.network_of(interface)[0]))
            for group in inventory.security_groups(interface):
                prefixes |= nsg.distinguished(nsg.rules_of(group.properties))
    prefixes.discard(nsg.ALL)
    result = {prefix: wanted(prefix) for prefix in prefixes}
    for address in inventory.machine_addresses():
        seen = translated(inventory, listener, address)
        # A machine behind an internal balancer cannot reach itself through it: the answer would come from inside.
        besides = None if listener.public else address
        result[IPv4Network(address)] = seen is not None and wanted(IPv4Network(seen), besides)
    return sorted(result.items()), wanted(nsg.ALL)
