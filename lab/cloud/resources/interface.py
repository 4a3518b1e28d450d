"""Network interfaces; their tap is made when they are on a machine."""

import hashlib
import secrets

from lab.cloud.errors import bad_request, not_in_lab
from lab.cloud.fields import flag, items, reference, references, section, text, unique_names
from lab.cloud.inventory import BALANCER, INTERFACE, PUBLIC_ADDRESS, SECURITY_GROUP, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId, key_of
from lab.cloud.resources.addressing import chosen_address
from lab.cloud.resources.base import NETWORK_NAME, Kind

_REFERENCES = (
    ("loadBalancerBackendAddressPools", "backendAddressPools"),
    ("loadBalancerInboundNatRules", "inboundNatRules"),
)


class InterfaceKind(Kind):
    type = INTERFACE

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check address, security group, public address, pools and NAT rules."""
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        entries = items(given, "ipConfigurations")
        if not entries:
            raise bad_request(
                "NetworkInterfaceMustHaveAtLeastOneIpConfiguration",
                f"Network interface {target} must have at least one IP configuration.",
            )
        unique_names(entries, "ipConfigurations", NETWORK_NAME)
        if len(entries) > 1:
            raise not_in_lab("Several IP configurations are not supported by the lab cloud.")
        if group := reference(given, "networkSecurityGroup"):
            inventory.require(group, SECURITY_GROUP, resource.id, resource.location)
            resource.properties["networkSecurityGroup"] = {"id": group}
        resource.properties["ipConfigurations"] = [
            self._configuration(inventory, resource, entry, existing) for entry in entries
        ]
        for name in ("enableAcceleratedNetworking", "enableIPForwarding"):
            resource.properties[name] = flag(given, name)
        resource.properties["dnsSettings"] = {"dnsServers": [], "appliedDnsServers": []}
        resource.properties["nicType"] = "Standard"
        if existing is None:
            resource.hidden = {
                "mac": "00:0d:3a:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3)),
                "tap": "tap" + hashlib.sha256(resource.key.encode()).hexdigest()[:10],
            }
        return resource

    def _configuration(self, inventory: Inventory, resource: Resource, entry: Json, existing: Resource | None) -> Json:
        given = section(entry, "properties")
        name = text(entry, "name")
        identity = f"{resource.id}/ipConfigurations/{name}"
        subnet = reference(given, "subnet")
        if not subnet:
            raise bad_request(
                "IpConfigurationMustHaveSubnet", f"IP configuration {identity} must refer to a subnet.", "subnet"
            )
        for unsupported in ("applicationSecurityGroups", "applicationGatewayBackendAddressPools"):
            if items(given, unsupported):
                raise not_in_lab(f"{unsupported} are not supported by the lab cloud.")
        network, _ = inventory.require_subnet(subnet, resource.id, resource.location)
        old = items(existing.properties, "ipConfigurations") if existing else []
        before = next((section(e, "properties") for e in old if e["name"].lower() == name.lower()), None)
        machine = inventory.machine_of_interface(resource.id)
        if machine is not None and existing is not None:
            attached = inventory.network_of(existing)[0]
            if attached.key != network.key:
                raise bad_request(
                    "NetworkInterfaceCannotMoveVirtualNetwork",
                    f"Network interface {resource.id} is on {machine.id}, and cannot move to another virtual network.",
                )
        checked: Json = {
            **chosen_address(inventory, identity, given, subnet, before),
            "privateIPAddressVersion": "IPv4",
            "primary": flag(given, "primary", default=True),
        }
        if public := reference(given, "publicIPAddress"):
            inventory.require(public, PUBLIC_ADDRESS, resource.id, resource.location)
            user = inventory.public_address_user(public)
            if user is not None and key_of(user) != identity.lower():
                raise bad_request(
                    "PublicIPAddressInUse",
                    f"IP configuration {identity} is referencing public IP address {public} that is already allocated "
                    f"to resource {user}.",
                )
            checked["publicIPAddress"] = {"id": public}
        balancers: dict[str, bool] = {}
        for listname, part in _REFERENCES:
            found: list[Json] = []
            for wanted in references(given, listname):
                balancer = self._balancer_part(inventory, resource, wanted, part)
                balancers[balancer.key] = _is_internal(balancer)
                self._check_same_network(inventory, balancer, network, wanted, resource)
                found.append({"id": wanted})
                if part == "inboundNatRules":
                    others = inventory.configurations_with(listname, wanted)
                    taken = [nic.id for nic, _ in others if nic.key != resource.key]
                    if taken:
                        raise bad_request(
                            "LabInboundNatRuleInUse", f"Inbound NAT rule {wanted} leads to {taken[0]} already."
                        )
            if found:
                checked[listname] = found
        internal = list(balancers.values())
        if internal.count(True) > 1 or internal.count(False) > 1:
            raise bad_request(
                "LabInterfaceInSeveralBalancers",
                f"Network interface {resource.id} may be behind one public and one internal load balancer at most.",
            )
        return {"name": name, "properties": checked}

    def _balancer_part(self, inventory: Inventory, resource: Resource, wanted: str, part: str) -> Resource:
        parent, _, name = wanted.rpartition(f"/{part}/")
        balancer = inventory.require(parent or wanted, BALANCER, resource.id, resource.location)
        if not any(entry["name"].lower() == name.lower() for entry in items(balancer.properties, part)):
            raise bad_request(
                "InvalidResourceReference",
                f"Resource {wanted} referenced by resource {resource.id} was not found. Please make sure that the "
                "referenced resource exists, and that both resources are in the same region.",
            )
        return balancer

    def _check_same_network(
        self, inventory: Inventory, balancer: Resource, network: Resource, wanted: str, resource: Resource
    ) -> None:
        """All members of a pool, and an internal balancer's frontend, are in one virtual network."""
        networks = {
            inventory.network_of(nic)[0].key
            for nic, _ in inventory.configurations_with("loadBalancerBackendAddressPools", wanted)
            if nic.key != resource.key
        }
        for frontend in items(balancer.properties, "frontendIPConfigurations"):
            found = inventory.subnet(reference(section(frontend, "properties"), "subnet"))
            if found:
                networks.add(found[0].key)
        if networks - {network.key}:
            raise bad_request(
                "NetworkInterfaceAndLoadBalancerAreInDifferentVnets"
                if _is_internal(balancer)
                else "NetworkInterfacesInDifferentVirtualNetworks",
                f"Network interface {resource.id} is in another virtual network than the others of {wanted}.",
            )

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        shown = dict(resource.properties)
        shown["ipConfigurations"] = [
            {
                "id": f"{resource.id}/ipConfigurations/{entry['name']}",
                "name": entry["name"],
                "type": f"{INTERFACE}/ipConfigurations",
                "etag": resource.etag,
                "properties": {**entry["properties"], "provisioningState": "Succeeded"},
            }
            for entry in items(resource.properties, "ipConfigurations")
        ]
        machine = inventory.machine_of_interface(resource.id)
        if machine is not None:
            shown["virtualMachine"] = {"id": machine.id}
            shown["primary"] = inventory.interfaces_of(machine)[0].key == resource.key
            shown["macAddress"] = resource.hidden["mac"].upper().replace(":", "-")
        return shown

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        machine = inventory.machine_of_interface(resource.id)
        if machine is not None:
            raise bad_request(
                "NicInUse",
                f"Network Interface {resource.id} is used by existing resource {machine.id}. In order to delete the "
                "network interface, it must be dissociated from the resource.",
            )


def _is_internal(balancer: Resource) -> bool:
    frontends = items(balancer.properties, "frontendIPConfigurations")
    return any(reference(section(frontend, "properties"), "subnet") for frontend in frontends)
