"""What decides which tool chain is used, and when it is built anew."""

import shutil
from pathlib import Path

import pytest
import yaml

from components.checkout import CHECKOUT
from lab import toolchain


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("v3.259.0", True),
        ("3.259.7", True),
        ("3.300.0-dev.1+g0123456", True),
        ("3.258.9", False),
        ("4.0.0", False),
        ("2.300.0", False),
        ("", False),
        ("warning: something", False),
    ],
)
def test_same_major_and_no_older_minor_fits(version: str, fits: bool) -> None:
    assert toolchain.is_fitting(version, "3.259.0") is fits


def test_version_is_compared_as_numbers() -> None:
    assert toolchain.parse_version("v3.10.0\n") > toolchain.parse_version("3.9.9")


def test_lock_and_go_mod_pin_the_same_versions() -> None:
    lock = (CHECKOUT / "requirements.txt").read_text()
    assert f"pulumi=={toolchain.pinned_version()} " in lock
    assert f"pulumi-command=={toolchain.COMMAND_VERSION} " in lock


def test_language_host_is_not_newer_than_the_engine() -> None:
    host = toolchain.parse_version(toolchain.host_version())
    assert (3, 0, 0) < host <= toolchain.parse_version(toolchain.pinned_version())


def test_language_host_is_told_the_runtime_options_of_the_project() -> None:
    project = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    assert " -virtualenv .venv " in (toolchain.SOURCE / "host" / "launch.sh").read_text()


def copied_source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    shutil.copytree(toolchain.SOURCE, source)
    return source


@pytest.mark.parametrize(
    "changed",
    [
        "go.mod",
        "go.sum",
        "command/run.go",
        "host/go.mod",
        "host/go.sum",
        "host/launch.sh",
    ],
)
def test_cache_key_follows_every_source(tmp_path: Path, changed: str) -> None:
    source = copied_source(tmp_path)
    before = toolchain.cache_key(["pulumi"], "go1.26", source)
    assert before == toolchain.cache_key(["pulumi"], "go1.26")
    with (source / changed).open("a") as file:
        file.write("\n")
    assert toolchain.cache_key(["pulumi"], "go1.26", source) != before


def test_cache_key_follows_parts_and_go() -> None:
    keys = {toolchain.cache_key(parts, go) for parts in (["pulumi"], ["command"]) for go in ("go1.26", "go1.27")}
    assert len(keys) == 4


def test_plugin_is_linked_where_the_engine_looks(tmp_path: Path) -> None:
    executable = tmp_path / "made"
    executable.touch()
    for _ in range(2):
        toolchain.link_plugin(tmp_path / "home", "command", "1.2.1", executable)
    link = tmp_path / "home/plugins/resource-command-v1.2.1/pulumi-resource-command"
    assert link.resolve() == executable
    assert [each.name for each in link.parent.iterdir()] == [link.name]


def test_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(toolchain.ToolchainError, match=r"neither pulumi 3\.\d+\.\d+ or newer nor go"):
        toolchain.ensure(lambda line: None)
