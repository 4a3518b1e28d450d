"""Does a lock forbid what the update would do?"""

from collections.abc import Iterator

from operations.check.answer import Answer
from operations.check.asked import Asked


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for each lock that is in the way, or that there is none."""
    path = f"{asked.azure.subscription}/providers/Microsoft.Authorization/locks"
    own = {change.id.lower() for change in asked.plan.changes if "Lock" in change.type and change.deleted}
    in_the_way = False
    for lock in asked.azure.get(path, "2020-05-01")["value"]:
        scope = lock["id"].lower().partition("/providers/microsoft.authorization/locks/")[0]
        level = lock["properties"]["level"]
        stopped = [
            change.name
            for change in asked.plan.changes
            if (change.deleted or (change.written and level == "ReadOnly"))
            and _covers(scope, change.id or asked.group)
            and lock["id"].lower() not in own
        ]
        if stopped:
            in_the_way = True
            what = ", ".join(stopped[:3]) + (f" and {len(stopped) - 3} more" if len(stopped) > 3 else "")
            yield Answer("no", lock["name"], f"{level} at {scope} blocks the change of {what}: remove the lock first")
    if not in_the_way:
        yield Answer("yes", asked.plan.group, "no lock is in the way")


def _covers(outer: str, inner: str) -> bool:
    return f"{inner.lower()}/".startswith(f"{outer.rstrip('/')}/")
