"""What several alarms read of Pacemaker's own account of itself."""

import html
import xml.etree.ElementTree as ElementTree

from operations.status.facts import Facts

BARRED = "drbd-fence-by-handler"
"""Begins the names of the constraints by which DRBD's fence-peer handler, and what looks at blocks that differ, bar a
node from promotion."""


def failures_in(facts: Facts) -> list[ElementTree.Element]:
    """Return what Pacemaker remembers as failed."""
    return facts.everything("failures/failure")


def resource_of(failure: ElementTree.Element) -> str:
    """Return the resource that has failed; its key is such as "mysql-server_monitor_5000"."""
    return failure.get("op_key", "").rpartition("_")[0].rpartition("_")[0]


def works_since(facts: Facts, failure: ElementTree.Element) -> bool:
    """Tell whether what has failed on a node was started there, or looked at and found well, since: by a later call."""
    history = f"node_history/node[@name='{failure.get('node')}']/resource_history[@id='{resource_of(failure)}']"
    later = (
        call.get("rc") == "0" and call.get("task") in ("start", "monitor")
        for call in facts.everything(f"{history}/operation_history")
        if number(call.get("call")) > number(failure.get("call"))
    )
    return failure.get("call") is not None and any(later)


def reason(failure: ElementTree.Element) -> str:
    """Return why something has failed; crm_mon escapes an agent's words twice."""
    return html.unescape(failure.get("exitreason") or failure.get("exitstatus") or "no reason given")


def number(text: str | None) -> int:
    """Return a count of Pacemaker's, which calls endless INFINITY or 1000000."""
    return 1_000_000 if text == "INFINITY" else int(text or 0)


def is_switched_off(resource: ElementTree.Element) -> bool:
    """Tell whether a person has switched a resource off."""
    return resource.get("target_role", "").lower() in ("stopped", "slave", "unpromoted")
