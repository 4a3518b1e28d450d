"""Azure Monitor workspaces, each with the endpoint and the rule that Azure makes for it in a group of its own.

What comes in by them, `lab.cloud.metrics_ingestion` takes.
"""

import re
import secrets
import uuid

from lab.cloud.errors import conflict, not_in_lab
from lab.cloud.fields import choice, section
from lab.cloud.inventory import COLLECTION_ENDPOINT, COLLECTION_RULE, GROUP, WORKSPACE, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import Kind
from lab.cloud.site import Site
from lab.cloud.state import Store
from lab.cloud.tokens import SUBSCRIPTION

STREAM = "Microsoft-PrometheusMetrics"

_DESTINATION = "MonitoringAccount1"


class WorkspaceKind(Kind):
    type = WORKSPACE
    # learn.microsoft.com/rest/api/monitor/azure-monitor-workspaces/create
    name = re.compile(r"(?!-)[A-Za-z0-9-]{3,62}[A-Za-z0-9]")

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check what all types have, and that it is the only one."""
        resource = self.envelope(inventory, target, body, existing)
        if any(other.key != resource.key for other in inventory.of_type(WORKSPACE)):
            raise not_in_lab("The lab cloud has room for one Azure Monitor workspace.")
        access = choice(section(body, "properties"), "publicNetworkAccess", ("Enabled",), "Enabled")
        if existing is not None:
            resource.properties.update(existing.properties)
            return resource
        managed = f"{_managed_group(resource)}/providers"
        query = (
            f"https://{resource.name.lower()}-{secrets.token_hex(2)}.{resource.location}.prometheus.monitor.azure.com"
        )
        resource.properties.update(
            {
                "accountId": str(uuid.uuid4()),
                "metrics": {"prometheusQueryEndpoint": query, "internalId": f"mac_{uuid.uuid4()}"},
                "defaultIngestionSettings": {
                    "dataCollectionEndpointResourceId": f"{managed}/{COLLECTION_ENDPOINT}/{resource.name}",
                    "dataCollectionRuleResourceId": f"{managed}/{COLLECTION_RULE}/{resource.name}",
                },
                "publicNetworkAccess": access,
            }
        )
        return resource

    def commit(self, store: Store, resource: Resource) -> None:
        """Remember it; a new one with its group, endpoint and rule."""
        is_new = store.get(resource.id) is None
        store.put(resource)
        for part in _parts(resource) if is_new else ():
            store.put(part)

    async def removed(self, site: Site, resource: Resource) -> None:
        """Forget what was made with it."""
        for part in _parts(resource):
            site.store.discard(part.id)


class _MadeWithAWorkspace(Kind):
    """What is there as long as its workspace is, and is nobody's to make or to delete."""

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        raise not_in_lab(f"The lab cloud makes {self.type} only with an Azure Monitor workspace.")

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        raise conflict(
            "ResourceInUse", f"The resource '{resource.id}' cannot be deleted: an Azure Monitor workspace uses it."
        )


class CollectionEndpointKind(_MadeWithAWorkspace):
    type = COLLECTION_ENDPOINT


class CollectionRuleKind(_MadeWithAWorkspace):
    type = COLLECTION_RULE


def host_of(endpoint: Resource) -> str:
    """Return the name under which an endpoint takes metrics."""
    return str(section(endpoint.properties, "metricsIngestion")["endpoint"]).removeprefix("https://")


def _managed_group(workspace: Resource) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/MA_{workspace.name}_{workspace.location}_managed"


def _parts(workspace: Resource) -> list[Resource]:
    """Return what Azure makes with a workspace: a group, and in it an endpoint and a rule."""
    path, name, region = _managed_group(workspace), workspace.name, workspace.location
    group = path.rpartition("/")[2]
    ingestion = workspace.properties["defaultIngestionSettings"]
    endpoint_id = ingestion["dataCollectionEndpointResourceId"]
    beginning, end = f"https://{name.lower()}-{secrets.token_hex(2)}.{region}-1", "ingest.monitor.azure.com"
    endpoint = {
        "immutableId": f"dce-{uuid.uuid4().hex}",
        "configurationAccess": {"endpoint": f"{beginning}.handler.control.monitor.azure.com"},
        "logsIngestion": {"endpoint": f"{beginning}.{end}"},
        "metricsIngestion": {"endpoint": f"{beginning}.metrics.{end}"},
        "networkAcls": {"publicNetworkAccess": "Enabled"},
    }
    rule = {
        "immutableId": f"dcr-{uuid.uuid4().hex}",
        "dataCollectionEndpointId": endpoint_id,
        "destinations": {
            "monitoringAccounts": [
                {
                    "accountResourceId": workspace.id,
                    "accountId": workspace.properties["accountId"],
                    "name": _DESTINATION,
                }
            ]
        },
        "dataFlows": [{"streams": [STREAM], "destinations": [_DESTINATION]}],
    }
    rule_id = ingestion["dataCollectionRuleResourceId"]
    return [
        Resource(path, GROUP, group, group, region, body={"tags": {}, "properties": {}}),
        Resource(endpoint_id, COLLECTION_ENDPOINT, name, group, region, body={"properties": endpoint}),
        Resource(rule_id, COLLECTION_RULE, name, group, region, body={"properties": rule}),
    ]
