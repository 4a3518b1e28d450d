"""The file systems.

A function for each kind of alarm, which tells a line for each case of it.
"""

from collections.abc import Iterator
from datetime import datetime

from components.places import MOUNT_POINT
from operations.status.facts import Facts, FileSystem

FULL_PERCENT = 90
"""From where on somebody should see to a file system: a server that has no byte left may not start again."""

# Each node notes a time of its own for the same change, when it comes to it.
_SAVED_WITHIN_SECONDS = 30


def data_full(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        for each in node.file_systems:
            if each.place == MOUNT_POINT:
                yield from _full(f"the database's file system on {node.name}", each)


def system_full(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        for each in node.file_systems:
            # Others are read-only by nature.
            if each.place == "/" or (each.place != MOUNT_POINT and not each.read_only):
                yield from _full(f"the file system {each.place} on {node.name}", each)


def cib_not_saved(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        changed = None if node.crm_mon is None else node.crm_mon.find("summary/last_change")
        if changed is not None and _seconds_from(node.saved, changed.get("time", "")) > _SAVED_WITHIN_SECONDS:
            yield (
                f"Pacemaker on {node.name} has stopped saving the cluster's configuration: the copy on its disk is from"
                f" {node.saved}"
            )


def _seconds_from(before: str, after: str) -> float:
    """Return the seconds between two times as Pacemaker writes them; 0 where it writes otherwise."""
    try:
        begin, end = (datetime.strptime(time, "%a %b %d %H:%M:%S %Y") for time in (before, after))
    except ValueError:
        return 0
    return (end - begin).total_seconds()


def _full(what: str, each: FileSystem) -> Iterator[str]:
    if each.read_only:
        yield f"{what} is read-only"
    elif each.percent >= FULL_PERCENT:
        yield f"{what} is {each.percent} % full"
    elif each.inodes_percent >= FULL_PERCENT:
        yield f"{what} has {each.inodes_percent} % of its inodes in use: soon no new file can be created"
