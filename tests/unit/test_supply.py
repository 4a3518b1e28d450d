"""No lock is taken for a good one of which nobody was asked; and none is forgotten."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.checkout import CHECKOUT
from tests.supply.audit import Answer, NobodyAnswers, audit, locks, of_govulncheck, of_npm, of_pip_audit

# In the forms of pip-audit 2.10, npm 11 and govulncheck 1.7.
FINE: dict[str, Any] = {"name": "idna", "version": "3.10", "vulns": []}
BAD = {"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "PYSEC-2014-8", "fix_versions": ["2.7.2"]}]}
SKIPPED = {"name": "idna", "skip_reason": "Dependency not found on PyPI and could not be audited: idna (3.10)"}
NPM_REFUSED = {"message": "405 Method Not Allowed", "statusCode": 405, "error": {"summary": "", "detail": ""}}
NPM_COUNT = {"dependencies": {"prod": 2, "total": 3}}
NPM_BAD = {
    "qs": {"via": [{"name": "qs", "range": "<6.14.1", "url": "https://github.com/advisories/GHSA-6rw7-vpxm-498p"}]},
    "express": {"via": ["qs"]},
}
GO_SBOM = {"SBOM": {"modules": [{"path": "stdlib", "version": "v1.26.8"}, {"path": "golang.org/x/sys"}]}}


def go_finding(module: str) -> dict[str, Any]:
    return {"finding": {"osv": "GO-2026-0001", "trace": [{"module": module, "version": "v0.42.0"}]}}


def go_said(*objects: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(each, indent=2)}\n" for each in ({"config": {"scan_level": "package"}}, *objects))


@pytest.mark.parametrize(
    ("read", "said", "packages", "known"),
    [
        (of_pip_audit, json.dumps({"dependencies": [FINE]}), 1, []),
        (of_pip_audit, json.dumps({"dependencies": [FINE, BAD]}), 2, ["jinja2 2.4.1: PYSEC-2014-8"]),
        (of_npm, json.dumps({"vulnerabilities": {}, "metadata": NPM_COUNT}), 3, []),
        (
            of_npm,
            json.dumps({"vulnerabilities": NPM_BAD, "metadata": NPM_COUNT}),
            3,
            ["qs <6.14.1: GHSA-6rw7-vpxm-498p"],
        ),
        (of_govulncheck, go_said(GO_SBOM, go_finding("stdlib")), 2, []),
        (
            of_govulncheck,
            go_said(GO_SBOM, *[go_finding("golang.org/x/sys")] * 2),
            2,
            ["golang.org/x/sys v0.42.0: GO-2026-0001"],
        ),
    ],
)
def test_what_is_known(read: Callable[[str], Answer], said: str, packages: int, known: list[str]) -> None:
    assert read(said) == Answer(packages, known)


@pytest.mark.parametrize(
    ("read", "said", "why"),
    [
        (
            of_pip_audit,
            json.dumps({"dependencies": [FINE, SKIPPED]}),
            "1 of 2 packages were skipped; the first: Dep",
        ),
        (of_pip_audit, "ERROR", "nothing that can be read"),
        (of_npm, json.dumps(NPM_REFUSED), "405 Method Not Allowed"),
        (of_govulncheck, go_said(), "no module was looked up"),
    ],
)
def test_no_answer_is_no_good_one(read: Callable[[str], Answer], said: str, why: str) -> None:
    with pytest.raises(NobodyAnswers, match=why):
        read(said)


def test_an_answer_is_kept_for_as_long_as_the_lock_is_the_same(tmp_path: Path) -> None:
    def nobody() -> Answer:
        raise NobodyAnswers("no such host")

    def told(ask: Callable[[], Answer]) -> tuple[bool, str]:
        (one,) = audit({"lock": ask}, tmp_path / "audited.json", tmp_path)
        return one

    (tmp_path / "lock").write_text("idna==3.10\n")
    assert told(nobody) == (False, "lock: not audited as it is, and nobody answers: no such host")
    assert not (tmp_path / "audited.json").exists()
    fine, line = told(lambda: Answer(44, []))
    assert fine and line.startswith("lock: 44 packages, no known vulnerability (20")
    assert told(nobody) == (True, line)
    fine, bad = told(lambda: Answer(44, ["idna 3.10: PYSEC-1"]))
    assert not fine and bad.startswith("lock: 44 packages, 1 known vulnerabilities: idna 3.10: PYSEC-1 (20")
    assert told(nobody) == (False, bad)
    (tmp_path / "lock").write_text("idna==3.11\n")
    assert told(nobody) == (False, "lock: not audited as it is, and nobody answers: no such host")


def test_every_lock_is_asked_about() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    kinds = ("requirements*.txt", "*.lock", "go.mod", "package-lock.json")
    there = {name for name in tracked.splitlines() if any(Path(name).match(kind) for kind in kinds)}
    assert {*locks()} == there
