"""Runs the program without an engine, and records every resource that it registers."""

import asyncio
import functools
import gc
import json
import runpy
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import patch

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.proto.source_pb2 import StackTrace
from pulumi.runtime.settings import ROOT, SETTINGS
from pulumi.runtime.stack import run_pulumi_func

from components.checkout import CHECKOUT
from components.wire import readable
from tests.support import stack_configuration as configuration

_SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
_NETWORK = f"{_SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network"
_MANAGED = f"{_SUBSCRIPTION}/resourceGroups/MA_metrics_westeurope_managed/providers/Microsoft.Insights"

# An Azure Monitor workspace that is there already.
WORKSPACE = f"{_SUBSCRIPTION}/resourceGroups/watch/providers/Microsoft.Monitor/accounts/metrics"


@dataclass(frozen=True)
class Resource:
    """One registered resource.

    Args:
        type: Pulumi's type, such as "azure-native:compute:Disk".
        parent: name of its parent; empty for the stack.
        dependencies: names of all it depends on, sorted.
        delete_before_replace: whether a replacement is made after the old one is gone.
        replace_on_changes: paths of the inputs whose change replaces it by the program's own word.
        ignore_changes: paths of the inputs whose change does nothing.
        inputs: its inputs as the engine would see them; secrets as {"secret": ...}.
    """

    type: str
    name: str
    parent: str
    dependencies: list[str]
    protect: bool
    delete_before_replace: bool
    replace_on_changes: list[str]
    ignore_changes: list[str]
    inputs: dict[str, Any]


def recorded_id(type_: str, name: str, inputs: Mapping[str, Any]) -> str:
    """Return the id that a resource is recorded with: of Azure's form where the program looks into it."""
    match type_:
        case "azure-native:resources:ResourceGroup":
            return f"{_SUBSCRIPTION}/resourceGroups/{inputs['resourceGroupName']}"
        case "azure-native:network:Subnet":
            return f"{_SUBSCRIPTION}/virtualNetworks/{inputs['virtualNetworkName']}/subnets/{inputs['subnetName']}"
        case _:
            return f"{_SUBSCRIPTION}/{type_.rpartition(':')[2]}/{name}"


class _Answers(Mocks):
    """Gives each resource an id of Azure's form, and the few outputs that the program reads."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        inputs = cast(dict[str, Any], args.inputs)  # pyright: ignore[reportUnknownMemberType]
        own_names = [value for key, value in inputs.items() if key.endswith("Name") and key != "resourceGroupName"]
        outputs: dict[str, Any] = {**inputs, "name": next(iter(own_names), args.name)}
        match args.typ:
            case "azure-native:network:PublicIPAddress":
                outputs["ipAddress"] = "203.0.113.1"
            case "azure-native:compute:VirtualMachine":
                outputs["vmId"] = f"id-of-{args.name}"
                if "identity" in inputs:
                    outputs["identity"] = {**inputs["identity"], "principalId": f"principal-of-{args.name}"}
            case "azure-native:compute:DiskEncryptionSet":
                outputs["identity"] = {**inputs["identity"], "principalId": f"principal-of-{args.name}"}
            case "command:remote:Command":
                outputs["stdout"] = f"authority SHA256:{'0123456789abcdef' * 4}"
            case "azure-native:resources:ResourceGroup":
                outputs["name"] = inputs["resourceGroupName"]
            case _:
                pass
        return recorded_id(args.typ, args.name, inputs), outputs

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Answer as an Azure in which there is all that the case EXISTING names, and as it should be."""
        asked = cast(dict[str, Any], args.args)  # pyright: ignore[reportUnknownMemberType]
        answers: dict[str, dict[str, Any]] = {
            "pulumi:pulumi:readStackResourceOutputs": {"outputs": {}},  # as before the first update
            "azure-native:authorization:getClientConfig": {"subscriptionId": _SUBSCRIPTION.rpartition("/")[2]},
            "azure-native:resources:getResourceGroup": {
                "id": f"{_SUBSCRIPTION}/resourceGroups/{asked.get('resourceGroupName')}"
            },
            "azure-native:network:getVirtualNetwork": {
                "location": "westeurope",
                "subnets": [
                    {
                        "name": "data",
                        "addressPrefix": "10.34.0.0/24",
                        "networkSecurityGroup": {"id": "the owner's"},
                        "natGateway": {"id": f"{_NETWORK}/natGateways/out"},
                    }
                ],
            },
            "azure-native:network:getNatGateway": {"sku": {"name": "StandardV2"}},
            "azure-native:authorization:getRoleDefinition": {
                "id": f"{_SUBSCRIPTION}{EXISTING['existingRoleDefinitionId']}",
                "roleName": "Fencing",
                "permissions": [{"actions": ["Microsoft.Compute/virtualMachines/*"], "notActions": []}],
                "assignableScopes": ["/"],
            },
            "azure-native:privatedns:getPrivateZone": {"numberOfVirtualNetworkLinks": 1},
            "azure-native:storage:getStorageAccount": {
                "kind": "StorageV2",
                "enableHttpsTrafficOnly": True,
                "minimumTlsVersion": "TLS1_2",
            },
            "azure-native:storage:getBlobServiceProperties": {"isVersioningEnabled": True},
            "azure-native:monitor:getAzureMonitorWorkspace": {
                "defaultIngestionSettings": {
                    "dataCollectionRuleResourceId": f"{_MANAGED}/dataCollectionRules/metrics",
                    "dataCollectionEndpointResourceId": f"{_MANAGED}/dataCollectionEndpoints/metrics",
                }
            },
            "azure-native:monitor:getDataCollectionRule": {
                "id": f"{_MANAGED}/dataCollectionRules/metrics",
                "immutableId": "dcr-0123456789abcdef0123456789abcdef",
            },
            "azure-native:monitor:getDataCollectionEndpoint": {
                "metricsIngestion": {"endpoint": "https://metrics-a1b2.westeurope-1.metrics.ingest.monitor.azure.com"},
                "networkAcls": {"publicNetworkAccess": "Enabled"},
            },
            "azure-native:keyvault:getKey": {"kty": "RSA"},
            "azure-native:keyvault:getVault": {
                "location": "westeurope",
                "properties": {"enablePurgeProtection": True, "enableRbacAuthorization": True},
            },
        }
        return answers[args.token], []


