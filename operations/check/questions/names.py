"""Are the names free that the update gives?"""

from collections.abc import Iterator

from operations.arm import Refusal, section
from operations.check import private_names
from operations.check.answer import Answer
from operations.check.asked import Asked
from operations.check.questions.rights import arm_type
from operations.plan import Change


def ask(asked: Asked) -> Iterator[Answer]:
    """Answer for the group and what is in it, for domain names, and for names that are one in a region or in Azure."""
    yield from _group(asked)
    yield from private_names.answers(asked)
    for address in asked.plan.of("network:PublicIPAddress"):
        label = section(address.wanted, "dnsSettings").get("domainNameLabel")
        if label and label != section(address.old or {}, "dnsSettings").get("domainNameLabel"):
            path = asked.in_region("Microsoft.Network", "CheckDnsNameAvailability")
            free = asked.azure.get(path, "2024-05-01", {"domainNameLabel": label})["available"]
            name = f"{label}.{asked.plan.location}.cloudapp.azure.com"
            yield Answer("yes", name, "free") if free else Answer("no", name, "taken: set dnsLabel to another")
    for vault in asked.plan.of("keyvault:Vault"):
        if vault.created:
            taken = _taken(asked, vault, "Microsoft.KeyVault", "vaults", "2023-07-01")
            yield _answer(vault, taken, taken or "taken: choose another name")
    for account in asked.plan.of("storage:StorageAccount"):
        if account.created:
            taken = _taken(asked, account, "Microsoft.Storage", "storageAccounts", "2024-01-01")
            yield _answer(account, taken, f"{taken or 'taken'} Set backupStorageAccount to another.")


def _taken(asked: Asked, change: Change, provider: str, kind: str, version: str) -> str | None:
    """Return what Azure says of a name that somebody in the world has; None if it is free."""
    path = f"{asked.azure.subscription}/providers/{provider}/checkNameAvailability"
    found = asked.azure.post(path, version, {"name": change.own_name, "type": f"{provider}/{kind}"})
    return None if found["nameAvailable"] else str(found.get("message") or "")


def _answer(change: Change, taken: str | None, refusal: str) -> Answer:
    return Answer("yes", change.own_name, "free") if taken is None else Answer("no", change.own_name, refusal)


def _group(asked: Asked) -> Iterator[Answer]:
    try:
        asked.azure.get(asked.group, "2021-04-01")
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        if asked.plan.makes_group:
            yield Answer("yes", asked.plan.group, "free")
        else:
            yield Answer("no", asked.plan.group, "does not exist")
        return
    if asked.plan.makes_group:
        yield Answer(
            "no", asked.plan.group,
            "a group of that name exists, but not in this stack: delete it, or choose another clusterName",
        )  # fmt: skip
        return
    there = asked.azure.get(f"{asked.group}/resources", "2021-04-01")["value"]
    taken = {(each["type"].lower(), each["name"].lower()) for each in there}
    made = [change for change in asked.plan.changes if change.created and change.own_name]
    clashes = [c.own_name for c in made if (arm_type(c).lower(), c.own_name.lower()) in taken]
    for name in sorted(clashes):
        yield Answer("no", name, f"exists in {asked.plan.group}, but not in this stack")
    if not clashes:
        yield Answer("yes", asked.plan.group, f"has none of {len(made)} names" if made else "all is in this stack")
