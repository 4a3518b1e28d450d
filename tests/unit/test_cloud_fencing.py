"""The lab cloud's side of fencing: roles, identities, who may do what, announced events, an API out of reach."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncGenerator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from aiohttp.test_utils import TestServer

from lab.cloud import client, control, known_versions, roles
from lab.cloud.faults import Faults
from lab.cloud.imds import MetadataService
from lab.cloud.inventory import MACHINE
from lab.cloud.machines import Definition
from lab.cloud.resource_id import parse
from lab.cloud.scheduled_events import ScheduledEvents
from lab.cloud.state import Store
from lab.cloud.tokens import OBJECT_ID, SUBSCRIPTION, identity_of_machine
from lab.paths import LabPaths
from tests.support import cloud_bench
from tests.support.cloud_bench import COMPUTE, GROUP, NETWORK, Bench, changed, machine

ROLE_GUID, GRANT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-{:012}"
SUB = f"/subscriptions/{SUBSCRIPTION}"
AUTHORIZATION = "providers/Microsoft.Authorization"
ROLE = f"{SUB}/{AUTHORIZATION}/roleDefinitions/{ROLE_GUID}"
VM1, VM2 = f"{COMPUTE}/virtualMachines/vm1", f"{COMPUTE}/virtualMachines/vm2"
READER = f"{SUB}/{AUTHORIZATION}/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
NOBODY = "99999999-9999-4999-8999-999999999999"


def role(**properties: Any) -> dict[str, Any]:
    """Return the fence agent's role."""
    actions = ["read", "powerOff/action", "start/action"]
    return {
        "properties": {
            "roleName": "Fence agent",
            "type": "CustomRole",
            "description": "Powers machines off and on",
            "assignableScopes": [GROUP],
            "permissions": [{"actions": [f"{MACHINE}/{action}" for action in actions]}],
            **properties,
        }
    }


def grant(principal: str, **properties: Any) -> dict[str, Any]:
    """Return an assignment of that role."""
    return {
        "properties": {
            "roleDefinitionId": ROLE,
            "principalId": principal,
            "principalType": "ServicePrincipal",
            **properties,
        }
    }


def assignment(scope: str, number: int = 1) -> str:
    """Return the path of an assignment at a scope."""
    return f"{scope}/{AUTHORIZATION}/roleAssignments/{GRANT.format(number)}"


async def principal_of(bench: Bench, path: str) -> str:
    """Return the object id of a machine's identity."""
    return str((await bench.get(path))["identity"]["principalId"])


async def token_of(bench: Bench, path: str) -> str:
    """Return a token of a machine's identity."""
    return bench.tokens.issue(identity_of_machine(await principal_of(bench, path)))


async def equip(bench: Bench) -> str:
    """Make everything and the role, give vm1 the role at vm2, and return vm1's token."""
    await bench.furnish()
    assert (await bench.ask("PUT", ROLE, role()))[0] == 201
    status, answer, _ = await bench.ask("PUT", assignment(VM2), grant(await principal_of(bench, VM1)))
    assert status == 201, answer
    return await token_of(bench, VM1)


# --- what a role grants


@pytest.mark.parametrize(
    ("pattern", "operation", "expected"),
    [
        ("*", "Microsoft.Compute/virtualMachines/read", True),
        ("*/read", "Microsoft.Compute/virtualMachines/read", True),
        ("Microsoft.Compute/*/read", "microsoft.compute/virtualmachines/instanceView/READ", True),
        ("Microsoft.Compute/*/read", "Microsoft.Compute/virtualMachines/start/action", False),
        ("Microsoft.Compute/*/read", "Microsoft.Network/virtualNetworks/read", False),
        ("Microsoft.Compute/virtualMachines/*", "Microsoft.Compute/virtualMachines/powerOff/action", True),
        ("Microsoft.Compute/virtualMachines/read", "MicrosoftXCompute/virtualMachines/read", False),
        ("Microsoft.Compute/virtualMachines/read", "Microsoft.Compute/virtualMachines/read/x", False),
    ],
)
def test_wildcards(pattern: str, operation: str, expected: bool) -> None:
    assert roles.matches(pattern, operation) is expected


