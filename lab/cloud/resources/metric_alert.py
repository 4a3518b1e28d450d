"""Alert rules for metrics. The lab has no metrics; it checks what Azure checks, and fires nothing."""

from typing import Any, cast

from lab.cloud.errors import ArmError, bad_request
from lab.cloud.fields import choice, flag, integer, items, section, text, texts
from lab.cloud.inventory import ACTION_GROUP, BALANCER, MACHINE, METRIC_ALERT, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.action_group import INSIGHTS_NAME
from lab.cloud.resources.global_kind import GlobalKind

_CRITERIA = "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"

# learn.microsoft.com/azure/azure-monitor/reference/supported-metrics, those of this project.
_METRICS = {BALANCER: ("VipAvailability", "DipAvailability"), MACHINE: ("VmAvailabilityMetric", "Percentage CPU")}

# learn.microsoft.com/rest/api/monitor/metric-alerts/create-or-update; in minutes.
_FREQUENCIES = {"PT1M": 1, "PT5M": 5, "PT15M": 15, "PT30M": 30, "PT1H": 60}
_WINDOWS = {**_FREQUENCIES, "PT6H": 360, "PT12H": 720, "P1D": 1440}
_OPERATORS = ("Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual")
_AGGREGATIONS = ("Average", "Count", "Minimum", "Maximum", "Total")


class MetricAlertKind(GlobalKind):
    type = METRIC_ALERT
    name = INSIGHTS_NAME

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check what is looked at, how, and who is told."""
        resource = self.envelope(inventory, target, body, existing)
        given = section(body, "properties")
        if not 0 <= integer(given, "severity") <= 4:
            raise _wrong("severity is from 0 to 4")
        every = _FREQUENCIES.get(text(given, "evaluationFrequency"))
        window = _WINDOWS.get(text(given, "windowSize"))
        if every is None or window is None or window < every:
            raise _wrong(
                f"evaluationFrequency is one of {', '.join(_FREQUENCIES)}, windowSize one of {', '.join(_WINDOWS)} and"
                " no shorter"
            )
        scopes = texts(given, "scopes")
        if len(scopes) != 1:
            raise _wrong("the lab cloud knows rules of one resource only")
        looked_at = next((kind for kind in _METRICS if inventory.get(scopes[0], kind)), None)
        if looked_at is None:
            raise ArmError(404, "ResourceNotFound", f"The resource '{scopes[0]}' was not found.")
        _check_criteria(section(given, "criteria"), looked_at)
        for action in items(given, "actions"):
            if inventory.get(text(action, "actionGroupId"), ACTION_GROUP) is None:
                raise _wrong(f"there is no action group {text(action, 'actionGroupId')}")
        resource.properties.update({**given, "enabled": flag(given, "enabled", True)})
        return resource


def _check_criteria(criteria: Json, looked_at: str) -> None:
    if criteria.get("odata.type") != _CRITERIA:
        raise _wrong(f"criteria are of odata.type {_CRITERIA}, as far as the lab cloud knows")
    conditions = items(criteria, "allOf")
    if not conditions:
        raise _wrong("allOf has a criterion at least")
    for each in conditions:
        choice(each, "criterionType", ("StaticThresholdCriterion",))
        choice(each, "operator", _OPERATORS)
        choice(each, "timeAggregation", _AGGREGATIONS)
        metric, threshold = text(each, "metricName"), cast(Any, each.get("threshold"))
        if metric not in _METRICS[looked_at] or text(each, "metricNamespace").lower() not in ("", looked_at.lower()):
            raise _wrong(f"{looked_at} has no metric {metric} of {text(each, 'metricNamespace')}")
        if not text(each, "name") or isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise _wrong("a criterion has a name, and a number as threshold")


def _wrong(why: str) -> ArmError:
    return bad_request("LabInvalidMetricAlert", f"The alert rule is not valid: {why}.")