# Settings of a cluster among things that are there already, for the stack prod.
EXISTING = {
    "existingResourceGroup": "data",
    "existingSubnetId": f"{_NETWORK}/virtualNetworks/hub/subnets/data",
    "existingPrivateDnsZoneId": (
        f"{_SUBSCRIPTION}/resourceGroups/names/providers/Microsoft.Network/privateDnsZones/corp.example"
    ),
    "privateDnsName": "shop.db.corp.example",
    "existingRoleDefinitionId": (
        "/providers/Microsoft.Authorization/roleDefinitions/9980e02c-c2be-4d73-94e8-173b1dc7cf3c"
    ),
    "diskEncryptionKeyUrl": "https://keys.vault.azure.net/keys/disks/0123456789abcdef0123456789abcdef",
    "diskEncryptionKeyVaultId": f"{_SUBSCRIPTION}/resourceGroups/secrets/providers/Microsoft.KeyVault/vaults/keys",
    "existingBackupStorageAccountId": (
        f"{_SUBSCRIPTION}/resourceGroups/archive/providers/Microsoft.Storage/storageAccounts/starchive"
    ),
}


class _NoCallbacks:
    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        """Take a hook, and never call it: no script runs."""

    def register_error_hook(self, hook: pulumi.ErrorHook) -> None:
        """The same: nothing fails."""


class _Recorder(MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Answers())
        self.recorded: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:
        if request.type != "pulumi:pulumi:Stack":
            self.recorded.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    parent=_name(request.parent),
                    dependencies=sorted({_name(urn) for urn in request.dependencies}),
                    protect=request.protect,
                    delete_before_replace=request.deleteBeforeReplace,
                    replace_on_changes=list(request.replaceOnChanges),
                    ignore_changes=list(request.ignoreChanges),
                    inputs=readable(MessageToDict(request.object)),
                )
            )
        return super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType]


def _name(urn: str) -> str:
    name = urn.split("::")[-1]
    return "" if "pulumi:pulumi:Stack" in urn and "$" not in urn.split("::")[-2] else name


def record(stack: str, changes: Mapping[str, Any] | None = None) -> list[Resource]:
    """Run the program with a tracked stack's settings and throw-away secrets; once, for all who ask for the same.

    Returns:
        The resources, sorted by type and name; not to be changed.
    """
    settings = configuration.stack_settings(stack)
    real = {key: value for key, value in (changes or {}).items() if key not in settings or settings[key] != value}
    return _record(stack, json.dumps(real, sort_keys=True))


@functools.cache
def _record(stack: str, changes: str) -> list[Resource]:
    with _garbage_left_alone():
        recorded = _run(stack, json.loads(changes))
        # What the program leaves is left alone from now on, which costs some 10 MiB for each that is recorded.
        gc.freeze()
    return recorded


def record_anew(stack: str, changes: Mapping[str, Any]) -> list[Resource]:
    """Do the same, and keep nothing of it."""
    with _garbage_left_alone():
        return _run(stack, changes)


@contextmanager
def _garbage_left_alone() -> Generator[None]:
    """The program's thousands of outputs all live until its end: to look for garbage among them doubles the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _without_aliases(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Leave out what the SDK tells of a resource's former types, of which nothing is recorded: half of the time."""
    args.opts.aliases = None
    return pulumi.ResourceTransformationResult(args.props, args.opts)


class _Loop(asyncio.SelectorEventLoop):
    """A loop that does at once what is meant for another thread: the recorder waits for nobody."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


def _run(stack: str, changes: Mapping[str, Any]) -> list[Resource]:
    loop = _Loop()
    asyncio.set_event_loop(loop)
    recorder = _Recorder()
    # What earlier runs have left belongs to event loops that have gone.
    ROOT.set(None)
    left = cast(Any, SETTINGS)
    left.outputs.clear()
    left.rpc_manager.clear()
    pulumi.runtime.set_mocks(_Answers(), project="azure-mysql-ha", stack=stack, preview=False, monitor=recorder)
    left.callbacks = _NoCallbacks()
    configuration.use_stack(stack, changes)

    def program() -> None:
        pulumi.runtime.register_stack_transformation(_without_aliases)
        runpy.run_path(str(CHECKOUT / "__main__.py"))

    try:
        # What lies in a storage account is not asked of the provider, and none is here.
        with (
            patch("components.azure.restorable.read", return_value=None),
            # Where in the program a resource was made, which only a debugger asks: an eighth of the time.
            patch("pulumi.runtime.resource._get_stack_trace", return_value=StackTrace()),
        ):
            loop.run_until_complete(run_pulumi_func(program))
    finally:
        loop.close()
    return sorted(recorder.recorded, key=lambda resource: (resource.type, resource.name))


def as_sent(value: Any) -> Any:
    """Return inputs as the engine hands them over: whole numbers as such, secrets in clear."""
    if isinstance(value, dict):
        if set(value) == {"secret"}:  # pyright: ignore[reportUnknownArgumentType]
            return as_sent(value["secret"])
        return {key: as_sent(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [as_sent(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    return int(value) if isinstance(value, float) and value.is_integer() else value