def test_permissions_and_scopes() -> None:
    contributor = roles.BUILT_IN["b24988ac-6180-42a0-ab88-20f7382dd24c"].properties["permissions"]
    assert roles.permits(contributor, "Microsoft.Compute/virtualMachines/write")
    assert not roles.permits(contributor, "Microsoft.Authorization/roleAssignments/write")
    # What one permission takes away, another can give.
    more = [*contributor, {"actions": ["Microsoft.Authorization/roleAssignments/write"]}]
    assert roles.permits(more, "Microsoft.Authorization/roleAssignments/write")
    assert roles.covers("/", VM1)
    assert roles.covers(GROUP.upper(), VM1)
    assert not roles.covers(VM1, f"{VM1}0")
    assert not roles.covers(VM1, GROUP)


def test_paths_of_extensions() -> None:
    found = parse(assignment(VM1))
    assert (found.group, found.type, found.name) == (
        "rg",
        "Microsoft.Authorization/roleAssignments",
        GRANT.format(1),
    )
    assert (found.scope, str(found)) == (VM1, assignment(VM1))
    assert parse(f"{VM1}/{AUTHORIZATION}/roleAssignments").is_collection
    assert (parse(assignment(GROUP)).scope, parse(assignment(SUB)).scope) == (GROUP, SUB)
    assert parse(f"{assignment(VM1)}").parent.scope == VM1


# --- roles and assignments as resources


async def test_roles_are_made_shown_listed_and_kept(tmp_path: Path) -> None:
    async with cloud_bench.running(tmp_path, keeps_state=True) as bench:
        await equip(bench)
        made = await bench.get(ROLE)
        assert (made["id"], made["name"], made["type"]) == (
            ROLE,
            ROLE_GUID,
            "Microsoft.Authorization/roleDefinitions",
        )
        assert made["properties"]["permissions"][0]["notActions"] == []
        assert made["properties"]["createdBy"] == OBJECT_ID
        assert (await bench.ask("PUT", ROLE, role(description="Another")))[0] == 200
        # The same role, asked for at a scope below, and without one.
        at_group = await bench.get(f"{GROUP}/{AUTHORIZATION}/roleDefinitions/{ROLE_GUID.upper()}")
        assert (at_group["id"], at_group["properties"]["description"]) == (ROLE, "Another")
        owner = await bench.get(f"/{AUTHORIZATION}/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635")
        assert owner["properties"]["roleName"] == "Owner"
        listed = await bench.get(f"{GROUP}/{AUTHORIZATION}/roleDefinitions")
        assert {r["properties"]["roleName"] for r in listed["value"]} == {
            "Owner",
            "Contributor",
            "Reader",
            "Key Vault Crypto Service Encryption User",
            "Storage Blob Data Reader",
            "Monitoring Metrics Publisher",
            "Fence agent",
        }
        named = await bench.get(f"{GROUP}/{AUTHORIZATION}/roleDefinitions", "&$filter=roleName eq 'fence agent'")
        assert [r["name"] for r in named["value"]] == [ROLE_GUID]
        # It cannot be assigned at the subscription.
        above = await bench.get(f"{SUB}/{AUTHORIZATION}/roleDefinitions")
        assert ROLE_GUID not in {r["name"] for r in above["value"]}

        one = await bench.get(assignment(VM2))
        assert (one["id"], one["properties"]["scope"]) == (assignment(VM2), VM2)
        assert one["properties"]["roleDefinitionId"] == ROLE
        # The same again changes nothing.
        status, again, _ = await bench.ask("PUT", assignment(VM2), grant(await principal_of(bench, VM1)))
        assert (status, again["properties"]["createdOn"]) == (200, one["properties"]["createdOn"])
        for scope, query, count in (
            (VM2, "", 1),
            (VM1, "", 0),
            (GROUP, "", 1),
            (GROUP, "&$filter=atScope()", 0),
            (SUB, f"&$filter=principalId eq '{await principal_of(bench, VM1)}'", 1),
            (SUB, f"&$filter=assignedTo('{NOBODY}')", 0),
        ):
            listed = await bench.get(f"{scope}/{AUTHORIZATION}/roleAssignments", query)
            assert len(listed["value"]) == count, (scope, query)
        assert not [r for r in (await bench.get(f"{SUB}/resources"))["value"] if "Authorization" in r["type"]]
        kept = Store(tmp_path / "state.json")
        assert kept.get(ROLE) == bench.site.store.get(ROLE)
        assert kept.get(assignment(VM2)) == bench.site.store.get(assignment(VM2))


