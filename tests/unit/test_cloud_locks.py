"""The lab cloud's locks, key vaults and disk encryption sets: what they refuse, and what they let through."""

from typing import Any

import pytest

from lab.cloud.tokens import SUBSCRIPTION, TENANT
from tests.support.cloud_bench import COMPUTE, GROUP, NETWORK, REGION, Bench, changed, disk, interface, machine

LOCKS = "providers/Microsoft.Authorization/locks"
DISK, VM = f"{COMPUTE}/disks/data1", f"{COMPUTE}/virtualMachines/vm1"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/keys-1"
KEY, SET = f"{VAULT}/keys/disks", f"{COMPUTE}/diskEncryptionSets/des"
ROLES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
READER, ENCRYPTION_USER = "acdd72a7-3385-48ef-bd42-f606fba81ae7", "e147488a-f6f5-4113-8e2d-b22465e65bf6"
LOCKED = "409 ScopeLocked"


def lock(level: str = "CanNotDelete", **properties: Any) -> dict[str, Any]:
    """Return a lock."""
    return {"properties": {"level": level, **properties}}


async def put(bench: Bench, path: str, body: Any) -> Any:
    """Make what answers at once and has no provisioning state."""
    status, answer, _ = await bench.ask("PUT", path, body)
    assert status in (200, 201), answer
    return answer


async def test_a_lock_is_made_shown_listed_and_deleted(bench: Bench) -> None:
    await bench.furnish()
    path = f"{DISK}/{LOCKS}/keep"
    made = await put(bench, path, lock(notes="Data"))
    assert made == {
        "id": path,
        "name": "keep",
        "type": "Microsoft.Authorization/locks",
        "properties": {"level": "CanNotDelete", "notes": "Data"},
    }
    assert await bench.get(path) == made
    assert (await bench.get(f"{GROUP}/{LOCKS}"))["value"] == [made]
    assert (await bench.ask("DELETE", path))[0] == 200
    assert (await bench.ask("DELETE", path))[0] == 204
    assert await bench.refused("GET", path) == "404 LockNotFound"
    assert await bench.refused("PUT", path, lock("Sometimes")) == "400 InvalidRequestContent"
    assert await bench.refused("PUT", path, lock(notes="x" * 513)) == "400 InvalidLockNotes"
    assert await bench.refused("PUT", path, lock(note="Data")) == "400 BadRequest"
    assert await bench.refused("PUT", f"{COMPUTE}/disks/none/{LOCKS}/keep", lock()) == "404 ResourceNotFound"


async def test_what_is_locked_is_not_deleted_and_all_else_goes_on(bench: Bench) -> None:
    await bench.furnish()
    await put(bench, f"{DISK}/{LOCKS}/keep", lock())
    assert await bench.refused("DELETE", DISK) == LOCKED
    # Never in part.
    assert await bench.refused("DELETE", GROUP) == LOCKED
    assert len((await bench.get(f"{GROUP}/providers/Microsoft.Compute/disks"))["value"]) >= 2
    # It can be changed, its machine switched, and made anew around it.
    await bench.put(DISK, changed(disk(), "properties/diskSizeGB", 8))
    for verb in ("powerOff", "start"):
        assert (await bench.ask("POST", f"{VM}/{verb}"))[0] == 200
    assert (await bench.ask("DELETE", VM))[0] == 200
    assert (await bench.get(DISK))["properties"]["diskState"] == "Unattached"
    await bench.put(VM, machine(1))
    assert (await bench.ask("DELETE", VM))[0] == 200
    # The lock goes with nothing but itself.
    assert (await bench.ask("DELETE", f"{DISK}/{LOCKS}/keep"))[0] == 200
    assert (await bench.ask("DELETE", DISK))[0] == 200


