"""Availability sets."""

from lab.cloud.errors import bad_request, conflict
from lab.cloud.fields import choice, integer, section
from lab.cloud.inventory import AVAILABILITY_SET, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import COMPUTE_NAME, Kind


class AvailabilitySetKind(Kind):
    type = AVAILABILITY_SET
    name = COMPUTE_NAME
    compute = True

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check the numbers of domains, which never change afterwards."""
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        sku = choice(section(body, "sku"), "name", ("Classic", "Aligned"), "Classic")
        domains: dict[str, int] = {}
        for name, default, most in (("platformFaultDomainCount", 2, 3), ("platformUpdateDomainCount", 5, 20)):
            count = integer(given, name, default)
            if not 1 <= count <= most:
                raise bad_request(
                    "InvalidParameter",
                    f"The specified {'fault' if 'Fault' in name else 'update'} domain count {count} must fall in the "
                    f"range 1 to {most}.",
                    name,
                )
            if existing is not None and existing.properties[name] != count:
                raise conflict("PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.", name)
            domains[name] = count
        if existing is not None and existing.sku == "Aligned" and sku == "Classic":
            raise conflict("PropertyChangeNotAllowed", "Changing property 'sku.name' is not allowed.", "sku.name")
        if body.get("zones"):
            raise bad_request("InvalidParameter", "An availability set has no zones.", "zones")
        resource.body["sku"] = {"name": sku}
        resource.properties.update(domains)
        return resource

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        machines = [{"id": machine.id} for machine in inventory.machines_of_set(resource.id)]
        return {**resource.properties, "virtualMachines": machines}

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        if inventory.machines_of_set(resource.id):
            raise conflict(
                "OperationNotAllowed",
                f"Availability Set '{resource.name}' cannot be deleted. Before deleting an Availability Set please "
                "ensure that it does not contain any VM.",
            )