BAD_ROLES: list[tuple[dict[str, Any], str]] = [
    ({"roleName": ""}, "400 LabInvalidRoleName"),
    ({"roleName": "Reader"}, "409 RoleDefinitionWithSameNameExists"),
    ({"assignableScopes": []}, "400 MissingRequiredParameter"),
    ({"assignableScopes": ["/"]}, "400 LabInvalidAssignableScope"),
    ({"assignableScopes": [f"/subscriptions/{NOBODY}"]}, "400 LabInvalidAssignableScope"),
    ({"assignableScopes": [VM1]}, "400 LabInvalidAssignableScope"),
    ({"assignableScopes": [f"{SUB}/resourceGroups/none"]}, "404 ResourceGroupNotFound"),
    ({"permissions": []}, "400 MissingRequiredParameter"),
    ({"permissions": [{"actions": [f"{MACHINE}/stop/action"]}]}, "400 InvalidActionOrNotAction"),
    ({"permissions": [{"actions": [f"{MACHINE}/powerOff"]}]}, "400 InvalidActionOrNotAction"),
    ({"permissions": [{"actions": ["nonsense"]}]}, "400 InvalidActionOrNotAction"),
    ({"permissions": "all"}, "400 InvalidRequestContent"),
    ({"assignableScope": [GROUP]}, "400 BadRequest"),
    ({"permissions": [{"action": [f"{MACHINE}/read"]}]}, "400 BadRequest"),
]


async def test_wrong_roles_and_assignments(bench: Bench) -> None:
    await equip(bench)
    another = ROLE.replace("1111-4111", "1111-4112")
    for properties, expected in BAD_ROLES:
        assert await bench.refused("PUT", another, role(**{"roleName": "Another", **properties})) == expected
    assert await bench.refused("PUT", f"{ROLE}x", role()) == "400 InvalidRoleDefinitionId"
    assert await bench.refused("PUT", READER, role()) == "400 LabBuiltInRole"
    assert await bench.refused("GET", another) == "404 RoleDefinitionDoesNotExist"
    assert await bench.refused("PUT", f"{VM1}/{AUTHORIZATION}/policyAssignments/x", {}) == "404 InvalidResourceType"

    first, second = await principal_of(bench, VM1), await principal_of(bench, VM2)
    for path, body, expected in (
        (f"{VM1}/{AUTHORIZATION}/roleAssignments/mine", grant(first), "400 InvalidRoleAssignmentId"),
        (assignment(VM1, 2), grant("me"), "400 InvalidPrincipalId"),
        (assignment(VM1, 2), grant(NOBODY), "400 PrincipalNotFound"),
        (assignment(VM1, 2), grant(first, principalType="User"), "400 UnmatchedPrincipalType"),
        (assignment(VM1, 2), grant(first, roleDefinitionId=another), "400 RoleDefinitionDoesNotExist"),
        (assignment(VM1, 2), grant(first, roleDefinitionId="x"), "400 RoleDefinitionDoesNotExist"),
        (assignment(SUB, 2), grant(first), "400 RoleAssignmentScopeNotAssignableToRoleDefinition"),
        (assignment(f"{VM1}0", 2), grant(first), "404 ResourceNotFound"),
        (assignment(f"{SUB}/resourceGroups/none", 2), grant(first), "404 ResourceGroupNotFound"),
        (assignment(VM2, 2), grant(first), "409 RoleAssignmentExists"),
        (assignment(VM2), grant(second), "400 RoleAssignmentUpdateNotPermitted"),
        (assignment(VM1), grant(first), "400 RoleAssignmentUpdateNotPermitted"),
        (assignment(VM2), grant(first, roleDefinitionId=READER), "400 RoleAssignmentUpdateNotPermitted"),
        (assignment(VM1, 2), grant(first, condition="@x"), "400 LabNotSupported"),
        (assignment(VM1, 2), grant(first, principalKind="User"), "400 BadRequest"),
    ):
        assert await bench.refused("PUT", path, body) == expected, path
    assert await bench.refused("GET", assignment(VM1, 2)) == "404 RoleAssignmentNotFound"
    assert await bench.refused("GET", assignment(VM1)) == "404 RoleAssignmentNotFound"