async def test_a_lock_holds_for_all_below_it(bench: Bench) -> None:
    await bench.furnish()
    principal = (await bench.get(VM))["identity"]["principalId"]
    grant = f"{VM}/providers/Microsoft.Authorization/roleAssignments/22222222-2222-4222-8222-222222222222"
    await put(bench, grant, {"properties": {"roleDefinitionId": f"{ROLES}/{READER}", "principalId": principal}})
    await put(bench, f"{GROUP}/{LOCKS}/all", lock())
    for path in (VM, DISK, f"{NETWORK}/virtualNetworks/vnet/subnets/snet", grant, GROUP):
        assert await bench.refused("DELETE", path) == LOCKED, path
    assert (await bench.ask("POST", f"{VM}/powerOff"))[0] == 200
    await bench.put(f"{COMPUTE}/disks/new", disk())


async def test_a_read_only_lock_stops_the_power_of_machines_too(bench: Bench) -> None:
    await bench.furnish()
    await put(bench, f"{GROUP}/{LOCKS}/all", lock("ReadOnly"))
    assert await bench.refused("POST", f"{VM}/powerOff") == LOCKED
    assert await bench.refused("PUT", DISK, disk()) == LOCKED
    assert await bench.refused("PATCH", DISK, {"tags": {}}) == LOCKED
    assert await bench.refused("DELETE", DISK) == LOCKED
    await bench.get(DISK)
    assert (await bench.ask("DELETE", f"{GROUP}/{LOCKS}/all"))[0] == 200
    await bench.put(DISK, disk())


def vault(**properties: Any) -> dict[str, Any]:
    """Return a vault that protects what is in it."""
    fixed = {"tenantId": TENANT, "sku": {"family": "A", "name": "standard"}}
    rights = {"enableRbacAuthorization": True, "enablePurgeProtection": True}
    return {"location": REGION, "properties": fixed | rights | properties}


def encryption_set(url: str) -> dict[str, Any]:
    """Return a disk encryption set."""
    properties = {"activeKey": {"keyUrl": url}, "encryptionType": "EncryptionAtRestWithCustomerKey"}
    return {"location": REGION, "identity": {"type": "SystemAssigned"}, "properties": properties}


async def make_set(bench: Bench, role: str = ENCRYPTION_USER) -> str:
    """Make vault, key and set, and give the set a role at the key; return the key's URL."""
    await bench.put(VAULT, vault())
    url = (await bench.put(KEY, {"properties": {"kty": "RSA"}}))["properties"]["keyUriWithVersion"]
    made = await bench.put(SET, encryption_set(url))
    right = f"{KEY}/providers/Microsoft.Authorization/roleAssignments/33333333-3333-4333-8333-333333333333"
    grant = {"roleDefinitionId": f"{ROLES}/{role}", "principalId": made["identity"]["principalId"]}
    await put(bench, right, {"properties": grant})
    return str(url)


