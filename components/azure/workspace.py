"""The Azure Monitor workspace that the witness's Prometheus writes to, and the witness's right to do so."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute

from components.azure.role import assign_role, principal_of
from components.metrics_store import MetricsStore

# Azure's "Monitoring Metrics Publisher" (learn.microsoft.com/azure/role-based-access-control/built-in-roles/monitor):
# it writes metrics, and reads none.
_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"

# As the portal shows a workspace's "metrics ingestion endpoint".
_STREAM = "streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24"


@dataclass(frozen=True)
class Workspace:
    """How a workspace takes samples.

    Args:
        url: for remote write.
        rule_id: resource id of the data collection rule at which Azure looks whether somebody may write.
    """

    url: str
    rule_id: str


def ingestion_url(endpoint: str, immutable_id: str) -> str:
    """Return the URL for remote write.

    Args:
        endpoint: of metrics, of a data collection endpoint.
        immutable_id: of a data collection rule.
    """
    return f"{endpoint.rstrip('/')}/dataCollectionRules/{immutable_id}/{_STREAM}"


@dataclass(frozen=True)
class WorkspaceArgs:
    """What writes to a workspace.

    Args:
        name: the witness's.
        machine: the witness, with an identity of its own.
    """

    workspace: Workspace
    name: str
    machine: compute.VirtualMachine


class WorkspaceAccess(pulumi.ComponentResource):
    """The witness's right to write metrics by the workspace's own data collection rule, and to nothing else."""

    store: MetricsStore

    def __init__(self, name: str, args: WorkspaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:WorkspaceAccess", name, None, opts)
        subscription = args.workspace.rule_id.split("/")[2]
        right = assign_role(
            f"{args.name}-writes-metrics",
            role_id=f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{_PUBLISHER}",
            principal_id=principal_of(args.machine),
            scope=args.workspace.rule_id,
            parent=self,
        )
        self.store = MetricsStore(args.workspace.url, ready=(right,))
        self.register_outputs({})
