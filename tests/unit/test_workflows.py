"""The workflows of .github: what actionlint and zizmor (`make lint`) do not know of this project."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.checkout import CHECKOUT
from lab import toolchain

WORKFLOWS = sorted((CHECKOUT / ".github/workflows").glob("*.yaml"))


def jobs(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())["jobs"]


def test_they_are_there() -> None:
    assert [file.stem for file in WORKFLOWS] == ["audit", "drift", "nightly", "preview", "test", "up"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_rights(file: Path) -> None:
    text = file.read_text()
    assert "pull_request_target" not in text and "secrets." not in text
    assert yaml.safe_load(text)["permissions"] == {}
    allowed = {"preview": {"id-token", "pull-requests"}, "drift": {"id-token", "issues"}, "up": {"id-token"}}
    for name, job in jobs(file).items():
        rights = dict(job["permissions"])
        assert rights.pop("contents") == "read"
        assert set(rights) == (allowed.get(name, set()) if name == file.stem else set())
        assert job["timeout-minutes"] <= (350 if file.stem == "nightly" else 120)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_and_images_are_pinned(file: Path) -> None:
    for action in re.findall(r"uses: (.*)", file.read_text()):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    for job in jobs(file).values():
        if "container" in job:
            assert re.search(r"@sha256:[0-9a-f]{64}$", job["container"]["image"])


def pulumi_versions(job: dict[str, Any]) -> list[str]:
    return [step["with"]["pulumi-version"] for step in job["steps"] if "pulumi-version" in step.get("with", {})]


@pytest.mark.parametrize("name", ["preview", "up", "drift"])
def test_each_runs_the_cli_that_is_tested(name: str) -> None:
    job = jobs(CHECKOUT / f".github/workflows/{name}.yaml")[name]
    assert pulumi_versions(job) == [toolchain.pinned_version()]
    assert f"-m pipeline {name} " in job["steps"][-1]["run"]
    # An environment names the identity: that of a preview is not that which may change something.
    assert job["environment"] == ("${{ matrix.stack }}" if name == "up" else "${{ matrix.stack }}-preview")


def test_an_update_is_asked_for_before() -> None:
    runs = [step.get("run", "") for step in jobs(CHECKOUT / ".github/workflows/up.yaml")["up"]["steps"]]
    assert [words.split()[-2] for words in runs[-2:]] == ["check", "up"]


def test_a_fork_gets_no_identity() -> None:
    first = jobs(CHECKOUT / ".github/workflows/preview.yaml")["stacks"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in first["if"]
    assert jobs(CHECKOUT / ".github/workflows/preview.yaml")["preview"]["needs"] == "stacks"


def test_the_lab_runs_with_pulumis_own_programs_too() -> None:
    """The CLI of the pinned version, a fresh clone made ready by it, no stand-in, and tests that are there."""
    job = jobs(CHECKOUT / ".github/workflows/test.yaml")["pulumi"]
    assert pulumi_versions(job) == [toolchain.pinned_version()]
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert "pulumi install" in runs and any("lab.toolchain | grep" in run and "none" in run for run in runs)
    named = re.findall(r"tests/\S+", runs[-1])
    assert named and all((CHECKOUT / name).is_file() for name in named)