def encrypted() -> dict[str, Any]:
    """Return a disk that the set encrypts."""
    wanted = {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": SET}
    return changed(disk(), "properties/encryption", wanted)


async def test_a_key_of_the_owners(bench: Bench) -> None:
    await bench.furnish()
    url = await make_set(bench)
    assert url.startswith("https://keys-1.vault.azure.net/keys/disks/")
    # A key that is there is shown, and stays.
    assert (await bench.put(KEY, {"properties": {"kty": "EC"}}))["properties"]["keyUriWithVersion"] == url
    principal = (await bench.get(SET))["identity"]["principalId"]
    assert (await bench.put(SET, encryption_set(url)))["identity"]["principalId"] == principal

    new = f"{COMPUTE}/disks/new"
    assert (await bench.put(new, encrypted()))["properties"]["encryption"]["diskEncryptionSetId"] == SET
    assert await bench.refused("DELETE", SET) == "409 OperationNotAllowed"
    # Not of a disk in use.
    assert await bench.refused("PUT", DISK, encrypted()) == "409 OperationNotAllowed"
    assert (await bench.ask("DELETE", VM))[0] == 200
    path = "properties/storageProfile/osDisk/managedDisk/diskEncryptionSet"
    await bench.put(VM, changed(machine(1), path, {"id": SET}))
    assert (await bench.get(f"{COMPUTE}/disks/os1"))["properties"]["encryption"]["diskEncryptionSetId"] == SET
    assert await bench.refused("PUT", VM, machine(1)) == "409 PropertyChangeNotAllowed"


async def test_a_set_without_the_right_encrypts_nothing(bench: Bench) -> None:
    await bench.furnish()
    await make_set(bench, READER)
    assert await bench.refused("PUT", f"{COMPUTE}/disks/new", encrypted()) == "400 KeyVaultAccessForbidden"
    gone = changed(encrypted(), "properties/encryption/diskEncryptionSetId", f"{SET}2")
    assert await bench.refused("PUT", f"{COMPUTE}/disks/new", gone) == "400 InvalidResourceReference"


async def test_a_wrong_key_or_vault_is_refused(bench: Bench) -> None:
    await bench.furnish()
    url = await make_set(bench)
    other = f"{COMPUTE}/diskEncryptionSets/other"
    without_version = url.rpartition("/")[0]
    assert await bench.refused("PUT", other, encryption_set(without_version)) == "400 InvalidParameter"
    away = changed(encryption_set(url), "location", "northeurope")
    assert await bench.refused("PUT", other, away) == "400 KeyVaultAndDiskInDifferentRegions"
    open_vault = changed(vault(), "properties/enablePurgeProtection", None)
    await bench.put(f"{VAULT}x", open_vault)
    key = (await bench.put(f"{VAULT}x/keys/disks", {"properties": {"kty": "RSA"}}))["properties"]
    assert await bench.refused("PUT", other, encryption_set(key["keyUriWithVersion"])) == "400 LabVaultNotProtected"
    key = (await bench.put(f"{VAULT}/keys/curve", {"properties": {"kty": "EC"}}))["properties"]
    assert await bench.refused("PUT", other, encryption_set(key["keyUriWithVersion"])) == "400 LabKeyNotRsa"
    off = changed(vault(), "properties/enablePurgeProtection", False)
    assert await bench.refused("PUT", VAULT, off) == "400 BadRequest"
    elsewhere = VAULT.replace("/rg/", "/rg2/")
    await put(bench, GROUP + "2", {"location": REGION})
    assert await bench.refused("PUT", elsewhere, vault()) == "409 VaultAlreadyExists"


@pytest.mark.parametrize(
    ("properties", "allowed"),
    [
        ({"networkAcls": {"defaultAction": "Deny", "bypass": "None"}}, False),
        ({"publicNetworkAccess": "Disabled"}, False),
        ({"enableRbacAuthorization": False}, False),
        (
            {"publicNetworkAccess": "Disabled", "networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices"}},
            True,
        ),
        ({"networkAcls": {"defaultAction": "Allow", "bypass": "None"}}, True),
    ],
)
async def test_a_vault_that_azures_services_do_not_reach(bench: Bench, properties: Any, allowed: bool) -> None:
    await bench.furnish()
    await make_set(bench)
    await bench.put(VAULT, vault(**properties))
    if allowed:
        await bench.put(f"{COMPUTE}/disks/new", encrypted())
    else:
        assert await bench.refused("PUT", f"{COMPUTE}/disks/new", encrypted()) == "400 KeyVaultAccessForbidden"


@pytest.mark.parametrize(("size", "allowed"), [("Standard_B2s", False), ("Standard_D2s_v5", True)])
async def test_accelerated_networking(bench: Bench, size: str, allowed: bool) -> None:
    await bench.furnish()
    assert (await bench.ask("DELETE", VM))[0] == 200
    nic = changed(interface(1), "properties/enableAcceleratedNetworking", True)
    await bench.put(f"{NETWORK}/networkInterfaces/nic1", nic)
    body = changed(machine(1), "properties/hardwareProfile/vmSize", size)
    if allowed:
        await bench.put(VM, body)
    else:
        assert await bench.refused("PUT", VM, body) == "400 VMSizeIsNotPermittedToEnableAcceleratedNetworking"
