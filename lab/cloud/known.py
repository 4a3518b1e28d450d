"""Which properties Azure knows: a body with another one is refused, as Azure refuses what it cannot read.

known_properties.json has them by Microsoft's own classes, a line each; tests/unit/test_requests.py writes it from the
models of azure-mgmt-compute, -network, -resource, -storage and their kin, which take too long to load here.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

from lab.cloud.errors import bad_request
from lab.cloud.inventory import (
    ACTION_GROUP,
    AVAILABILITY_SET,
    BALANCER,
    BLOB_CONTAINER,
    BLOB_SERVICE,
    DISK,
    DNS_RECORD,
    ENCRYPTION_SET,
    GROUP,
    IMMUTABILITY_POLICY,
    INTERFACE,
    LOCK,
    MACHINE,
    MANAGEMENT_POLICY,
    METRIC_ALERT,
    NAT_GATEWAY,
    NETWORK,
    PRIVATE_ZONE,
    PUBLIC_ADDRESS,
    ROLE_ASSIGNMENT,
    ROLE_DEFINITION,
    SECURITY_GROUP,
    STORAGE_ACCOUNT,
    ZONE_LINK,
)
from lab.cloud.model import Json

FILE = Path(__file__).with_name("known_properties.json")

CLASSES = {
    GROUP: "resource.ResourceGroup",
    NETWORK: "network.VirtualNetwork",
    f"{NETWORK}/subnets": "network.Subnet",
    SECURITY_GROUP: "network.NetworkSecurityGroup",
    PUBLIC_ADDRESS: "network.PublicIPAddress",
    NAT_GATEWAY: "network.NatGateway",
    BALANCER: "network.LoadBalancer",
    INTERFACE: "network.NetworkInterface",
    PRIVATE_ZONE: "privatedns.PrivateZone",
    ZONE_LINK: "privatedns.VirtualNetworkLink",
    DNS_RECORD: "privatedns.RecordSet",
    AVAILABILITY_SET: "compute.AvailabilitySet",
    DISK: "compute.Disk",
    ENCRYPTION_SET: "compute.DiskEncryptionSet",
    MACHINE: "compute.VirtualMachine",
    ACTION_GROUP: "monitor.ActionGroupResource",
    METRIC_ALERT: "monitor.MetricAlertResource",
    STORAGE_ACCOUNT: "storage.StorageAccount",
    BLOB_SERVICE: "storage.BlobServiceProperties",
    BLOB_CONTAINER: "storage.BlobContainer",
    IMMUTABILITY_POLICY: "storage.ImmutabilityPolicy",
    MANAGEMENT_POLICY: "storage.ManagementPolicy",
    ROLE_DEFINITION: "authorization.RoleDefinition",
    ROLE_ASSIGNMENT: "authorization.RoleAssignment",
    LOCK: "locks.ManagementLockObject",
}
"""Resource types, and the class of each; of others every property is taken for known."""


_SHOWN = ("etag", "provisioningState")
"""What the lab shows of every resource, Azure only of most; what has been shown may be sent back."""


@cache
def _properties() -> dict[str, dict[str, str]]:
    return json.loads(FILE.read_text(encoding="utf-8"))


def check(type_: str, body: Json) -> None:
    """Refuse a body with a property that Azure does not know.

    Args:
        type_: the resource type, in Azure's spelling.
        body: of a PUT, or of a PATCH.

    Raises:
        ArmError: 400, InvalidRequestFormat for network resources, BadRequest for others.
    """
    if type_ in CLASSES:
        _check(CLASSES[type_], body, "")


def _check(name: str, value: Any, path: str) -> None:
    if isinstance(value, list):
        for number, each in enumerate(cast(list[Any], value)):
            _check(name, each, f"{path}[{number}]")
    if not isinstance(value, dict):
        return
    known = {key.lower(): inner for key, inner in _properties()[name].items()}
    for key, inner in cast(Json, value).items():
        place = f"{path}.{key}".lstrip(".")
        if key in _SHOWN:
            continue
        if key.lower() not in known:
            module, _, kind = name.partition(".")
            raise bad_request(
                "InvalidRequestFormat" if module == "network" else "BadRequest",
                f"Could not find member '{key}' on object of type '{kind}'. Path '{place}'.",
                place,
            )
        if known[key.lower()]:
            _check(known[key.lower()], inner, place)