async def test_what_is_assigned_stays_and_what_is_deleted_takes_its_assignments_along(bench: Bench) -> None:
    await equip(bench)
    assert await bench.refused("DELETE", ROLE) == "409 RoleDefinitionHasAssignments"
    assert await bench.refused("DELETE", READER) == "400 LabBuiltInRole"
    await bench.put(f"{SUB}/resourceGroups/other", {"location": cloud_bench.REGION})
    moved = role(assignableScopes=[f"{SUB}/resourceGroups/other"])
    path = ROLE.replace(SUB, f"{SUB}/resourceGroups/other")
    assert await bench.refused("PUT", path, moved) == "400 RoleScopeBeingRemovedContainsAssignments"
    await bench.ask("PUT", assignment(VM1, 2), grant(await principal_of(bench, VM2)))
    assert (await bench.ask("DELETE", VM2))[0] == 200
    assert await bench.refused("GET", assignment(VM2)) == "404 RoleAssignmentNotFound"
    # An assignment outlives the principal that it is for.
    await bench.get(assignment(VM1, 2))
    assert [(await bench.ask("DELETE", assignment(VM1, 2)))[0] for _ in range(2)] == [200, 204]
    assert [(await bench.ask("DELETE", ROLE))[0] for _ in range(2)] == [200, 204]
    await bench.ask("PUT", assignment(GROUP, 3), grant(OBJECT_ID, roleDefinitionId=READER))
    await bench.ask("DELETE", GROUP)
    for _ in range(100):
        if bench.site.inventory.group(SUBSCRIPTION, "rg") is None:
            break
        await asyncio.sleep(0.02)
    assert bench.site.store.get(assignment(GROUP, 3)) is None


# --- who may do what


