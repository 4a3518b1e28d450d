"""The stand-in's conversions between the SDK's flat objects and ARM's, its comparisons, and its wire format."""

from typing import Any

import pytest
from google.protobuf import struct_pb2

from lab.azure_native.convert import overlay, to_body, to_inputs, to_outputs, to_preview
from lab.azure_native.diff import Change, Kind, carry_over, compare
from lab.azure_native.schema import Shape
from lab.azure_native.sdk import resource_types
from lab.azure_native.values import UNKNOWN, Secret, from_struct, plain, secret_strings, to_struct, with_secrets_of

pytestmark = pytest.mark.xdist_group("recorded")


def shape_of(name: str) -> Shape:
    """Return the shape of a resource type's properties."""
    return resource_types()[f"azure-native:{name}"].shape


ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/lb"

# A flat object of the SDK and the body that the real plug-in sends for it (Microsoft.Network 2024-05-01, …), where
# something is renamed, nested or resolved. What is merely kept under `properties`, test_requests holds against
# Microsoft's own types, for every type of the program.
PAIRS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "network:VirtualNetwork",
        {
            "location": "westeurope",
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [
                {
                    "name": "a",
                    "addressPrefix": "10.0.0.0/24",
                    "networkSecurityGroup": {"id": "/nsg"},
                    "delegations": [{"name": "d", "serviceName": "x"}],
                }
            ],
        },
        {
            "location": "westeurope",
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
                "subnets": [
                    {
                        "name": "a",
                        "properties": {
                            "addressPrefix": "10.0.0.0/24",
                            "networkSecurityGroup": {"id": "/nsg"},
                            "delegations": [{"name": "d", "properties": {"serviceName": "x"}}],
                        },
                    }
                ],
            },
        },
    ),
    (
        "storage:StorageAccount",
        {
            "location": "x",
            "kind": "StorageV2",
            "sku": {"name": "Standard_ZRS"},
            "enableHttpsTrafficOnly": True,
            "allowSharedKeyAccess": False,
        },
        {
            "location": "x",
            "kind": "StorageV2",
            "sku": {"name": "Standard_ZRS"},
            "properties": {"supportsHttpsTrafficOnly": True, "allowSharedKeyAccess": False},
        },
    ),
    (
        "monitor:MetricAlert",
        {
            "location": "global",
            "severity": 0,
            "scopes": ["/lb"],
            "criteria": {
                "odataType": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                "allOf": [{"name": "probe", "criterionType": "StaticThresholdCriterion", "threshold": 25}],
            },
            "actions": [{"actionGroupId": "/ag"}],
        },
        {
            "location": "global",
            "properties": {
                "severity": 0,
                "scopes": ["/lb"],
                "criteria": {
                    "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                    "allOf": [{"name": "probe", "criterionType": "StaticThresholdCriterion", "threshold": 25}],
                },
                "actions": [{"actionGroupId": "/ag"}],
            },
        },
    ),
    (
        "network:PublicIPAddress",
        {
            "sku": {"name": "Standard"},
            "zones": ["1"],
            "publicIPAllocationMethod": "Static",
            "dnsSettings": {"domainNameLabel": "shop"},
        },
        {
            "sku": {"name": "Standard"},
            "zones": ["1"],
            "properties": {"publicIPAllocationMethod": "Static", "dnsSettings": {"domainNameLabel": "shop"}},
        },
    ),
    (
        "network:NatGateway",
        {"sku": {"name": "Standard"}, "idleTimeoutInMinutes": 4, "publicIpAddresses": [{"id": "/ip"}]},
        {
            "sku": {"name": "Standard"},
            "properties": {"idleTimeoutInMinutes": 4, "publicIpAddresses": [{"id": "/ip"}]},
        },
    ),
    (
        "network:LoadBalancer",
        {
            "sku": {"name": "Standard"},
            "frontendIPConfigurations": [
                {"name": "f", "zones": ["1", "2"], "privateIPAddress": "10.0.0.9", "subnet": {"id": "/sn"}}
            ],
            "backendAddressPools": [{"name": "p"}],
            "probes": [{"name": "alive", "port": 3307, "protocol": "Tcp"}],
            "inboundNatRules": [{"name": "n", "frontendPort": 22, "frontendIPConfiguration": {"id": f"{ID}/f"}}],
            "loadBalancingRules": [
                {
                    "name": "mysql",
                    "frontendPort": 3306,
                    "probe": {"id": "$self/probes/alive"},
                    "enableTcpReset": True,
                }
            ],
        },
        {
            "sku": {"name": "Standard"},
            "properties": {
                "frontendIPConfigurations": [
                    {
                        "name": "f",
                        "zones": ["1", "2"],
                        "properties": {"privateIPAddress": "10.0.0.9", "subnet": {"id": "/sn"}},
                    }
                ],
                "backendAddressPools": [{"name": "p"}],
                "probes": [{"name": "alive", "properties": {"port": 3307, "protocol": "Tcp"}}],
                "inboundNatRules": [
                    {"name": "n", "properties": {"frontendPort": 22, "frontendIPConfiguration": {"id": f"{ID}/f"}}}
                ],
                "loadBalancingRules": [
                    {
                        "name": "mysql",
                        "properties": {
                            "frontendPort": 3306,
                            "probe": {"id": f"{ID}/probes/alive"},
                            "enableTcpReset": True,
                        },
                    }
                ],
            },
        },
    ),
    (
        "network:NetworkInterface",
        {
            "enableAcceleratedNetworking": True,
            "ipConfigurations": [
                {
                    "name": "main",
                    "privateIPAddress": "10.0.0.4",
                    "subnet": {"id": "/sn"},
                    "publicIPAddress": {"id": "/ip"},
                    "loadBalancerBackendAddressPools": [{"id": "/pool"}],
                    "loadBalancerInboundNatRules": [{"id": "/rule"}],
                }
            ],
        },
        {
            "properties": {
                "enableAcceleratedNetworking": True,
                "ipConfigurations": [
                    {
                        "name": "main",
                        "properties": {
                            "privateIPAddress": "10.0.0.4",
                            "subnet": {"id": "/sn"},
                            "publicIPAddress": {"id": "/ip"},
                            "loadBalancerBackendAddressPools": [{"id": "/pool"}],
                            "loadBalancerInboundNatRules": [{"id": "/rule"}],
                        },
                    }
                ],
            }
        },
    ),
    (
        "compute:VirtualMachine",
        {
            "location": "x",
            "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": ["/u"]},
            "availabilitySet": {"id": "/as"},
            "osProfile": {"computerName": "a", "linuxConfiguration": {"ssh": {"publicKeys": [{"keyData": "k"}]}}},
            "storageProfile": {"dataDisks": [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": "/d"}}]},
            "networkProfile": {"networkInterfaces": [{"id": "/nic", "primary": True, "deleteOption": "Delete"}]},
        },
        {
            "location": "x",
            "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/u": {}}},
            "properties": {
                "availabilitySet": {"id": "/as"},
                "osProfile": {"computerName": "a", "linuxConfiguration": {"ssh": {"publicKeys": [{"keyData": "k"}]}}},
                "storageProfile": {"dataDisks": [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": "/d"}}]},
                "networkProfile": {
                    "networkInterfaces": [{"id": "/nic", "properties": {"primary": True, "deleteOption": "Delete"}}]
                },
            },
        },
    ),
    (
        "authorization:RoleDefinition",
        {"roleName": "fence", "roleType": "CustomRole", "permissions": [{"actions": ["a"]}]},
        {"properties": {"roleName": "fence", "type": "CustomRole", "permissions": [{"actions": ["a"]}]}},
    ),
]


