"""The service of a lab's cluster: which node serves, and whether all is well."""

import time

from lab import application
from lab.lab import Lab
from operations.ssh import Node, by_name


def serving(lab: Lab) -> Node:
    name = lab.status().serving
    assert name
    return by_name(lab.nodes(), name)


def peer(lab: Lab, node: Node) -> Node:
    return next(other for other in lab.nodes() if other.name != node.name)


def idle(lab: Lab) -> Node:
    return peer(lab, serving(lab))


def wait_until_well(lab: Lab, seconds: float = 180) -> None:
    """Wait until both nodes are members with good data, one of them serves, and the endpoint answers.

    An update ends when the endpoint has answered, which is a moment before Pacemaker calls the server started.

    Raises:
        TimeoutError: that was not so within these seconds; its text is what the cluster says of itself.
    """
    end = time.monotonic() + seconds
    while True:
        now = lab.status()
        if (
            now.serving is not None
            and all(node.online and not node.standby for node in now.nodes)
            and all((node.drbd_connection, node.drbd_disk) == ("Connected", "UpToDate") for node in now.nodes)
            and application.answers(lab)
        ):
            return
        if time.monotonic() > end:
            raise TimeoutError(f"not healthy within {seconds:.0f} s; the last state:\n{now.as_text()}")
        # To ask costs the guests more than to wait.
        time.sleep(2)