async def test_an_identity_can_do_what_its_role_says_and_no_more(bench: Bench) -> None:
    token = await equip(bench)

    async def ask(method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        status, answer, _ = await bench.ask(method, path, body, token=token, query=query)
        return status, answer

    status, answer = await ask("GET", VM2, query="&$expand=instanceView")
    assert (status, answer["name"]) == (200, "vm2")
    assert (await ask("POST", f"{VM2}/powerOff", query="&skipShutdown=true"))[0] == 200
    assert "vm2" not in bench.machines.running
    assert (await ask("POST", f"{VM2}/start"))[0] == 200
    done = control.power_actions(bench.site.inventory)
    assert [(one["action"], one["machine"], one["caller"], one["status"]) for one in done] == [
        ("powerOffAbrupt", "vm2", "vm1", "Succeeded"),
        ("start", "vm2", "vm1", "Succeeded"),
    ]
    assert time.time() - 60 < done[0]["began"] <= done[0]["ended"] <= done[1]["began"]
    for method, path, operation, scope in (
        ("POST", f"{VM1}/powerOff", f"{MACHINE}/powerOff/action", VM1),
        ("POST", f"{VM2}/deallocate", f"{MACHINE}/deallocate/action", VM2),
        ("GET", f"{VM2}/instanceView", f"{MACHINE}/instanceView/read", VM2),
        ("GET", VM1, f"{MACHINE}/read", VM1),
        ("PUT", VM2, f"{MACHINE}/write", VM2),
        ("PATCH", VM2, f"{MACHINE}/write", VM2),
        ("DELETE", VM2, f"{MACHINE}/delete", VM2),
        ("GET", f"{COMPUTE}/virtualMachines/none", f"{MACHINE}/read", f"{COMPUTE}/virtualMachines/none"),
        ("GET", f"{COMPUTE}/disks", "Microsoft.Compute/disks/read", COMPUTE),
        ("GET", f"{NETWORK}/virtualNetworks/vnet/subnets", "Microsoft.Network/virtualNetworks/subnets/read",
         f"{NETWORK}/virtualNetworks/vnet"),
        ("GET", GROUP, "Microsoft.Resources/subscriptions/resourceGroups/read", GROUP),
        ("GET", SUB, "Microsoft.Resources/subscriptions/read", SUB),
        ("GET", f"{VM2}/{AUTHORIZATION}/roleAssignments", "Microsoft.Authorization/roleAssignments/read",
         f"{VM2}/{AUTHORIZATION}"),
        ("PUT", assignment(VM1, 7), "Microsoft.Authorization/roleAssignments/write", assignment(VM1, 7)),
    ):  # fmt: skip
        status, answer = await ask(method, path, {} if method in ("PUT", "PATCH") else None)
        assert (status, answer["error"]["code"]) == (403, "AuthorizationFailed"), path
        principal = identity_of_machine(await principal_of(bench, VM1))
        assert answer["error"]["message"] == (
            f"The client '{principal.client_id}' with object id '{principal.object_id}' does not have "
            f"authorization to perform action '{operation}' over scope '{scope}' or the scope is invalid. If "
            "access was recently granted, please refresh your credentials."
        ), path
    assert {"vm1", "vm2"} == set(bench.machines.running)

    # A list has what may be seen; without any right it is refused.
    everywhere = f"{SUB}/providers/{MACHINE}"
    for path in (f"{COMPUTE}/virtualMachines", everywhere):
        status, answer = await ask("GET", path)
        assert (status, [vm["name"] for vm in answer["value"]]) == (200, ["vm2"])
    assert [r["name"] for r in (await ask("GET", f"{SUB}/resources"))[1]["value"]] == ["vm2"]
    assert (await ask("GET", f"{SUB}/resourceGroups"))[1] == {"value": []}
    assert len((await ask("GET", "/subscriptions"))[1]["value"]) == 1
    token = await token_of(bench, VM2)
    status, answer = await ask("GET", f"{COMPUTE}/virtualMachines")
    assert (status, f"over scope '{COMPUTE}' " in answer["error"]["message"]) == (403, True)
    assert (await ask("GET", "/subscriptions"))[1] == {"value": []}

    # A role above counts below, and a right that is taken away is gone.
    await bench.ask("PUT", assignment(GROUP, 5), grant(await principal_of(bench, VM2)))
    assert len((await ask("GET", f"{COMPUTE}/virtualMachines"))[1]["value"]) == 2
    await bench.ask("DELETE", assignment(GROUP, 5))
    assert (await ask("GET", VM1))[0] == 403


async def test_who_powers_a_machine_off_may_ask_how_it_goes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await equip(bench)
    other = await token_of(bench, VM2)
    monkeypatch.setattr("lab.cloud.changes._QUICK_SECONDS", 0.05)

    async def shut_down(machine: Definition) -> None:
        await asyncio.sleep(0.5)

    monkeypatch.setattr(bench.machines, "shut_down", shut_down)
    status, _, headers = await bench.ask("POST", f"{VM2}/powerOff", token=token)
    assert status == 202
    for header in ("Azure-AsyncOperation", "Location"):
        path = "/" + headers[header].split("/", 3)[3].partition("?")[0]
        assert (await bench.ask("GET", path, token=token))[0] in (200, 202)
        assert (await bench.ask("GET", path, token=other))[0] == 403
    assert (await bench.ask("GET", f"{SUB}/operationresults/{NOBODY}", token=token))[0] == 403


# --- the metadata service


@contextlib.asynccontextmanager
async def metadata(bench: Bench, monkeypatch: pytest.MonkeyPatch, node: int = 1) -> AsyncGenerator[ClientSession]:
    """Start the metadata service and give a session of a node; node n calls from 127.0.0.1n."""
    inventory = bench.site.inventory
    real = type(inventory).machine_addresses(inventory)
    seen = {IPv4Address(f"127.0.0.1{str(address)[-1]}"): found for address, found in real.items()}
    monkeypatch.setattr(inventory, "machine_addresses", lambda: seen)
    service = MetadataService(bench.site, bench.tokens, bench.events, bench.faults)
    async with (
        TestServer(service.application()) as server,
        ClientSession(
            str(server.make_url("/metadata/")),
            headers={"Metadata": "true"},
            connector=TCPConnector(local_addr=(f"127.0.0.1{node}", 0)),
        ) as session,
    ):
        yield session


TOKEN = "identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com"


async def test_tokens_of_identities(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await equip(bench)
    async with metadata(bench, monkeypatch) as session:
        async with session.get(TOKEN) as response:
            assert response.status == 200
            answer = await response.json()
        assert answer["token_type"] == "Bearer"
        assert answer["resource"] == "https://management.azure.com"
        assert int(answer["expires_on"]) - int(answer["not_before"]) == int(answer["expires_in"]) == 3600
        principal = bench.tokens.check(answer["access_token"])
        assert principal == identity_of_machine(await principal_of(bench, VM1))
        assert (await bench.ask("GET", VM2, token=answer["access_token"]))[0] == 200
        assert (await bench.ask("GET", VM1, token=answer["access_token"]))[0] == 403
        for query, status in (
            (f"&client_id={principal.client_id}", 200),
            (f"&object_id={NOBODY}", 400),
            (f"&msi_res_id={VM1}", 400),
        ):
            async with session.get(TOKEN + query) as response:
                assert response.status == status, query
        async with session.get(TOKEN.partition("&")[0]) as response:
            assert "resource" in (await response.json())["error_description"]
        async with session.get(TOKEN, headers={"Metadata": "false"}) as response:
            assert response.status == 400
    plain = changed(machine(1), "identity", None)
    assert (await bench.ask("PUT", VM1, plain))[0] == 200
    async with metadata(bench, monkeypatch) as session, session.get(TOKEN) as response:
        assert (response.status, await response.json()) == (
            400,
            {"error": "invalid_request", "error_description": "Identity not found"},
        )


async def test_scheduled_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with cloud_bench.running(tmp_path, keeps_state=True) as bench:
        await bench.furnish()
        now = [1_700_000_000.0]
        monkeypatch.setattr("lab.cloud.scheduled_events.time.time", lambda: now[0])
        events, store = bench.events, bench.site.store
        vm1 = store.get(VM1)
        assert vm1 is not None
        path = "scheduledevents?api-version=2020-07-01"
        async with metadata(bench, monkeypatch, 2) as session:

            async def told() -> Any:
                async with session.get(path) as response:
                    assert response.status == 200
                    return await response.json()

            async def approve(body: Any) -> int:
                async with session.post(path.replace("2020-07", "2019-08"), data=json.dumps(body)) as response:
                    return response.status

            assert await told() == {"DocumentIncarnation": 1, "Events": []}
            made = events.announce(vm1, 900)
            # The other machine of the availability set is told as well.
            document = await told()
            assert document == {"DocumentIncarnation": 2, "Events": [made]}
            assert {**made, "EventId": ""} == {
                "EventId": "",
                "EventStatus": "Scheduled",
                "EventType": "Reboot",
                "ResourceType": "VirtualMachine",
                "Resources": ["vm1"],
                "NotBefore": "Tue, 14 Nov 2023 22:28:20 GMT",
                "Description": "Reboot announced by the lab.",
                "EventSource": "Platform",
                "DurationInSeconds": -1,
            }
            # A new start of the cloud knows it.
            assert ScheduledEvents(bench.site, bench.operations).all() == [made]
            assert Store(tmp_path / "state.json").facts == store.facts
            events.tick()
            assert (await told())["DocumentIncarnation"] == 2
            bad: list[Any] = [[], {}, {"StartRequests": [{"EventId": "X"}]}, {"StartRequests": "all"}]
            for body in bad:
                assert await approve(body) == 400
            assert bench.machines.calls[-1] != ("shut_down", "vm1")
            bench.machines.calls.clear()
            assert await approve({"StartRequests": [{"EventId": made["EventId"]}]}) == 200
            document = await told()
            assert (document["Events"][0]["EventStatus"], document["Events"][0]["NotBefore"]) == ("Started", "")
            assert not events.withdraw(made["EventId"])
            for _ in range(100):
                events.tick()
                if not events.all():
                    break
                await asyncio.sleep(0.01)
            assert bench.machines.calls == [("shut_down", "vm1"), ("start", "vm1")]
            assert await told() == {"DocumentIncarnation": 4, "Events": []}

            # Withdrawn; due by itself; a machine that goes.
            assert events.withdraw(events.announce(vm1, 5)["EventId"])
            assert (await told())["Events"] == []
            events.announce(vm1, 5)
            events.tick()
            assert (await told())["Events"][0]["EventStatus"] == "Scheduled"
            now[0] += 5
            events.tick()
            assert (await told())["Events"][0]["EventStatus"] == "Started"
            events.announce(vm1, 5)
            store.discard(VM1)
            assert (await told())["Events"] == []
            events.tick()
            assert events.all() == []


async def test_events_are_for_the_machine_and_its_availability_set_only(bench: Bench) -> None:
    await bench.furnish()
    vm1, vm2 = bench.site.store.get(VM1), bench.site.store.get(VM2)
    assert vm1 is not None
    assert vm2 is not None
    for vm in (vm1, vm2):
        del vm.properties["availabilitySet"]
    made = bench.events.announce(vm1, 60)
    assert bench.events.document(vm1)["Events"] == [made]
    assert bench.events.document(vm2)["Events"] == []
    assert not bench.events.approve(vm2, [made["EventId"]])


# --- out of reach


async def test_machines_are_cut_off_from_the_api(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.furnish()
    monkeypatch.setattr(bench.site.inventory, "address_space", lambda _network: (IPv4Network("127.0.0.8/29"),))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    faults = bench.faults
    faults.arm.set("unreachable")
    assert Faults(bench.site.inventory).arm.reach == "unreachable"
    assert faults.arm.suffers("127.0.0.11")
    assert not faults.arm.suffers("127.0.0.1")
    # The tests and the engine are outside.
    assert (await bench.ask("GET", GROUP))[0] == 200
    url = bench.web.make_url(f"{GROUP}?api-version={known_versions.of_path(GROUP)}")
    inside = ClientSession(
        connector=TCPConnector(local_addr=("127.0.0.11", 0)),
        headers={"Authorization": f"Bearer {bench.token}"},
        timeout=ClientTimeout(total=0.2),
    )
    async with inside, metadata(bench, monkeypatch) as session:
        with pytest.raises(TimeoutError):
            await inside.get(url)
        waiting = asyncio.create_task(session.get(TOKEN))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        faults.arm.set("ok")
        with contextlib.suppress(ConnectionError):
            # aiohttp's client asks once more by itself where a connection ends without an answer.
            assert (await waiting).status == 200
        assert (await inside.get(url)).status == 200


async def test_the_listener_drops_what_machines_send(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.furnish()
    monkeypatch.setattr(bench.site.inventory, "address_space", lambda _network: (IPv4Network("127.0.0.8/29"),))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = door.getsockname()
        bench.faults.arm.set("unreachable")
        bench.faults.arm.guard(door)
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.3, source_address=("127.0.0.11", 0))
        socket.create_connection(address, timeout=3).close()
        bench.faults.arm.set("ok")
        socket.create_connection(address, timeout=3, source_address=("127.0.0.11", 0)).close()


# --- the control socket and its client


async def test_the_control_socket(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.furnish()
    paths = LabPaths("test")
    monkeypatch.setattr(LabPaths, "cloud", tmp_path)
    rewired: list[str] = []

    async def rewire() -> None:
        rewired.append(bench.faults.zone)

    application = control.application(
        dict, asyncio.Event(), bench.site.inventory, bench.events, bench.faults, rewire, bench.site.blobs
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await control.listen(runner, tmp_path / "control.sock")

    def drive() -> None:
        repaired = {"arm": "ok", "storage": "ok", "metrics": "ok", "zone": ""}
        assert client.set_faults(paths, arm="unreachable") == repaired | {"arm": "unreachable"}
        assert bench.faults.arm.reach == "unreachable"
        assert client.set_faults(paths, arm="ok") == repaired
        assert client.set_faults(paths, metrics="unreachable") == repaired | {"metrics": "unreachable"}
        assert client.set_faults(paths, metrics="ok", zone="2") == repaired | {"zone": "2"}
        assert client.set_faults(paths, zone="") == repaired
        assert rewired == ["2", ""]
        assert client.power_actions(paths) == []
        event = client.announce_event(paths, "vm1", 60)
        assert [e["EventId"] for e in client.scheduled_events(paths)] == [event]
        client.withdraw_event(paths, event)
        assert client.scheduled_events(paths) == []
        with pytest.raises(client.CloudError, match="no such event"):
            client.withdraw_event(paths, event)
        with pytest.raises(client.CloudError, match="answers 500"):
            client.announce_event(paths, "vm9", 60)

    await asyncio.to_thread(drive)
    await runner.cleanup()
