"""What is written on a resource's box."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.recording import Resource

SCRIPT = "command:remote:Command"


def facts(resource: Resource, width: int) -> list[str]:
    """Return up to two lines on a resource, out of its inputs.

    Args:
        resource: any that is not a component.
        width: the most characters of a line.
    """
    inputs = resource.inputs
    match resource.type.split(":")[-1]:
        case "Command" if resource.type != SCRIPT:
            return ["a command, run", "where Pulumi runs"]
        case "Command":
            # The purpose, on top of each script; where it is too long, what is behind its last comma is left out.
            purpose = inputs["stdin"].splitlines()[1].removeprefix("# ")
            if len(textwrap.wrap(purpose, width)) > 2 and "," in purpose:
                purpose = purpose.rpartition(",")[0]
            return textwrap.wrap(purpose, width, max_lines=2, placeholder="…")
        case "VirtualMachine":
            return [inputs["hardwareProfile"]["vmSize"]]
        case "Disk":
            return ["Disk", f"{inputs['diskSizeGB']} GiB"]
        case "NetworkInterface":
            return ["NetworkInterface", inputs["ipConfigurations"][0]["privateIPAddress"]]
        case "VirtualNetwork":
            return ["VirtualNetwork", *inputs["addressSpace"]["addressPrefixes"]]
        case "Subnet":
            return ["Subnet", inputs["addressPrefix"]]
        case "LoadBalancer":
            return ["LoadBalancer", f"probe: {inputs['probes'][0]['port']}"]
        case "NetworkSecurityGroup":
            return ["NetworkSecurityGroup", f"lets in {len(let_in_ports(inputs['securityRules']))} ports"]
        case "RoleDefinition":
            actions = inputs["permissions"][0]["actions"]
            return [
                "RoleDefinition",
                ", ".join(dict.fromkeys(one.removesuffix("/action").split("/")[-1] for one in actions)),
            ]
        case "RoleAssignment":
            return ["RoleAssignment", f"at {inputs['scope'].split('/')[-1]}"]
        case other:
            return [other]


def let_in_ports(rules: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ports that rules let in, in order."""
    return sorted(
        {port for rule in rules if rule["access"] == "Allow" for port in rule["destinationPortRanges"]}, key=int
    )
