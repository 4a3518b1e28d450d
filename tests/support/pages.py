"""Runs the commands of a page of docs/operations in a lab, and holds what they print against the page.

A block of a page that is fenced as `console` has commands behind a prompt, and below each what one should see. The
prompt names the machine: `SERVING$` and `OTHER$` are the nodes as they were when the page began, `CLIENT$` is an
application's machine, `HERE$` that with the checkout, from which Pulumi runs. In a page `…` stands for anything within
a line, or for any lines when it stands alone; words in capitals stand for names. A command that ends in
`# again, until` is repeated until it prints what is below it. One that reboots its machine may lose its connection.
"""

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.checkout import CHECKOUT
from lab.lab import Lab
from operations.ssh import by_name

PAGES = CHECKOUT / "docs" / "operations"

_AGAIN = re.compile(r"\s+# again, until$")
_REBOOTS = re.compile(r"\bsystemctl (\S+ )*reboot\b")
_CONNECTION_LOST = 255  # ssh(1)
_PATIENCE = 480.0  # seconds: a comparison of whole disks, on a machine that others use too


class PageError(Exception):
    """A command of a page did not do what the page says; the text has both."""


@dataclass(frozen=True)
class Step:
    """One command of a page.

    Args:
        where: the prompt's word.
        command: a shell line.
        again: whether it is repeated until it prints what is expected.
        expected: the lines that it should print; none for whatever it prints.
    """

    where: str
    command: str
    again: bool = False
    expected: tuple[str, ...] = ()


def steps(page: str) -> list[Step]:
    """Return the commands of a page, in order.

    Args:
        page: the name of a file of docs/operations, without .md.

    Raises:
        ValueError: a block begins with something else than a prompt.
    """
    found: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```$", (PAGES / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL):
        begun = len(found)
        for line in block.splitlines():
            if prompt := re.match(r"([A-Z]+)\$ (.*)", line):
                command = _AGAIN.sub("", prompt[2])
                found.append(Step(prompt[1], command, command != prompt[2]))
            elif len(found) == begun:
                raise ValueError(f"{page}: a block begins without a prompt: {line}")
            else:
                last = found.pop()
                found.append(Step(last.where, last.command, last.again, (*last.expected, line)))
    return found


def fits(expected: Sequence[str], printed: str) -> bool:
    """Tell whether a command has printed what a page says.

    Args:
        expected: the page's lines. Spaces count as one, empty lines not at all; a `…` alone is any lines, within a
            line any text.
        printed: all that the command has printed.
    """
    pattern = ""
    for line in filter(str.strip, expected):
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += (
                r"\s+".join(".*".join(re.escape(part) for part in word.split("…")) for word in line.split()) + "\n"
            )
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


@dataclass(frozen=True)
class Runner:
    """Runs pages in a lab.

    Args:
        lab: the lab.
        names: what the words in capitals stand for, SERVING and OTHER among them.
        desk: the folder in which CLIENT's and HERE's commands run.
        variables: their environment; each has a shell of its own, so what is exported for all belongs here.
    """

    lab: Lab
    names: dict[str, str]
    desk: Path
    variables: dict[str, str]

    def run(self, page: str) -> None:
        """Run a page from its first command to its last.

        Args:
            page: its name, without .md.

        Raises:
            PageError: a command failed, or printed something else.
        """
        for step in steps(page):
            self.take(step)

    def take(self, step: Step) -> None:
        """Run one command.

        Args:
            step: one of `steps`.

        Raises:
            PageError: it failed, or printed something else.
        """
        command, expected = self._named(step.command), [self._named(line) for line in step.expected]
        self.lab.progress(f"{step.where}$ {command}")
        end = time.monotonic() + _PATIENCE
        while True:
            run = self._execute(step.where, command)
            well = (0, _CONNECTION_LOST) if _REBOOTS.search(command) else (0,)
            if run.returncode in well and (not expected or fits(expected, run.stdout)):
                return
            if not step.again or time.monotonic() > end:
                wanted = "\n".join(expected) or "anything, without an error"
                raise PageError(
                    f"{step.where}$ {command}\nexpected:\n{wanted}\n"
                    f"printed, with exit code {run.returncode}:\n{run.stdout}"
                )
            time.sleep(1)

    def _execute(self, where: str, command: str) -> subprocess.CompletedProcess[str]:
        if where in ("SERVING", "OTHER"):
            arguments = by_name(self.lab.nodes(), self.names[where]).command(command)
        else:
            arguments = [*self.lab.prefix, "bash", "-c", command]
        return subprocess.run(
            arguments, cwd=self.desk, env=dict(self.variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=_PATIENCE, check=False,
        )  # fmt: skip

    def _named(self, text: str) -> str:
        pattern = r"\b(" + "|".join(re.escape(word) for word in self.names) + r")\b"
        return re.sub(pattern, lambda found: self.names[found[1]], text)
