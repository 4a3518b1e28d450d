"""How long an assignment is tried again, and for which of Azure's refusals."""

import asyncio
from collections.abc import Awaitable, Callable

import pulumi
import pytest

from components.azure import data_disk, machine, propagation, role
from tests.support.recording import EXISTING, record_anew

ENCRYPTED = {key: EXISTING[key] for key in ("diskEncryptionKeyUrl", "diskEncryptionKeyVaultId")}

NOT_YET = 'Status=400 Code="RoleDefinitionDoesNotExist" Message="The specified role definition ... does not exist."'


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told; nobody waits."""
    lines: list[str] = []
    monkeypatch.setattr(pulumi, "warn", lines.append)
    monkeypatch.setattr(propagation, "_PAUSE_SECONDS", 0)
    return lines


def again(monkeypatch: pytest.MonkeyPatch, *errors: str, operation: str = "create") -> bool:
    """Tell whether a resource is made again after some errors, the newest first."""

    def hook(name: str, function: Callable[[pulumi.ErrorHookArgs], Awaitable[bool]]) -> object:
        return function

    monkeypatch.setattr(pulumi, "ErrorHook", hook)
    hooks = propagation.asked_again("a").on_error
    assert hooks
    answer = hooks[0](pulumi.ErrorHookArgs("urn", "", "a", "type", failed_operation=operation, errors=list(errors)))
    assert not isinstance(answer, bool)

    async def wait() -> bool:
        return await answer

    return asyncio.run(wait())


def test_what_is_not_known_yet_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    assert again(monkeypatch, NOT_YET)
    assert again(monkeypatch, "PrincipalNotFound", NOT_YET)
    assert told == [
        "a: Azure has not yet spread the new role, identity or right (RoleDefinitionDoesNotExist); retrying for 10"
        " minutes"
    ]


def test_a_right_to_a_key_is_waited_for_by_new_disks_alone(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    error = 'Code="KeyVaultAccessForbidden" Message="Unable to access key vault resource ... to enable encryption"'
    assert again(monkeypatch, error)
    assert not again(monkeypatch, error, operation="update")
    assert [line.partition(";")[0].rpartition(" ")[2] for line in told] == ["(KeyVaultAccessForbidden)"]


@pytest.mark.parametrize(
    ("changes", "waiting"),
    [
        ({}, set[str]()),
        (ENCRYPTED, {"mysql-dev-1", "mysql-dev-1-data", "mysql-dev-2", "mysql-dev-2-data", "encryption-uses-the-key"}),
    ],
)
def test_what_waits(changes: dict[str, str], waiting: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set[str]()
    bound = propagation.asked_again

    def asked_again(name: str) -> pulumi.ResourceHookBinding:
        asked.add(name)
        return bound(name)

    for module in (data_disk, machine, role):
        monkeypatch.setattr(module, "asked_again", asked_again)
    record_anew("dev", {"fencing": "off", **changes})
    assert asked == waiting


@pytest.mark.parametrize("errors", [["AuthorizationFailed"], ["RoleAssignmentExists", NOT_YET]])
def test_another_refusal_is_an_error(errors: list[str], monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    assert not again(monkeypatch, *errors)
    assert told == []


@pytest.mark.parametrize(("tries", "expected"), [(6, True), (7, False)])
def test_it_ends(tries: int, *, expected: bool, monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    monkeypatch.setattr(propagation, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(propagation, "_SECONDS", 0.06)
    assert again(monkeypatch, *[NOT_YET] * tries) == expected
