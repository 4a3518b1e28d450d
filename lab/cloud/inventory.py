"""Questions about what there is: which things refer to which.  Nothing here changes anything.

References are kept in one place only, in the body of the resource that makes them; `managedBy` of a disk,
`virtualMachine` of an interface and their like are answers to questions asked here.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from lab.cloud import nsg
from lab.cloud.errors import ArmError, bad_request
from lab.cloud.fields import items, reference, references, section, text, texts
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, key_of
from lab.cloud.state import Store
from lab.cloud.zones import is_network_away

GROUP = "Microsoft.Resources/resourceGroups"
NETWORK = "Microsoft.Network/virtualNetworks"
SUBNET = "Microsoft.Network/virtualNetworks/subnets"
SECURITY_GROUP = "Microsoft.Network/networkSecurityGroups"
PUBLIC_ADDRESS = "Microsoft.Network/publicIPAddresses"
NAT_GATEWAY = "Microsoft.Network/natGateways"
BALANCER = "Microsoft.Network/loadBalancers"
INTERFACE = "Microsoft.Network/networkInterfaces"
AVAILABILITY_SET = "Microsoft.Compute/availabilitySets"
DISK = "Microsoft.Compute/disks"
MACHINE = "Microsoft.Compute/virtualMachines"
ROLE_DEFINITION = "Microsoft.Authorization/roleDefinitions"
ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
LOCK = "Microsoft.Authorization/locks"
ENCRYPTION_SET = "Microsoft.Compute/diskEncryptionSets"
VAULT = "Microsoft.KeyVault/vaults"
VAULT_KEY = "Microsoft.KeyVault/vaults/keys"
STORAGE_ACCOUNT = "Microsoft.Storage/storageAccounts"
BLOB_SERVICE = "Microsoft.Storage/storageAccounts/blobServices"
BLOB_CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
IMMUTABILITY_POLICY = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies"
ACTION_GROUP = "Microsoft.Insights/actionGroups"
METRIC_ALERT = "Microsoft.Insights/metricAlerts"
WORKSPACE = "Microsoft.Monitor/accounts"
COLLECTION_ENDPOINT = "Microsoft.Insights/dataCollectionEndpoints"
COLLECTION_RULE = "Microsoft.Insights/dataCollectionRules"
MANAGEMENT_POLICY = "Microsoft.Storage/storageAccounts/managementPolicies"
PRIVATE_ZONE = "Microsoft.Network/privateDnsZones"
ZONE_LINK = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"
DNS_RECORD = "Microsoft.Network/privateDnsZones/A"


class Inventory:
    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def store(self) -> Store:
        return self._store

    def of_type(self, type_: str) -> Iterator[Resource]:
        """Yield the resources of a type."""
        return (resource for resource in self._store if resource.type == type_)

    def get(self, identity: str, type_: str) -> Resource | None:
        """Return a resource where it is there and of that type."""
        resource = self._store.get(key_of(identity)) if identity else None
        return resource if resource is not None and resource.type == type_ else None

    def group(self, subscription: str, name: str) -> Resource | None:
        return self.get(f"/subscriptions/{subscription}/resourceGroups/{name}", GROUP)

    def require_group(self, target: ResourceId) -> Resource:
        """Return the resource group that something is in; a 404 where it is not there."""
        group = self.group(target.subscription, target.group)
        if group is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{target.group}' could not be found.")
        return group

    def members(self, group: Resource) -> list[Resource]:
        prefix = group.key + "/"
        return [resource for resource in self._store if resource.key.startswith(prefix)]

    def require(self, identity: str, type_: str, by: str, location: str) -> Resource:
        """Return a resource that another refers to.

        Args:
            location: the region in which both must be.

        Raises:
            ArmError: not there, of another type, or in another region (400, InvalidResourceReference).
        """
        resource = self.get(identity, type_)
        if resource is None or resource.location != location or resource.provisioning == "Deleting":
            raise _not_found(identity, by)
        return resource

    # Networks

    def subnets(self) -> Iterator[tuple[Resource, Json]]:
        """Yield every subnet with its network."""
        for network in self.of_type(NETWORK):
            for subnet in items(network.properties, "subnets"):
                yield network, subnet

    def subnet(self, identity: str) -> tuple[Resource, Json] | None:
        """Return a subnet and its network by the subnet's identity."""
        parent, _, name = key_of(identity).rpartition("/subnets/")
        network = self.get(parent, NETWORK)
        if network is None:
            return None
        for subnet in items(network.properties, "subnets"):
            if text(subnet, "name").lower() == name:
                return network, subnet
        return None

    def require_subnet(self, identity: str, by: str, location: str) -> tuple[Resource, Json]:
        """Return a subnet that another resource refers to."""
        found = self.subnet(identity)
        if found is None or found[0].location != location:
            raise _not_found(identity, by)
        return found

    def subnet_users(self, subnet_id: str) -> dict[IPv4Address, str]:
        """Return the addresses in use in a subnet, with the identity of the configuration that uses each."""
        wanted = key_of(subnet_id)
        return {
            IPv4Address(text(properties, "privateIPAddress")): identity
            for identity, properties in self._configurations()
            if key_of(reference(properties, "subnet")) == wanted
        }

    def _configurations(self) -> Iterator[tuple[str, Json]]:
        """Yield what can have an address, of an interface or a balancer: its identity and its properties."""
        for owner, listname in ((INTERFACE, "ipConfigurations"), (BALANCER, "frontendIPConfigurations")):
            for resource in self.of_type(owner):
                for entry in items(resource.properties, listname):
                    yield f"{resource.id}/{listname}/{text(entry, 'name')}", section(entry, "properties")

    def address_space(self, network: Resource) -> tuple[IPv4Network, ...]:
        prefixes = texts(section(network.properties, "addressSpace"), "addressPrefixes")
        return tuple(IPv4Network(prefix) for prefix in prefixes)

    def links_of(self, network_id: str) -> list[Resource]:
        """Return the links of private DNS zones to a network."""
        wanted = key_of(network_id)
        return [
            link for link in self.of_type(ZONE_LINK) if key_of(reference(link.properties, "virtualNetwork")) == wanted
        ]

    # Who refers to what

    def public_address_user(self, identity: str) -> str | None:
        """Return the identity of the configuration that a public address belongs to."""
        wanted = key_of(identity)
        for user, properties in self._configurations():
            if key_of(reference(properties, "publicIPAddress")) == wanted:
                return user
        for gateway in self.of_type(NAT_GATEWAY):
            if wanted in map(key_of, references(gateway.properties, "publicIpAddresses")):
                return gateway.id
        return None

    def subnets_with(self, property_name: str, identity: str) -> list[str]:
        """Return the identities of the subnets whose `natGateway` or `networkSecurityGroup` is this one."""
        wanted = key_of(identity)
        return [
            f"{network.id}/subnets/{subnet['name']}"
            for network, subnet in self.subnets()
            if key_of(reference(section(subnet, "properties"), property_name)) == wanted
        ]

    def interfaces_with_group(self, identity: str) -> list[Resource]:
        wanted = key_of(identity)
        return [
            interface
            for interface in self.of_type(INTERFACE)
            if key_of(reference(interface.properties, "networkSecurityGroup")) == wanted
        ]

    def configurations_with(self, listname: str, identity: str) -> list[tuple[Resource, Json]]:
        """Return interfaces and the configuration of each that refers to a pool or NAT rule.

        Args:
            listname: `loadBalancerBackendAddressPools` or `loadBalancerInboundNatRules`.
        """
        wanted = key_of(identity)
        return [
            (interface, configuration)
            for interface in self.of_type(INTERFACE)
            for configuration in items(interface.properties, "ipConfigurations")
            if wanted in map(key_of, references(section(configuration, "properties"), listname))
        ]

    def machine_of_interface(self, identity: str) -> Resource | None:
        wanted = key_of(identity)
        for machine in self.of_type(MACHINE):
            profile = section(machine.properties, "networkProfile")
            if wanted in map(key_of, references(profile, "networkInterfaces")):
                return machine
        return None

    def machine_of_disk(self, identity: str) -> Resource | None:
        wanted = key_of(identity)
        for machine in self.of_type(MACHINE):
            storage = section(machine.properties, "storageProfile")
            disks = [section(storage, "osDisk"), *items(storage, "dataDisks")]
            if any(key_of(reference(disk, "managedDisk")) == wanted for disk in disks):
                return machine
        return None

    def machines_of_set(self, identity: str) -> list[Resource]:
        wanted = key_of(identity)
        return [
            machine
            for machine in self.of_type(MACHINE)
            if key_of(reference(machine.properties, "availabilitySet")) == wanted
        ]

    def machine_of_principal(self, object_id: str) -> Resource | None:
        """Return the machine whose system-assigned identity is this one."""
        for machine in self.of_type(MACHINE):
            if text(section(machine.body, "identity"), "principalId").lower() == object_id.lower():
                return machine
        return None

    def has_principal(self, object_id: str) -> bool:
        """Tell whether a managed identity is there: a machine's, or a disk encryption set's."""
        return self.machine_of_principal(object_id) is not None or any(
            text(section(found.body, "identity"), "principalId").lower() == object_id.lower()
            for found in self.of_type(ENCRYPTION_SET)
        )

    # Machines and traffic

    def interfaces_of(self, machine: Resource) -> list[Resource]:
        """Return a machine's interfaces, the primary one first."""
        entries = items(section(machine.properties, "networkProfile"), "networkInterfaces")
        entries = sorted(entries, key=lambda entry: section(entry, "properties").get("primary") is not True)
        found = [self.get(text(entry, "id"), INTERFACE) for entry in entries]
        return [interface for interface in found if interface is not None]

    def private_address(self, interface: Resource) -> IPv4Address:
        """Return the address of an interface's first configuration."""
        configuration = items(interface.properties, "ipConfigurations")[0]
        return IPv4Address(text(section(configuration, "properties"), "privateIPAddress"))

    def machine_addresses(self) -> dict[IPv4Address, tuple[Resource, Resource]]:
        """Return machine and interface of every private address in use by a machine."""
        return {
            self.private_address(interface): (machine, interface)
            for machine in self.of_type(MACHINE)
            for interface in self.interfaces_of(machine)
        }

    def network_of(self, interface: Resource) -> tuple[Resource, Json]:
        """Return network and subnet of an interface's first configuration."""
        configuration = items(interface.properties, "ipConfigurations")[0]
        found = self.subnet(reference(section(configuration, "properties"), "subnet"))
        assert found is not None, "an interface's subnet cannot be deleted before it"
        return found

    def security_groups(self, interface: Resource) -> list[Resource]:
        """Return the groups that inbound traffic passes, the subnet's first."""
        _, subnet = self.network_of(interface)
        found = [
            self.get(reference(section(subnet, "properties"), "networkSecurityGroup"), SECURITY_GROUP),
            self.get(reference(interface.properties, "networkSecurityGroup"), SECURITY_GROUP),
        ]
        return [group for group in found if group is not None]

    def admits(self, interface: Resource, source: IPv4Network, port: int, public: bool) -> bool:
        """Tell whether traffic may reach a machine's port.

        Args:
            source: the client, or a network whose addresses are all treated alike.
            public: whether it comes by a public address, which is closed where no group says otherwise
                ("secure by default").
        """
        groups = self.security_groups(interface)
        if not groups:
            return not public or source == nsg.PLATFORM_NETWORK
        network, _ = self.network_of(interface)
        packet = nsg.Packet(source, IPv4Network(self.private_address(interface)), port)
        space = self.address_space(network)
        return all(nsg.decide(nsg.rules_of(group.properties), packet, space).allow for group in groups)

    def public_ip(self, identity: str) -> IPv4Address | None:
        resource = self.get(identity, PUBLIC_ADDRESS)
        return IPv4Address(resource.properties["ipAddress"]) if resource else None

    def _working_ip(self, identity: str) -> IPv4Address | None:
        """Return the address of a public IP address resource that no fault has taken away."""
        resource = self.get(identity, PUBLIC_ADDRESS)
        return None if resource is None or is_network_away(self._store, resource) else self.public_ip(identity)

    def egress_address(self, interface: Resource) -> IPv4Address | str | None:
        """Return the public address that a machine's own connections to the outside come from.

        Returns:
            an address; "default" where Azure gives default outbound access; None where there is no way out, or it is
            in a zone that is away.
        """
        _, subnet = self.network_of(interface)
        properties = section(subnet, "properties")
        # The order of Azure's documentation: NAT gateway, own address, balancer, default outbound access.
        gateway = self.get(reference(properties, "natGateway"), NAT_GATEWAY)
        if gateway is not None:
            for identity in references(gateway.properties, "publicIpAddresses"):
                if self.public_ip(identity) is not None:
                    return None if is_network_away(self._store, gateway) else self._working_ip(identity)
        configurations = [section(c, "properties") for c in items(interface.properties, "ipConfigurations")]
        for configuration in configurations:
            if self.public_ip(public := reference(configuration, "publicIPAddress")) is not None:
                return self._working_ip(public)
        pools = {key_of(pool) for c in configurations for pool in references(c, "loadBalancerBackendAddressPools")}
        for balancer in self.of_type(BALANCER):
            if (address := self._balancer_egress(balancer, pools)) is not None:
                return address
        return None if pools or properties.get("defaultOutboundAccess") is False else "default"

    def _balancer_egress(self, balancer: Resource, pools: set[str]) -> IPv4Address | None:
        properties = balancer.properties
        frontends = {
            f"{balancer.id}/frontendIPConfigurations/{frontend['name']}".lower(): self._working_ip(
                reference(section(frontend, "properties"), "publicIPAddress")
            )
            for frontend in items(properties, "frontendIPConfigurations")
        }
        for rule in items(properties, "outboundRules"):
            details = section(rule, "properties")
            if key_of(reference(details, "backendAddressPool")) in pools:
                for identity in references(details, "frontendIPConfigurations"):
                    if (address := frontends.get(key_of(identity))) is not None:
                        return address
        return None


def _not_found(identity: str, by: str) -> ArmError:
    return bad_request(
        "InvalidResourceReference",
        f"Resource {identity} referenced by resource {by} was not found. Please make sure that the referenced "
        "resource exists, and that both resources are in the same region.",
    )
