"""Asking the nodes of a cluster how they are, over SSH."""

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from components.checkout import CONFIGS
from operations.ssh import Node
from operations.stack import Stack
from operations.status import facts
from operations.status.facts import Facts

LOOK = (CONFIGS / "pacemaker" / "look.py").read_text(encoding="utf-8")


def ask(nodes: Sequence[Node], witness: str | None = None) -> Facts:
    """Ask every node, each with one login."""
    wanted = " ".join(facts.wanted(witness))

    def answer(node: Node) -> str:
        try:
            return node.run(f"python3 -IS - {wanted}", timeout=30, check=False, text=LOOK)
        except subprocess.TimeoutExpired:
            return ""

    with ThreadPoolExecutor() as pool:
        answers = dict(zip((node.name for node in nodes), pool.map(answer, nodes), strict=True))
    return facts.read(answers, witness)


def ask_stack(stack: Stack) -> Facts:
    """Ask every node of a stack, of a witness too where it has one."""
    return ask(stack.nodes, stack.outputs.get("witness"))
