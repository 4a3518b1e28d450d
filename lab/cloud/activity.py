"""Who has switched which machine, and when: what Azure has in its Activity Log."""

from lab.cloud.inventory import Inventory
from lab.cloud.model import Json
from lab.cloud.resource_id import parse
from lab.cloud.tokens import OBJECT_ID

_OTHER_VERBS = ("write", "delete")


def power_actions(inventory: Inventory) -> list[Json]:
    """Return the power actions that are remembered, oldest first, in the form of `client.PowerAction`."""
    return [
        {
            "action": operation.verb,
            "machine": parse(operation.resource).name,
            "caller": _name(inventory, operation.caller),
            "began": operation.began_at,
            "ended": operation.ended_at,
            "status": operation.status,
        }
        for operation in inventory.store.operations()
        if operation.verb not in _OTHER_VERBS
    ]


def _name(inventory: Inventory, caller: str) -> str:
    if caller in ("", OBJECT_ID):
        return "engine" if caller else "platform"
    machine = inventory.machine_of_principal(caller)
    return machine.name if machine is not None else caller
