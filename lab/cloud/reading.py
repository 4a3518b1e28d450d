"""Resources as a client sees them, one and in lists."""

from typing import cast

from aiohttp import web

from lab.cloud import resources
from lab.cloud.authorization import Access
from lab.cloud.errors import ArmError
from lab.cloud.inventory import MACHINE
from lab.cloud.model import Json, Resource
from lab.cloud.request import CALLER
from lab.cloud.resource_id import ResourceId, parse
from lab.cloud.resources.base import Kind
from lab.cloud.resources.virtual_machine.power import instance_view
from lab.cloud.site import Site


def kind_of(target: ResourceId) -> Kind:
    """Return the resource type of an identity."""
    kind = resources.kind_of(target.type)
    if kind is None:
        raise ArmError(
            404,
            "InvalidResourceType",
            f"The resource type '{'/'.join(target.types)}' could not be found in the namespace "
            f"'{target.namespace}' of the lab cloud.",
        )
    return kind


class Reading:
    def __init__(self, site: Site) -> None:
        self._site = site

    def existing(self, kind: Kind, target: ResourceId) -> Resource:
        resource = kind.locate(self._site.store, target)
        if resource is None:
            names = "/".join(target.names)
            raise ArmError(
                404,
                "ResourceNotFound",
                f"The Resource '{kind.type}/{names}' under resource group '{target.group}' was not found. For more "
                "details please go to https://aka.ms/ARMResourceNotFoundFix",
            )
        return resource

    def shown(self, kind: Kind, resource: Resource, expand: str = "") -> Json:
        """Return a resource; `expand` may ask for the instance view of a machine."""
        shown = kind.shown(self._site.inventory, resource)
        if kind.type == MACHINE and "instanceview" in expand.lower():
            shown["properties"]["instanceView"] = instance_view(self._site, resource)
        return shown

    def brief(self, resource: Resource) -> Json:
        """Return a resource without its properties."""
        shown: Json = {name: getattr(resource, name) for name in ("id", "type", "location")}
        shown["name"] = "/".join(parse(resource.id).names) or resource.name
        return {**shown, **{name: resource.body[name] for name in ("tags", "sku", "zones") if resource.body.get(name)}}

    def visible(self, found: list[Resource]) -> list[Resource]:
        """Return those resources that the caller may see."""
        return Access(self._site.inventory).visible(CALLER.get(), found)

    def list(self, kind: Kind, target: ResourceId, expand: str = "") -> web.Response:
        """Answer with a collection."""
        found = self.visible(kind.members(self._site.store, target))
        return web.json_response({"value": [self.shown(kind, resource, expand) for resource in found]})

    def part(self, request: web.Request, target: ResourceId) -> web.Response:
        """Show an entry of a resource's own lists, such as a balancer's backend pool."""
        owner_kind = resources.kind_of(target.parent.type) if target.parent.types else None
        if owner_kind is None:
            kind_of(target)
            raise AssertionError
        if request.method != "GET":
            raise ArmError(
                405, "MethodNotAllowed", f"The lab cloud takes '{target.types[-1]}' inside of their parent only."
            )
        owner = self.existing(owner_kind, target.parent)
        properties: Json = owner_kind.shown(self._site.inventory, owner)["properties"]
        for name, entries in properties.items():
            if name.lower() == target.types[-1].lower() and isinstance(entries, list):
                for entry in cast(list[Json], entries):
                    if str(entry.get("name", "")).lower() == target.name.lower():
                        return web.json_response(entry)
        raise ArmError(404, "NotFound", f"Resource {target} not found.")