@pytest.mark.parametrize(("token", "flat", "body"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_body(token: str, flat: dict[str, Any], body: dict[str, Any]) -> None:
    assert to_body(shape_of(token), flat, ID) == body


@pytest.mark.parametrize(("token", "flat", "body"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_what_was_sent_comes_back(token: str, flat: dict[str, Any], body: dict[str, Any]) -> None:
    back = to_inputs(shape_of(token), to_outputs(shape_of(token), body))
    resolved = to_inputs(shape_of(token), to_outputs(shape_of(token), to_body(shape_of(token), flat, ID)))
    assert back == resolved
    if "$self" not in str(flat):
        assert back == flat


def test_body_leaves_out_names_and_what_the_sdk_does_not_have() -> None:
    inputs = {"resourceGroupName": "g", "vmName": "v", "azureApiVersion": "1", "nonsense": 1, "location": "x"}
    assert to_body(shape_of("compute:VirtualMachine"), inputs, ID) == {"location": "x"}


def test_outputs_have_what_azure_adds() -> None:
    answer = {
        "id": "/vm",
        "name": "vm",
        "type": "Microsoft.Compute/virtualMachines",
        "location": "x",
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "properties": {"vmId": "v", "provisioningState": "Succeeded", "availabilitySet": None, "unheardOf": 1},
    }
    assert to_outputs(shape_of("compute:VirtualMachine"), answer) == {
        "name": "vm",
        "type": "Microsoft.Compute/virtualMachines",
        "location": "x",
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "vmId": "v",
        "provisioningState": "Succeeded",
    }


def test_outputs_of_a_workspace_and_what_azure_makes_with_it() -> None:
    """The program makes none of them, and reads all."""
    settings = {"dataCollectionRuleResourceId": "/rule", "dataCollectionEndpointResourceId": "/endpoint"}
    endpoint = {"metricsIngestion": {"endpoint": "https://m"}, "networkAcls": {"publicNetworkAccess": "Enabled"}}
    for token, properties in (
        ("monitor:AzureMonitorWorkspace", {"defaultIngestionSettings": settings}),
        ("monitor:DataCollectionEndpoint", endpoint),
        ("monitor:DataCollectionRule", {"immutableId": "dcr-0", "dataCollectionEndpointId": "/endpoint"}),
    ):
        assert to_outputs(shape_of(token), {"location": "x", "properties": properties}) == {
            "location": "x",
            **properties,
        }


def test_a_role_definition_has_two_types() -> None:
    answer = {"type": "Microsoft.Authorization/roleDefinitions", "properties": {"type": "CustomRole"}}
    outputs = to_outputs(shape_of("authorization:RoleDefinition"), answer)
    assert outputs == {"type": "Microsoft.Authorization/roleDefinitions", "roleType": "CustomRole"}


def test_inputs_have_nothing_that_only_azure_sets() -> None:
    outputs = {
        "name": "lb",
        "etag": "e",
        "provisioningState": "Succeeded",
        "probes": [{"id": "/p", "name": "alive", "etag": "e", "port": 1, "loadBalancingRules": [{"id": "/r"}]}],
    }
    assert to_inputs(shape_of("network:LoadBalancer"), outputs) == {
        "probes": [{"id": "/p", "name": "alive", "port": 1}]
    }


def test_preview_knows_the_inputs_and_nothing_else() -> None:
    preview = to_preview(shape_of("compute:VirtualMachine"), {"location": "x", "identity": {"type": "SystemAssigned"}})
    assert preview["location"] == "x"
    assert preview["vmId"] == UNKNOWN
    assert preview["name"] == UNKNOWN
    assert preview["availabilitySet"] == UNKNOWN
    assert preview["identity"] == {
        "type": "SystemAssigned",
        "principalId": UNKNOWN,
        "tenantId": UNKNOWN,
        "userAssignedIdentities": UNKNOWN,
    }


def test_overlay_keeps_what_is_known() -> None:
    old = {"vmId": "v", "tags": {"a": "1"}, "identity": {"type": "S", "principalId": "p"}, "gone": 1}
    new = {"vmId": UNKNOWN, "tags": {"a": "2"}, "identity": {"type": "S", "principalId": UNKNOWN}, "etag": UNKNOWN}
    assert overlay(old, new) == {
        "vmId": "v",
        "tags": {"a": "2"},
        "identity": {"type": "S", "principalId": "p"},
    }


def test_overlay_does_not_mix_up_elements() -> None:
    old = {"probes": [{"name": "a", "id": "/a"}]}
    new = {"probes": [{"name": "b", "id": UNKNOWN}, {"name": "a", "id": UNKNOWN}]}
    assert overlay(old, new) == new


# --- comparing


def test_no_difference() -> None:
    inputs = {"a": 1, "b": [{"c": None}], "location": "West Europe"}
    assert compare(inputs, {"a": 1.0, "b": [{}], "location": "westeurope", "d": None}, ["a"]) == {}


def test_differences_by_path() -> None:
    old = {"tags": {"a": "1", "x.y": "1"}, "rules": [{"p": 1}, {"p": 2}], "name": "a", "flag": True}
    new = {"tags": {"a": "2"}, "rules": [{"p": 1}, {"p": 3}, {"p": 4}], "name": "b", "flag": 1, "new": {}}
    assert compare(old, new, ["name"]) == {
        "tags.a": Change(Kind.UPDATE, False),
        'tags["x.y"]': Change(Kind.DELETE, False),
        "rules[1].p": Change(Kind.UPDATE, False),
        "rules[2]": Change(Kind.ADD, False),
        "name": Change(Kind.UPDATE, True),
        "flag": Change(Kind.UPDATE, False),
        "new": Change(Kind.ADD, False),
    }


def test_a_part_of_what_replaces_replaces() -> None:
    assert compare({"sku": {"name": "Basic"}}, {"sku": {"name": "Standard"}}, ["sku"]) == {
        "sku.name": Change(Kind.UPDATE, True)
    }


def test_an_unknown_value_is_a_changed_one() -> None:
    assert compare({"a": "1"}, {"a": UNKNOWN}, []) == {"a": Change(Kind.UPDATE, False)}


def test_carry_over_takes_what_changed_and_no_defaults() -> None:
    inputs = {"tags": {"a": "1"}, "rules": [{"name": "r", "port": 1}], "password": "p"}
    before = {"tags": {"a": "1"}, "rules": [{"name": "r", "port": 1, "timeout": 4}], "mode": "default"}
    after = {"tags": {"a": "2"}, "rules": [{"name": "r", "port": 9, "timeout": 4}, {"name": "s"}], "mode": "default"}
    assert carry_over(inputs, before, after) == {
        "tags": {"a": "2"},
        "rules": [{"name": "r", "port": 9}, {"name": "s"}],
        "password": "p",
    }


def test_carry_over_of_what_is_gone_and_what_is_new() -> None:
    assert carry_over({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"b": 2, "c": 3}) == {"b": 2, "c": 3}


def test_carry_over_of_nothing() -> None:
    inputs = {"a": 1}
    assert carry_over(inputs, {"a": 1, "d": 2}, {"d": 2, "a": 1}) == inputs


# --- secrets and the wire


def test_wire_and_back() -> None:
    values: dict[str, Any] = {
        "a": 1,
        "b": 1.5,
        "c": True,
        "d": ["x", {"e": Secret({"f": "g"})}],
        "h": UNKNOWN,
        "i": {},
        "j": [],
    }
    back = from_struct(to_struct(values))
    assert back == values
    assert [type(back[key]) for key in "abc"] == [int, float, bool]


def test_wire_of_outputs_and_resources() -> None:
    signature, output, resource = (
        "4dabf18193072939515e22adb298388d",
        "d0e6a833031e9bbcd3f4e8bde6ca49a4",
        "5cf8f73096256a8f31e491e813e4eb8e",
    )
    message = struct_pb2.Struct()
    message.update(
        {
            "known": {signature: output, "value": "v", "secret": True},
            "unknown": {signature: output},
            "resource": {signature: resource, "urn": "u", "id": "/id"},
            "number": "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
            "nothing": None,
        }
    )
    assert from_struct(message) == {"known": Secret("v"), "unknown": UNKNOWN, "resource": "/id", "number": UNKNOWN}


def test_a_secret_is_not_shown() -> None:
    assert "word" not in f"{Secret('word')} {Secret('word')!r} { {'a': Secret('word')} }"


def test_secrets_stay_secret() -> None:
    source = {"a": Secret("x"), "b": {"c": Secret("y"), "d": 1}, "e": [1, {"f": Secret("z")}], "gone": Secret("g")}
    value = {"a": "x", "b": {"c": "y", "d": 1}, "e": [1, {"f": "z"}], "other": 1}
    marked = with_secrets_of(value, source)
    assert marked == {"a": Secret("x"), "b": {"c": Secret("y"), "d": 1}, "e": Secret([1, {"f": "z"}]), "other": 1}
    assert plain(marked) == value
    assert sorted(secret_strings(source)) == ["g", "x", "y", "z"]
