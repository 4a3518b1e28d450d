"""The stand-in's answers to the engine, against an ARM that keeps what it is sent."""

import asyncio
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.azure_native import install, version
from lab.azure_native.provider import NO_SUBSCRIPTION, Provider
from lab.azure_native.results import Found, ResourceError
from lab.azure_native.sdk import resource_types
from lab.azure_native.values import UNKNOWN, Secret
from tests.support import fake_arm
from tests.support.fake_arm import SECRET, SUBSCRIPTION, Canned, FakeArm

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g"
VM_ID = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm"


def urn(token: str, name: str = "it") -> str:
    """Return a URN as the engine makes it, with a parent."""
    return f"urn:pulumi:dev::proj::azure-mysql-ha:index:Nodes$azure-native:{token}::{name}"


VM = urn("compute:VirtualMachine")
DISK = urn("compute:Disk")
NETWORK = urn("network:VirtualNetwork")
DISK_INPUTS: dict[str, Any] = {
    "resourceGroupName": "g",
    "diskName": "d",
    "location": "westeurope",
    "creationData": {"createOption": "Empty"},
    "diskSizeGB": 4,
}
VM_INPUTS: dict[str, Any] = {
    "resourceGroupName": "g",
    "vmName": "vm",
    "location": "westeurope",
    "identity": {"type": "SystemAssigned"},
    "osProfile": {"computerName": "vm", "customData": Secret("aGVsbG8=")},
    "tags": {"a": "1"},
}


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeArm]:
    """A server that the process trusts."""
    with fake_arm.running(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        yield server


@pytest.fixture
def provider(arm: FakeArm) -> Provider:
    """A provider that is configured for that server."""
    return Provider("3.29.0", resource_types(), arm.environment)


@pytest.fixture
def offline() -> Provider:
    """A provider without credentials, and with nothing to ask."""
    return Provider("3.29.0", resource_types(), {})


def checked(provider: Provider, resource: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return inputs as the engine has them after Check."""
    found, failures = provider.check(resource, {}, inputs)
    assert failures == []
    return found


def created(provider: Provider, resource: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Make a resource and return its id and outputs."""
    return asyncio.run(provider.create(resource, checked(provider, resource, inputs)))


def read(provider: Provider, resource: str, resource_id: str, inputs: dict[str, Any], state: dict[str, Any]) -> Found:
    """Look at a resource that is there."""
    found = asyncio.run(provider.read(resource, resource_id, inputs, state))
    assert found is not None
    return found


# --- check


def test_check_keeps_secrets_and_adds_the_api_version(offline: Provider) -> None:
    assert checked(offline, VM, VM_INPUTS) == {**VM_INPUTS, "azureApiVersion": "2024-11-01"}


def test_check_names_what_is_missing(offline: Provider) -> None:
    _, failures = offline.check(DISK, {}, {})
    assert [failure.property for failure in failures] == ["resourceGroupName", "diskName", "location", "creationData"]
    assert "pulumi config set azure-native:location" in failures[2].reason


def test_check_takes_what_is_unknown(offline: Provider) -> None:
    _, failures = offline.check(DISK, {}, {**DISK_INPUTS, "resourceGroupName": UNKNOWN})
    assert failures == []


def test_check_takes_the_location_of_the_configuration(offline: Provider) -> None:
    offline.configure({"location": "northeurope"})
    assert offline.check(NETWORK, {}, {"resourceGroupName": "g"})[0]["location"] == "northeurope"


def test_an_unknown_type_is_named(offline: Provider) -> None:
    with pytest.raises(ResourceError, match=r"azure-native:web:WebApp: the stand-in .* does not know this type"):
        offline.check(urn("web:WebApp"), {}, {})


# --- diff


def test_no_diff_of_the_same(offline: Provider) -> None:
    inputs = checked(offline, VM, VM_INPUTS)
    state = {"vmId": "v", "etag": "e", "tags": {"a": "somebody else's"}, "availabilitySet": {"id": "/x"}}
    assert offline.diff(VM, inputs, state, inputs).changes == {}


def test_a_tag_is_an_update(offline: Provider) -> None:
    inputs = checked(offline, VM, VM_INPUTS)
    difference = offline.diff(VM, inputs, {}, {**inputs, "tags": {"a": "2"}})
    assert list(difference.changes) == ["tags.a"]
    assert difference.replaces == ()


@pytest.mark.parametrize(
    ("token", "key"),
    [
        ("compute:VirtualMachine", "vmName"),
        ("compute:VirtualMachine", "resourceGroupName"),
        ("resources:ResourceGroup", "location"),
        ("network:VirtualNetwork", "location"),
        ("network:PublicIPAddress", "sku"),
        ("network:Subnet", "virtualNetworkName"),
        ("authorization:RoleAssignment", "principalId"),
        ("authorization:RoleAssignment", "scope"),
    ],
)
def test_what_replaces(offline: Provider, token: str, key: str) -> None:
    difference = offline.diff(urn(token), {key: "a"}, {}, {key: "b"})
    assert difference.replaces == (key,)


@pytest.mark.parametrize(
    ("token", "key"),
    [
        ("compute:VirtualMachine", "availabilitySet"),  # ARM refuses these; the real plug-in asks it all the same
        ("compute:VirtualMachine", "zones"),
        ("compute:VirtualMachine", "osProfile"),
        ("compute:Disk", "diskSizeGB"),
        ("network:LoadBalancer", "location"),
        ("network:Subnet", "addressPrefix"),
    ],
)
def test_what_does_not_replace(offline: Provider, token: str, key: str) -> None:
    difference = offline.diff(urn(token), {key: "a"}, {}, {key: "b"})
    assert list(difference.changes) == [key]
    assert difference.replaces == ()


def test_a_default_that_is_spelt_out_does_not_replace(offline: Provider) -> None:
    resource = urn("network:PublicIPAddress")
    state = {"publicIPAddressVersion": "IPv4"}
    assert offline.diff(resource, {}, state, {"publicIPAddressVersion": "IPv4"}).replaces == ()
    assert offline.diff(resource, {}, state, {"publicIPAddressVersion": "IPv6"}).replaces == ("publicIPAddressVersion",)


# --- preview


def test_preview_of_a_create(offline: Provider) -> None:
    outputs = offline.preview_create(VM, checked(offline, VM, VM_INPUTS))
    assert outputs["location"] == "westeurope"
    assert outputs["vmId"] == UNKNOWN
    assert outputs["identity"]["principalId"] == UNKNOWN
    assert outputs["osProfile"]["customData"] == Secret("aGVsbG8=")


def test_preview_of_an_update_keeps_what_is_known(offline: Provider) -> None:
    state = {"vmId": "v", "name": "vm", "identity": {"type": "SystemAssigned", "principalId": "p"}, "tags": {"a": "1"}}
    outputs = offline.preview_update(VM, {**VM_INPUTS, "tags": {"a": "2"}}, state)
    assert outputs["vmId"] == "v"
    assert outputs["identity"]["principalId"] == "p"
    assert outputs["tags"] == {"a": "2"}
    assert "licenseType" not in outputs


# --- create


@pytest.mark.parametrize("style", ["at-once", "operation", "location", "state"])
def test_create_and_delete(provider: Provider, arm: FakeArm, style: str) -> None:
    arm.style = style
    resource_id, outputs = created(provider, VM, VM_INPUTS)
    assert resource_id == VM_ID
    assert outputs["provisioningState"] == "Succeeded"
    assert outputs["identity"]["principalId"] == fake_arm.OBJECT
    assert outputs["azureApiVersion"] == "2024-11-01"
    put = next(call for call in arm.calls if call.method == "PUT")
    assert put.query == "api-version=2024-11-01"
    assert put.body["properties"]["osProfile"]["customData"] == "aGVsbG8="
    assert arm.tokens == 1
    asyncio.run(provider.delete(VM, resource_id))
    assert arm.resources == {}
    asyncio.run(provider.delete(VM, resource_id))


def test_a_scope_is_part_of_the_path(provider: Provider) -> None:
    inputs = {"scope": f"/{VM_ID}/", "roleAssignmentName": "n", "principalId": "p", "roleDefinitionId": "/r"}
    resource_id, _ = created(provider, urn("authorization:RoleAssignment"), inputs)
    assert resource_id == f"{VM_ID}/providers/Microsoft.Authorization/roleAssignments/n"


def test_what_exists_is_not_taken_over(provider: Provider, arm: FakeArm) -> None:
    created(provider, DISK, DISK_INPUTS)
    with pytest.raises(ResourceError, match="cannot create already existing resource '/subscriptions/") as caught:
        created(provider, DISK, DISK_INPUTS)
    assert not caught.value.resource_id
    assert arm.made() == ["d"]


def test_what_azure_makes_with_its_owner_is_taken_over_as_it_begins(provider: Provider, arm: FakeArm) -> None:
    owner = {"resourceGroupName": "g", "accountName": "a"}
    policy = {"containerName": "c", "immutabilityPolicyName": "default", "immutabilityPeriodSinceCreationInDays": 7}
    begun = Canned(200, {"properties": {"immutabilityPeriodSinceCreationInDays": 0}})
    arm.canned["GET", "default"] = [begun]
    created(provider, urn("storage:BlobContainerImmutabilityPolicy"), owner | policy)
    # Somebody has set it: it is another's.
    with pytest.raises(ResourceError, match="cannot create already existing resource"):
        created(provider, urn("storage:BlobContainerImmutabilityPolicy"), owner | policy)
    arm.canned["GET", "default"] = [Canned(200, {"properties": {"isVersioningEnabled": False}})]
    created(provider, urn("storage:BlobServiceProperties"), owner | {"blobServicesName": "default"})


def test_a_refusal_is_one_line_with_code_and_message(provider: Provider, arm: FakeArm) -> None:
    details = [{"code": "Inner", "message": "why\nreally"}]
    error = {"error": {"code": "BadRequest", "message": "No.\n  Not aGVsbG8=.", "details": details}}
    arm.canned["PUT", "vm"] = [Canned(400, error)]
    with pytest.raises(ResourceError) as caught:
        created(provider, VM, VM_INPUTS)
    expected = 'Status=400 Code="BadRequest" Message="No. Not [secret]." Detail: Code="Inner" Message="why really"'
    assert str(caught.value) == expected
    assert not caught.value.resource_id


@pytest.mark.parametrize("style", ["operation", "location", "state"])
def test_half_made(provider: Provider, arm: FakeArm, style: str) -> None:
    arm.style = style
    arm.failing["vm"] = {"code": "AllocationFailed", "message": "no room"}
    with pytest.raises(ResourceError, match=r"AllocationFailed|Failed") as caught:
        created(provider, VM, VM_INPUTS)
    assert caught.value.resource_id == VM_ID
    assert caught.value.state is not None and caught.value.state["vmId"]
    assert caught.value.state["osProfile"] == {"computerName": "vm"}


def test_time_out(provider: Provider, arm: FakeArm) -> None:
    arm.style, arm.work_seconds = "operation", 60
    with pytest.raises(ResourceError, match="did not end in time") as caught:
        asyncio.run(provider.create(DISK, checked(provider, DISK, DISK_INPUTS), 0.5))
    assert caught.value.resource_id


async def test_cancel(provider: Provider, arm: FakeArm) -> None:
    arm.style, arm.work_seconds = "operation", 60
    begun = time.monotonic()
    work = asyncio.create_task(provider.create(DISK, checked(provider, DISK, DISK_INPUTS)))
    await asyncio.sleep(0.5)
    provider.cancel()
    with pytest.raises(ResourceError, match="cancelled"):
        await work
    assert time.monotonic() - begun < 5


async def test_many_at_once(provider: Provider, arm: FakeArm) -> None:
    arm.style, arm.work_seconds = "operation", 1
    names = [{**DISK_INPUTS, "diskName": f"d{index}"} for index in range(10)]
    begun = time.monotonic()
    await asyncio.gather(*(provider.create(DISK, checked(provider, DISK, inputs)) for inputs in names))
    assert time.monotonic() - begun < 5
    assert arm.tokens <= 10


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is busy be asked again soon."""
    monkeypatch.setattr("lab.azure_native.session._LONGEST_RETRY_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
def test_busy_is_asked_again(provider: Provider, arm: FakeArm) -> None:
    busy = Canned(429, {"error": {"code": "TooManyRequests", "message": "slow"}}, {"Retry-After": "0"})
    conflict = Canned(409, {"error": {"code": "AnotherOperationInProgress", "message": "x"}}, {"Retry-After": "0"})
    arm.canned["PUT", "d"] = [busy, conflict]
    created(provider, DISK, DISK_INPUTS)
    assert arm.made() == ["d", "d", "d"]


@pytest.mark.usefixtures("impatient")
def test_busy_is_not_asked_for_ever(provider: Provider, arm: FakeArm) -> None:
    busy = Canned(503, {"error": {"code": "Down", "message": "x"}}, {"Retry-After": "0"})
    arm.canned["PUT", "d"] = [busy] * 9
    with pytest.raises(ResourceError, match='Status=503 Code="Down"'):
        created(provider, DISK, DISK_INPUTS)
    assert len(arm.made()) == 4


def test_an_expired_token_is_renewed(provider: Provider, arm: FakeArm) -> None:
    arm.canned["PUT", "d"] = [Canned(401, {"error": {"code": "ExpiredAuthenticationToken", "message": "x"}})]
    created(provider, DISK, DISK_INPUTS)
    assert arm.tokens == 2


def test_an_operation_elsewhere_is_not_followed(provider: Provider, arm: FakeArm) -> None:
    arm.canned["PUT", "d"] = [Canned(201, {}, {"Azure-AsyncOperation": "https://evil.example/op"})]
    with pytest.raises(ResourceError, match=r"another host, 'evil\.example'"):
        created(provider, DISK, DISK_INPUTS)


def test_what_other_resources_added_stays(provider: Provider, arm: FakeArm) -> None:
    inputs = {"resourceGroupName": "g", "virtualNetworkName": "v", "location": "x"}
    resource_id, _ = created(provider, NETWORK, inputs)
    assert arm.calls[-2].body["properties"] == {"subnets": [], "virtualNetworkPeerings": []}
    arm.resources[resource_id.lower()]["properties"]["subnets"] = [{"name": "s", "properties": {}}]
    asyncio.run(provider.update(NETWORK, resource_id, {**inputs, "tags": {"a": "1"}}))
    body = next(call.body for call in reversed(arm.calls) if call.method == "PUT")
    assert body["tags"] == {"a": "1"}
    assert [subnet["name"] for subnet in body["properties"]["subnets"]] == ["s"]


# --- update and read


def test_update_sends_everything(provider: Provider, arm: FakeArm) -> None:
    resource_id, outputs = created(provider, VM, VM_INPUTS)
    changed = asyncio.run(provider.update(VM, resource_id, {**VM_INPUTS, "tags": {"a": "2"}}))
    assert changed["tags"] == {"a": "2"}
    assert changed["vmId"] == outputs["vmId"]
    puts = [call.body for call in arm.calls if call.method == "PUT"]
    assert puts[1] == {**puts[0], "tags": {"a": "2"}}


def test_refresh_without_drift_changes_nothing(provider: Provider) -> None:
    inputs = checked(provider, VM, VM_INPUTS)
    resource_id, state = created(provider, VM, VM_INPUTS)
    found = read(provider, VM, resource_id, inputs, state)
    assert found.inputs == inputs
    assert found.outputs == state


def test_refresh_finds_drift(provider: Provider, arm: FakeArm) -> None:
    resource = urn("network:NetworkSecurityGroup")
    rule = {"name": "ssh", "priority": 100, "sourceAddressPrefixes": ["198.51.100.0/24"]}
    inputs = checked(
        provider,
        resource,
        {"resourceGroupName": "g", "networkSecurityGroupName": "n", "location": "x", "securityRules": [rule]},
    )
    resource_id, state = created(provider, resource, inputs)
    rules = arm.resources[resource_id.lower()]["properties"]["securityRules"]
    rules[0]["properties"]["sourceAddressPrefixes"] = ["0.0.0.0/0"]
    rules.append({"name": "by-hand", "properties": {"priority": 200}})
    found = read(provider, resource, resource_id, inputs, state)
    assert found.inputs["securityRules"] == [
        {**rule, "sourceAddressPrefixes": ["0.0.0.0/0"]},
        {"name": "by-hand", "priority": 200},
    ]
    changes = provider.diff(resource, found.inputs, found.outputs, inputs).changes
    assert list(changes) == ["securityRules[0].sourceAddressPrefixes[0]", "securityRules[1]"]


def test_refresh_leaves_the_subnets_of_others_alone(provider: Provider, arm: FakeArm) -> None:
    inputs = checked(provider, NETWORK, {"resourceGroupName": "g", "virtualNetworkName": "v", "location": "x"})
    resource_id, state = created(provider, NETWORK, inputs)
    arm.resources[resource_id.lower()]["properties"]["subnets"] = [{"name": "s", "properties": {}}]
    assert read(provider, NETWORK, resource_id, inputs, state).inputs == inputs


def test_refresh_keeps_secrets(provider: Provider) -> None:
    inputs = checked(provider, VM, {**VM_INPUTS, "tags": {"a": Secret("1")}})
    resource_id, state = created(provider, VM, inputs)
    assert state["tags"] == {"a": Secret("1")}
    found = read(provider, VM, resource_id, inputs, state)
    assert found.inputs["osProfile"]["customData"] == Secret("aGVsbG8=")
    assert found.outputs["tags"] == {"a": Secret("1")}


def test_what_is_gone_is_gone(provider: Provider) -> None:
    assert asyncio.run(provider.read(VM, VM_ID, VM_INPUTS, {})) is None


def test_what_no_program_made_can_be_read(provider: Provider) -> None:
    resource_id, _ = created(provider, DISK, DISK_INPUTS)
    found = read(provider, DISK, resource_id, {}, {})
    assert found.inputs == {**DISK_INPUTS, "azureApiVersion": "2024-03-02"}


# --- who it is, and what it says when nobody is there


def test_client_config(provider: Provider) -> None:
    config = asyncio.run(provider.invoke("azure-native:authorization:getClientConfig", {}))
    assert config == {"subscriptionId": SUBSCRIPTION}


def test_client_config_offline(offline: Provider) -> None:
    config = asyncio.run(offline.invoke("azure-native:authorization:getClientConfig", {}))
    assert config == {"subscriptionId": NO_SUBSCRIPTION}
    with pytest.raises(ResourceError, match="does not know this function"):
        asyncio.run(offline.invoke("azure-native:compute:getGallery", {}))
    with pytest.raises(ResourceError, match="does not know this function"):
        asyncio.run(offline.invoke("azure-native:compute:Disk", {}))


def test_a_function_reads_what_is_there(provider: Provider) -> None:
    name = {"resourceGroupName": "rg-1", "diskName": "disk-1"}
    with pytest.raises(ResourceError, match="NotFound"):
        asyncio.run(provider.invoke("azure-native:compute:getDisk", name))
    made = created(provider, DISK, DISK_INPUTS)
    found = asyncio.run(provider.invoke("azure-native:compute:getDisk", DISK_INPUTS))
    assert found["id"] == made[0]
    assert found["diskSizeGB"] == made[1]["diskSizeGB"]
    assert found["azureApiVersion"] == "2024-03-02"


def test_without_credentials(offline: Provider) -> None:
    with pytest.raises(ResourceError, match="no Azure subscription: set ARM_SUBSCRIPTION_ID"):
        created(offline, DISK, DISK_INPUTS)
    offline.configure({"subscriptionId": SUBSCRIPTION})
    with pytest.raises(ResourceError, match="ARM_TENANT_ID, ARM_CLIENT_ID, ARM_CLIENT_SECRET not set"):
        created(offline, DISK, DISK_INPUTS)


def test_wrong_credentials_are_not_shown(arm: FakeArm) -> None:
    provider = Provider("3.29.0", resource_types(), {**arm.environment, "ARM_CLIENT_SECRET": "wrong-one"})
    with pytest.raises(ResourceError, match="AADSTS7000215") as caught:
        created(provider, DISK, DISK_INPUTS)
    assert "wrong-one" not in str(caught.value)


def test_configuration_comes_before_the_environment(arm: FakeArm) -> None:
    provider = Provider(
        "3.29.0", resource_types(), {**arm.environment, "ARM_SUBSCRIPTION_ID": "other", "ARM_CLIENT_SECRET": "wrong"}
    )
    provider.configure({"subscriptionId": SUBSCRIPTION, "clientSecret": Secret(SECRET)})
    assert created(provider, DISK, DISK_INPUTS)[0].startswith(GROUP)


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, arm: FakeArm) -> None:
    monkeypatch.setattr("lab.azure_native.session._RETRIES", 0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        provider = Provider("3.29.0", resource_types(), {**arm.environment, "ARM_METADATA_HOSTNAME": host})
        with pytest.raises(ResourceError, match=f"cannot reach the metadata host at https://{host}: .*refused"):
            created(provider, DISK, DISK_INPUTS)


def test_a_certificate_that_is_not_trusted(monkeypatch: pytest.MonkeyPatch, arm: FakeArm, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with fake_arm.running(tmp_path / "other") as other:
        monkeypatch.setenv("SSL_CERT_FILE", str(other.certificate))
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        begun = time.monotonic()
        with pytest.raises(ResourceError, match="CERTIFICATE_VERIFY_FAILED"):
            created(Provider("3.29.0", resource_types(), arm.environment), DISK, DISK_INPUTS)
        assert time.monotonic() - begun < 1


# --- the executable


def test_install(tmp_path: Path) -> None:
    install(tmp_path, Path(sys.executable))
    install(tmp_path, Path(sys.executable))
    folder = tmp_path / "plugins" / f"resource-azure-native-v{version()}"
    assert [path.name for path in (tmp_path / "plugins").iterdir()] == [folder.name]
    assert (folder / "pulumi-resource-azure-native").stat().st_mode & stat.S_IXUSR


def test_the_executable_prints_its_port_and_goes_when_told(tmp_path: Path) -> None:
    install(tmp_path, Path(sys.executable))
    executable = tmp_path / "plugins" / f"resource-azure-native-v{version()}" / "pulumi-resource-azure-native"
    with subprocess.Popen([executable, "127.0.0.1:1"], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        process.send_signal(2)
        assert process.wait(10) == 0


def test_the_executable_goes_with_its_engine(tmp_path: Path) -> None:
    install(tmp_path, Path(sys.executable))
    executable = tmp_path / "plugins" / f"resource-azure-native-v{version()}" / "pulumi-resource-azure-native"
    engine = subprocess.run(
        ["sh", "-c", '"$0" 127.0.0.1:1 >port & while [ ! -s port ]; do sleep 0.1; done; echo $!', executable],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=True,
    )
    deadline = time.monotonic() + 20
    while _lives(int(engine.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
