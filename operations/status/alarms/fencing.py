"""Whether a node that fails will be fenced.

A function for each kind of alarm, which tells a line for each case of it.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from operations.status.alarms.pacemaker import failures_in, reason, resource_of, works_since
from operations.status.facts import Facts, has_quorum
from operations.words import because


def fencing_fails(facts: Facts) -> Iterator[str]:
    latest: dict[str, ElementTree.Element] = {}
    for event in facts.everything("fence_history/fence_event"):  # the newest first
        latest.setdefault(event.get("target", ""), event)
    for target, event in sorted(latest.items()):
        if not facts.is_in(target) and event.get("status") != "success":
            yield (
                f"fencing of {target} is {event.get('status')}{because(event.get('exit-reason'))}: until it is fenced,"
                " nobody takes over what it served"
            )


def fence_device_fails(facts: Facts) -> Iterator[str]:
    failed = [
        failure
        for failure in failures_in(facts)
        if resource_of(failure) in facts.fence_device_ids and not works_since(facts, failure)
    ]
    for failure in failed:
        place = f"{failure.get('node')} ({reason(failure)})"
        yield f"the fence device has failed on {place}: a node that fails may not be fenced"
    if not failed and facts.fencing.startswith("NOT") and any(has_quorum(view) for view in facts.views):
        yield "no fence device is started: a node that fails is not fenced, so nobody takes over from it"


def watchdog_is_off(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if facts.counts_on_watchdogs and node.reached and not node.watchdog and facts.is_in(node.name):
            yield (
                f"the watchdog of {node.name} is not armed (sbd does not run), though the other node counts on it:"
                " while Azure's API cannot be reached, it would count as fenced and still be up"
            )


def writes_blocked(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if node.drbd and node.drbd.suspended:
            yield f"writes on {node.name} are blocked until the other node has been fenced or is back"
