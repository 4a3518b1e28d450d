"""Faults of the network that are made inside of a node, by the kernel's traffic control: so on Azure, too.

They end with the machine: one that is switched off comes back without them.
"""

import subprocess

from components import ports
from operations.ssh import Node

_FIND = (
    "set -e; peer=$(getent ahostsv4 {peer} | while read -r address _; do echo $address; break; done); "
    "route=$(ip -oneline route get $peer); device=${{route#* dev }}; device=${{device%% *}}; "
    "modprobe -a sch_ingress sch_prio sch_netem cls_u32 act_gact 2>/dev/null || true; "
)

# clsact has a hook for each direction; none of them delays what no filter names.
_CLSACT = "tc qdisc replace dev $device clsact; "
_DROP_IN = "tc filter add dev $device ingress protocol ip prio 10 u32 match ip src $peer/32 action drop; "
_DROP_OUT = "tc filter add dev $device egress protocol ip prio 10 u32 match ip dst $peer/32 action drop; "


def drop_from(node: Node, peer: Node) -> None:
    """Let a node hear nothing from its peer; the peer still hears it."""
    node.run(_FIND.format(peer=peer.name) + _CLSACT + _DROP_IN)


def drop_both(node: Node, peer: Node) -> None:
    """Let a node neither hear its peer nor be heard by it."""
    node.run(_FIND.format(peer=peer.name) + _CLSACT + _DROP_IN + _DROP_OUT)


def lose(node: Node, peer: Node, percent: int) -> None:
    """Lose a share of the packets that a node sends to its peer, at random.

    Args:
        peer: the receiver; traffic to all others is left alone.
        percent: 1 to 100.
    """
    node.run(
        _FIND.format(peer=peer.name)
        # The fourth band gets only what the filter sends there.
        + "tc qdisc replace dev $device root handle 1: prio bands 4; "
        + f"tc qdisc add dev $device parent 1:4 handle 40: netem loss {percent}%; "
        + "tc filter add dev $device parent 1: protocol ip prio 10 u32 match ip dst $peer/32 flowid 1:4; "
    )


def drop_drbd(node: Node, peer: Node) -> None:
    """Let a node hear nothing of its peer's DRBD, by either of its two connections or a tunnel; all else goes on."""
    drop = "tc filter add dev $device ingress protocol ip prio 20 u32 match ip src $peer/32 "
    ends = [f"match ip protocol 6 0xff match ip {end} {ports.DRBD} 0xffff" for end in ("sport", "dport")]
    ends += [f"match ip protocol 17 0xff match ip dport {port} 0xffff" for port in ports.WIREGUARD]
    node.run(_FIND.format(peer=peer.name) + _CLSACT + "".join(f"{drop} {end} action drop; " for end in ends))


def drop_probe(node: Node, peer: Node, port: int) -> None:
    """Let the balancer's probe of a node get no answer; the listener itself stays as it is.

    Args:
        peer: the other one, by which the interface is found.
    """
    node.run(
        _FIND.format(peer=peer.name)
        + _CLSACT
        + "tc filter add dev $device ingress protocol ip prio 20 u32 match ip protocol 6 0xff "
        + f"match ip src 168.63.129.16/32 match ip dport {port} 0xffff action drop; "
    )


def clear(node: Node) -> None:
    """Undo all of these; nothing happens where there is none, or where the node cannot be reached."""
    try:
        node.run(
            "for folder in /sys/class/net/*; do device=${folder##*/}; tc qdisc delete dev $device clsact; "
            "[[ $(tc qdisc show dev $device root) != *'prio 1:'* ]] || tc qdisc delete dev $device root; done 2>&1",
            check=False,
            timeout=15,
        )
    except subprocess.TimeoutExpired:
        return
