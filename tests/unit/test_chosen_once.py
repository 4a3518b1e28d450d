"""What is chosen when a cluster is made: another value is refused at preview, before Azure refuses it half-way."""

import dataclasses
from typing import Any

import pytest

from components.settings.load import SettingsError, load
from components.settings.recorded import Balancer, DataDisk, Interface, Recorded
from tests.support.stack_configuration import throw_away_secrets, use

DEV = {"adminCidrs": ["198.51.100.0/24"], "clientCidrs": ["198.51.100.0/24"]}
ZONES = {"availabilitySet": False, "zones": ["1", "2"]}
KEY = {
    "diskEncryptionKeyUrl": "https://keys-1.vault.azure.net/keys/disks/0123456789abcdef0123456789abcdef",
    "diskEncryptionKeyVaultId": "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/keys"
    "/providers/Microsoft.KeyVault/vaults/keys-1",
}


def refused(before: Recorded, **changes: Any) -> list[str]:
    """Return what is told of changes to a stack that is there."""
    try:
        load(use(throw_away_secrets() | DEV | changes), before=before)
    except SettingsError as error:
        return [line.removeprefix("azure-mysql-ha:") for line in error.mistakes]
    return []


NETWORKS = f"/subscriptions/{'1' * 8}-1111-1111-1111-{'1' * 12}/resourceGroups/net/providers/Microsoft.Network"
OWN_SUBNET = f"{NETWORKS}/virtualNetworks/vnet-mysql/subnets/snet-mysql"
OTHER_SUBNET = f"{NETWORKS}/virtualNetworks/vnet-company/subnets/databases"


def standing(**properties: Any) -> Recorded:
    """Return the record of a cluster with the default settings, whose machines are there.

    Args:
        properties: what is otherwise.
    """
    machines = ("mysql-1", "mysql-2")
    usual = Recorded(
        azure=frozenset(("compute:VirtualMachine", name) for name in machines),
        data_disks={
            f"{name}-data": DataDisk(f"disk-{name}-data", 64, "westeurope", None, "2026-01-01T00:00:00")
            for name in machines
        },
        admin_users=dict.fromkeys(machines, "azureuser"),
        interfaces={f"mysql-{node}-interface": Interface(f"10.32.0.{node + 3}", OWN_SUBNET) for node in (1, 2)},
        balancer=Balancer(is_public=True, leads_to_ssh=True),
        resource_group="rg-mysql",
        own_group=True,
        has_data=True,
    )
    return dataclasses.replace(usual, **properties)


BY_A_KEY = frozenset({("compute:VirtualMachine", "mysql-1"), ("compute:DiskEncryptionSet", "encryption-set")})
END = ", and Azure does not change that on machines that exist: set it back, or make another stack"

# What was there otherwise, what is changed, and what is told.
CHOSEN_ONCE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {},
        ZONES | {"zones": ["1"]},
        "zones: mysql-1 would be in zone 1, but disk-mysql-1-data is in no zone",
    ),
    ({}, {"adminUser": "dba"}, "adminUser: is dba, but mysql-1 has azureuser"),
    ({}, {"endpoint": "internal"}, "endpoint: is internal, but the endpoint is public"),
    (
        {"balancer": Balancer(is_public=False, leads_to_ssh=True)},
        {},
        "endpoint: is public, but the endpoint is internal",
    ),
    (
        {},
        {"sshAccess": "node-addresses"},
        "sshAccess: is node-addresses, but the machines are reached by nat-rules",
    ),
    (
        {"balancer": Balancer(is_public=True, leads_to_ssh=False)},
        {},
        "sshAccess: is nat-rules, but the machines are reached by node-addresses",
    ),
    ({}, {"subnet": "10.32.1.0/24"}, "subnet: mysql-1 would be 10.32.1.4, but it is 10.32.0.4"),
    (
        {},
        {"nodeAddresses": ["10.32.0.4", "10.32.0.9"]},
        "nodeAddresses: mysql-2 would be 10.32.0.9, but it is 10.32.0.5",
    ),
    ({}, {"existingSubnetId": OTHER_SUBNET}, f"existingSubnetId: is another subnet, but mysql-1 is in {OWN_SUBNET}"),
    (
        {"interfaces": {"mysql-1-interface": Interface("10.32.0.4", OTHER_SUBNET)}},
        {},
        f"existingSubnetId: is empty, but mysql-1 is in {OTHER_SUBNET}",
    ),
    ({}, KEY, "diskEncryptionKeyUrl: is set, but the disks are encrypted by Azure's own keys"),
    ({"azure": BY_A_KEY}, {}, "diskEncryptionKeyUrl: is empty, but the disks are encrypted by a key"),
]


@pytest.mark.parametrize(
    ("there", "changes", "told"),
    CHOSEN_ONCE,
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_what_is_chosen_when_the_cluster_is_made(there: dict[str, Any], changes: dict[str, Any], told: str) -> None:
    assert refused(standing(**there), **changes) == [told + END]
    # Without machines it can still be chosen, but for a disk's zone.
    if "zones" not in changes:
        assert not refused(dataclasses.replace(standing(**there), azure=frozenset()), **changes)
    [before_data] = refused(standing(**there, has_data=False), **changes)
    assert before_data.endswith("set it back, or run pulumi destroy first, since this stack has no data yet")


def test_what_is_as_it_was_is_taken() -> None:
    assert not refused(standing())
    assert not refused(standing(balancer=None, interfaces={}, admin_users={}))
    assert not refused(standing(azure=BY_A_KEY), **KEY)
    other = {f"mysql-{node}-interface": Interface(f"10.32.0.{node + 3}", OTHER_SUBNET.upper()) for node in (1, 2)}
    assert not refused(standing(interfaces=other), existingSubnetId=OTHER_SUBNET)
    # With other names there are other machines, which is told by what it deletes.
    [told] = refused(standing(), clusterName="shop", adminUser="dba", protectData=False)
    assert told.startswith("clusterName: would delete ")
