"""Is the subscription registered for what is to be made?"""

from collections.abc import Iterator

from operations.check.answer import Answer
from operations.check.asked import Asked

# Where Azure's name is not that of Pulumi's module.
_NAMESPACES = {"monitor": "insights", "privatedns": "network"}


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for each provider. Pulumi registers none, and an empty subscription has hardly any."""
    listed = asked.azure.get(f"{asked.azure.subscription}/providers", "2021-04-01")["value"]
    known = {each["namespace"].lower(): each for each in listed}
    modules = {change.module for change in asked.plan.changes if change.new is not None}
    for namespace in sorted({f"microsoft.{_NAMESPACES.get(module, module).lower()}" for module in modules}):
        found = known.get(namespace, {})
        name = found.get("namespace", namespace)
        state = found.get("registrationState", "NotRegistered")
        match state:
            case "Registered":
                yield Answer("yes", name, "registered")
            case "Registering":
                yield Answer("no", name, "is being registered: wait a few minutes")
            case _:
                yield Answer("no", name, f"{state}: az provider register --wait --namespace {name}")
