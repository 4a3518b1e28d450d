"""Which resource providers the subscription may use: in Azure an empty one has none but Resource Manager's own."""

from lab.cloud import resources
from lab.cloud.errors import ArmError, conflict
from lab.cloud.resource_id import ResourceId
from lab.cloud.state import Store

_FACT = "registered_providers"

# Free of registration in every subscription (learn.microsoft.com, "Azure resource providers and types").
_ALWAYS = ("Microsoft.Authorization", "Microsoft.Resources")

PROVIDERS = tuple(sorted({kind.type.partition("/")[0] for kind in resources.ALL}))
"""Namespaces that the lab cloud knows, in Azure's spelling."""


def registered(store: Store) -> list[str]:
    """Return the namespaces that the subscription is registered for, sorted."""
    return sorted({*_ALWAYS, *store.facts.get(_FACT, ())})


def spelled(namespace: str) -> str:
    """Return a namespace in Azure's spelling.

    Raises:
        ArmError: the lab cloud knows none of that name (404, InvalidResourceNamespace).
    """
    found = next((one for one in PROVIDERS if one.lower() == namespace.lower()), None)
    if found is None:
        raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
    return found


def register(store: Store, *namespaces: str) -> None:
    """Register the subscription for some namespaces; in Azure this takes minutes, and here it is done at once."""
    store.facts[_FACT] = sorted({*registered(store), *map(spelled, namespaces)})
    store.save()


def unregister(store: Store, namespace: str) -> None:
    """Take back a registration; what there is of the provider stays."""
    store.facts[_FACT] = [one for one in registered(store) if one != spelled(namespace)]
    store.save()


def set_up(store: Store) -> None:
    """Let a new lab's subscription be like one in which somebody has registered all providers."""
    if _FACT not in store.facts:
        register(store, *PROVIDERS)


def check(store: Store, target: ResourceId) -> None:
    """Refuse to make a resource of a provider that the subscription is not registered for.

    Raises:
        ArmError: 409, MissingSubscriptionRegistration.
    """
    if target.namespace.lower() not in map(str.lower, registered(store)):
        raise conflict(
            "MissingSubscriptionRegistration",
            f"The subscription is not registered to use namespace '{target.namespace}'. See "
            "https://aka.ms/rps-not-found for how to register subscriptions.",
        )
