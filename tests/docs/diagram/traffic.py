"""Who speaks with whom, in the picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components import ports
from tests.docs.diagram.box import BOX, Box
from tests.docs.diagram.drawing import Drawing
from tests.docs.diagram.facts import let_in_ports

_PROTOCOLS = {
    "22": "SSH",
    "3306": "MySQL",
    "5405": "Corosync",
    "7789": "DRBD",
    **{str(port): "WireGuard" for port in ports.WIREGUARD},
}


def draw_traffic(picture: Drawing, boxes: Mapping[str, Box], machines: Sequence[str]) -> None:
    """Draw who speaks with whom, as far as the balancer's and the security group's rules say it.

    Args:
        machines: names of the machines, the two nodes first.
    """
    by_type = {box.resource.type.split(":")[-1]: box for box in boxes.values()}
    balancer, rules = by_type["LoadBalancer"], by_type["NetworkSecurityGroup"].resource.inputs["securityRules"]
    subnet = by_type["Subnet"].resource.inputs["addressPrefix"]
    entry = boxes["endpoint-address"]
    served = balancer.resource.inputs["loadBalancingRules"]
    logins = [
        rule
        for rule in balancer.resource.inputs["inboundNatRules"]
        if any(rule["name"].endswith(f"-{machine}") for machine in machines)
    ]

    def let_in(port: int) -> list[str]:
        """Return who may come to a port from outside."""
        return next(rule["sourceAddressPrefixes"] for rule in rules if rule["destinationPortRanges"] == [str(port)])

    for x, who, origins, port in (
        (entry.x - 105, "MySQL clients", let_in(served[0]["backendPort"]), _listed(served)),
        (entry.x + 105, "administrators, pulumi", let_in(logins[0]["backendPort"]), f"SSH: {_listed(logins)}"),
    ):
        picture.rectangle("outside", x - 85, 10, 170, 38)
        picture.text("title", x, 26, who, "middle")
        picture.text("small", x, 40, ", ".join(origins), "middle")
        inner = entry.x + (20 if x > entry.x else -20)
        picture.line("traffic", f"M{x:g} 48 V70 H{inner:g} V{entry.y - 2:g}", end="flow")
        picture.text("said", x + (8 if x > entry.x else -8), 64, port, "start" if x > entry.x else "end")
    first, second = (boxes[name] for name in machines[:2])
    y = first.y + BOX[1] / 2
    picture.line(
        "traffic", f"M{first.x + BOX[0] / 2 + 3:g} {y:g} H{second.x - BOX[0] / 2 - 3:g}", start="flow", end="flow"
    )
    between = [rule for rule in rules if rule.get("sourceAddressPrefixes") == [subnet]]
    said = ", ".join(f"{_PROTOCOLS.get(port, 'port')} {port}" for port in let_in_ports(between))
    picture.text("said", (first.x + second.x) / 2, y - 8, said, "middle")


def _listed(rules: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(str(rule["frontendPort"]) for rule in rules)
