"""The resources.

A function for each kind of alarm, which tells a line for each case of it.
"""

from collections.abc import Iterator

from operations.status.alarms.pacemaker import is_switched_off, number
from operations.status.facts import Facts
from operations.words import listed


def server_cannot_be_asked(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if node.cannot_ask:
            yield f"the server on {node.name} could not be asked how it is, and is left as it is ({node.cannot_ask})"


def resource_fails(facts: Facts) -> Iterator[str]:
    devices = facts.fence_device_ids
    resources = facts.everything("resources//resource")
    ignored = {resource.get("id") for resource in resources if resource.get("failure_ignored") == "true"}
    for node in sorted(facts.everything("node_history/node"), key=lambda node: node.get("name", "")):
        for history in node.findall("resource_history"):
            resource, count = history.get("id", "").partition(":")[0], number(history.get("fail-count"))
            if resource not in devices | ignored and count >= number(history.get("migration-threshold")) > 0:
                yield f"{resource} has failed on {node.get('name')}, and may not run there until the failure is cleared"
    for resource in resources:
        name, place = resource.get("id"), listed([node.get("name", "") for node in resource.findall("node")])
        if resource.get("blocked") == "true":
            yield f"{name} is blocked on {place}: it could not be stopped, and Pacemaker leaves it alone"
        elif resource.get("failed") == "true" and name not in devices | ignored:
            yield f"{name} has failed on {place}"
    # Where nobody serves, another alarm says so; and with a standby or a ban it is somebody's will.
    if facts.serving and not facts.everything("bans/ban"):
        yield from _stopped(facts)


def _stopped(facts: Facts) -> Iterator[str]:
    running = {(resource.name, resource.node) for resource in facts.resources}
    for clone in facts.everything("resources/clone"):
        # Of DRBD's, the kernel says more.
        names = {resource.get("id", "") for resource in clone.findall("resource")} - {"drbd-r0"}
        for name, node in sorted((name, node) for name in names for node in facts.able if (name, node) not in running):
            yield f"{name} does not run on {node}"
    for resource in [*facts.everything("resources/resource"), *facts.everything("resources/group/resource")]:
        is_off = resource.get("role") == "Stopped" and not resource.get("pending")
        if is_off and not is_switched_off(resource) and resource.get("id") not in facts.fence_device_ids:
            yield f"{resource.get('id')} runs nowhere"
