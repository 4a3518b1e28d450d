"""Alerts of Azure's own, by what it sees from outside: with nothing on the machines, and while both are off."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute, monitor, network

from components.azure.place import Place
from components.settings.alerts import AlertsSection

# Where Azure keeps action groups and alert rules whatever region they are of.
_LOCATION = "global"

# Of the balancer's two backends one answers the probe: 50 % on average. Below half of that nobody did for more than
# half of the time that is looked at, which a fail-over does not take.
_NOBODY_PERCENT = 25
_LOOKED_AT = "PT5M"
_EVERY = "PT1M"


@dataclass(frozen=True)
class AlertsArgs:
    """What is looked at, and who is told.

    Args:
        alerts: the settings; they name somebody.
        balancer: whose probe tells which node serves.
        machines: the nodes' virtual machines, by node name.
    """

    place: Place
    alerts: AlertsSection
    balancer: network.LoadBalancer
    machines: Mapping[str, compute.VirtualMachine]


class Alerts(pulumi.ComponentResource):
    """An action group, and the rules that it is told of: nobody serves; a node's machine is not available."""

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Alerts", name, None, opts)
        self._name, self._args = name, args
        alerts, place = args.alerts, args.place
        self._group = monitor.ActionGroup(
            f"{name}-group",
            action_group_name=f"ag-{place.cluster_name}",
            resource_group_name=place.group_name,
            location=_LOCATION,
            group_short_name=place.cluster_name[:12].rstrip("-"),
            enabled=True,
            email_receivers=[
                monitor.MicrosoftCommonEmailReceiverArgs(
                    name=f"email-{number}", email_address=email, use_common_alert_schema=True
                )
                for number, email in enumerate(alerts.alert_emails, 1)
            ],
            webhook_receivers=[
                monitor.WebhookReceiverArgs(
                    name="webhook", service_uri=alerts.alert_webhook, use_common_alert_schema=True
                )
            ]
            if alerts.alert_webhook
            else [],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._rule(
            "nobody-serves",
            args.balancer.id,
            "Microsoft.Network/loadBalancers",
            "DipAvailability",
            _NOBODY_PERCENT,
            0,
            "No node answers the load balancer's probe: nobody serves MySQL. docs/operations/nobody-serves.md",
        )
        for node, machine in args.machines.items():
            self._rule(
                node,
                machine.id,
                "Microsoft.Compute/virtualMachines",
                "VmAvailabilityMetric",
                1,
                2,
                f"The machine of {node} is not available. docs/operations/lost-node.md",
            )
        self.register_outputs({})

    def _rule(
        self, what: str, scope: pulumi.Input[str], kind: str, metric: str, least: float, severity: int, description: str
    ) -> None:
        """Make a rule that is true while the average of a metric is less than it should be."""
        place = self._args.place
        monitor.MetricAlert(
            f"{self._name}-{what}",
            rule_name=f"ar-{what}" if what.startswith(f"{place.cluster_name}-") else f"ar-{place.cluster_name}-{what}",
            resource_group_name=place.group_name,
            location=_LOCATION,
            description=description,
            enabled=True,
            severity=severity,
            scopes=[scope],
            evaluation_frequency=_EVERY,
            window_size=_LOOKED_AT,
            auto_mitigate=True,
            criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
                odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                all_of=[
                    monitor.MetricCriteriaArgs(
                        criterion_type="StaticThresholdCriterion",
                        name=metric,
                        metric_namespace=kind,
                        metric_name=metric,
                        operator=monitor.Operator.LESS_THAN,
                        threshold=least,
                        time_aggregation=monitor.AggregationTypeEnum.AVERAGE,
                    )
                ],
            ),
            actions=[monitor.MetricAlertActionArgs(action_group_id=self._group.id)],
            opts=pulumi.ResourceOptions(parent=self),
        )
