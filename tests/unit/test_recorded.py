"""What Pulumi has recorded of a stack, also in the moment in which it records it."""

from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from components.settings import losses, recorded

URN = "urn:pulumi:lab::azure-mysql-ha::"
OUTPUTS: dict[str, Any] = {
    f"{URN}nodes$azure-native:compute:VirtualMachine::nodes-1": {
        "type": "azure-native:compute:VirtualMachine",
        "outputs": {"hardwareProfile": {"vmSize": "Standard_B2s_v2"}},
    },
    f"{URN}nodes$azure-native:compute:Disk::nodes-1-data": {
        "type": "azure-native:compute:Disk",
        "outputs": {
            "name": "disk-nodes-1-data",
            "diskSizeGB": 4.0,
            "location": "westeurope",
            "zones": ["2"],
            "sku": {"name": "Premium_LRS"},
            "timeCreated": "2026-01-31T12:59:59.1234567+00:00",
        },
    },
    f"{URN}endpoint$azure-native:network:LoadBalancer::balancer": {
        "type": "azure-native:network:LoadBalancer",
        "outputs": {"frontendIPConfigurations": [{"id": "/subscriptions/1/resourceGroups/Data/providers/x"}]},
    },
    f"{URN}access$command:remote:Command::nodes-1-endpoint": {"type": "command:remote:Command", "outputs": {}},
}


def answer(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any] | Exception) -> list[dict[str, str]]:
    """Have the engine answer so, one after the other; the last again and again. Return what it is asked."""
    asked: list[dict[str, str]] = []

    def invoke(token: str, arguments: dict[str, str]) -> SimpleNamespace:
        assert token == "pulumi:pulumi:readStackResourceOutputs"
        asked.append(arguments)
        found = answers[min(len(asked), len(answers)) - 1]
        if isinstance(found, Exception):
            raise found
        return SimpleNamespace(value={"outputs": found})

    monkeypatch.setattr(pulumi.runtime, "invoke", invoke)
    monkeypatch.setattr(pulumi, "get_organization", lambda: "organization")
    monkeypatch.setattr(pulumi, "get_project", lambda: "azure-mysql-ha")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "lab")
    monkeypatch.setattr(recorded, "_TRY_AGAIN_SECONDS", 0)
    return asked


def test_machines_and_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, OUTPUTS)
    found = recorded.read()
    assert found.machines == {"nodes-1"}
    assert found.sizes == {"nodes-1": "Standard_B2s_v2"}
    assert found.data_disks == {
        "nodes-1-data": recorded.DataDisk(
            "disk-nodes-1-data", 4, "westeurope", "2", "2026-01-31T12:59:59", "Premium_LRS"
        )
    }
    assert found.azure == {
        ("compute:VirtualMachine", "nodes-1"),
        ("compute:Disk", "nodes-1-data"),
        ("network:LoadBalancer", "balancer"),
    }
    assert asked == [{"stackName": "organization/azure-mysql-ha/lab"}]


def test_the_backup_that_a_cluster_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, OUTPUTS)
    assert recorded.read().restored is None
    restore = {"type": recorded.RESTORE, "outputs": {"source": "/an/account", "to": "latest"}}
    answer(monkeypatch, OUTPUTS | {f"{URN}{recorded.RESTORE}::restore": restore})
    found = recorded.read()
    assert found.restored == recorded.Restored("/an/account", "latest")
    assert not any("Restore" in kind for kind, _ in found.azure)
    assert not found.has_data


def test_the_storage_account_of_its_backups(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, OUTPUTS)
    assert recorded.read().storage_account is None
    account = {"type": "azure-native:storage:StorageAccount", "outputs": {"name": "stmade"}}
    answer(monkeypatch, OUTPUTS | {f"{URN}backup$azure-native:storage:StorageAccount::backup-account": account})
    assert recorded.read().storage_account == "stmade"


def test_the_further_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update from before there were any has told of none."""
    outputs: dict[str, Any] = {"database": {"name": "app", "user": "app"}}
    stack = {f"{URN}pulumi:pulumi:Stack::azure-mysql-ha-lab": {"type": "pulumi:pulumi:Stack", "outputs": outputs}}
    answer(monkeypatch, stack)
    assert recorded.read() == recorded.Recorded()
    outputs["database"]["accounts"] = {"reports": {"database": "app", "rights": "readOnly"}}
    answer(monkeypatch, stack)
    assert recorded.read() == recorded.Recorded(accounts=frozenset({"reports"}))


def test_an_account_that_goes_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", told.append)
    monkeypatch.setattr(pulumi.runtime, "register_stack_transformation", told.count)
    losses.tell(recorded.Recorded(accounts=frozenset({"reports", "loader", "shop"})), (), ("shop", "loader"))
    assert told == ["this update drops the database account reports, which is no longer in databaseAccounts"]


def test_data_is_there_when_the_script_that_makes_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    script: dict[str, Any] = {"type": "command:remote:Command", "outputs": {}}
    answer(monkeypatch, OUTPUTS | {f"{URN}server$command:remote:Command::server-data-directory": script})
    assert recorded.read().has_data


def test_the_resource_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there already is not in the record, but in the ids of what is."""
    answer(monkeypatch, OUTPUTS)
    found = recorded.read()
    assert (found.resource_group, found.own_group) == ("Data", False)
    group = {"type": "azure-native:resources:ResourceGroup", "outputs": {"name": "rg-nodes"}}
    answer(monkeypatch, OUTPUTS | {f"{URN}azure-native:resources:ResourceGroup::group": group})
    found = recorded.read()
    assert (found.resource_group, found.own_group) == ("rg-nodes", True)


def test_new_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {})
    assert recorded.read() == recorded.Recorded()


def test_record_being_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    being_saved = Exception("an error: failed to load checkpoint: EOF")
    asked = answer(monkeypatch, being_saved, being_saved, OUTPUTS)
    assert recorded.read().machines == {"nodes-1"}
    assert len(asked) == 3


@pytest.mark.parametrize("why", ["failed to load checkpoint: EOF", "no such stack"])
def test_no_record(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    answer(monkeypatch, Exception(why))
    with pytest.raises(Exception, match=why):
        recorded.read()
