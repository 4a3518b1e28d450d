"""What a host lacks is said in one line each."""

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import preflight
from lab.paths import LabPaths


class Usage(NamedTuple):
    """What shutil.disk_usage returns."""

    free: int


def usage(free: int) -> Callable[[Path], Usage]:
    """Return a shutil.disk_usage that always finds so many bytes free."""

    def disk_usage(_: Path) -> Usage:
        return Usage(free)

    return disk_usage


def which(*missing: str) -> Callable[..., str | None]:
    """Return a shutil.which that finds all but the missing."""

    def find(program: str, **_: str) -> str | None:
        return None if program in missing else f"/usr/bin/{program}"

    return find


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make a host that lacks nothing of what a test can pretend."""
    tun = tmp_path / "tun"
    tun.touch()
    monkeypatch.setattr(preflight, "TUN", tun)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(shutil, "disk_usage", usage(100 << 30))
    monkeypatch.setattr(shutil, "which", which())
    monkeypatch.setattr(preflight, "FILES", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_nothing_is_missing() -> None:
    assert preflight.check(LabPaths("unit")) == []
    assert preflight.missing_packages() == []


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (line,) = preflight.check(LabPaths("unit"))
    assert line.startswith("not root")


def test_wrong_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    (line,) = preflight.check(LabPaths("unit"))
    assert "aarch64" in line


def test_no_tun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preflight, "TUN", tmp_path / "none")
    (line,) = preflight.check(LabPaths("unit"))
    assert line.startswith("no ")
    monkeypatch.setattr(preflight, "TUN", tmp_path)
    (line,) = preflight.check(LabPaths("unit"))
    assert "cannot be opened" in line


def test_too_little_space_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", usage(1 << 30))
    lines = preflight.check(LabPaths("unit"))
    assert len(lines) == 3
    assert all("GiB needed, 1.0 GiB free" in line for line in lines)


def test_missing_programs_are_named_by_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", which("ip", "mmdebstrap"))
    (line,) = preflight.check(LabPaths("unit"))
    assert line.endswith("iproute2 mmdebstrap")


def test_programs_of_tests_are_no_need_of_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", which(*preflight.TEST_PROGRAMS))
    assert preflight.check(LabPaths("unit")) == []
    assert preflight.missing_packages(preflight.TEST_PROGRAMS) == ["chromium", "prometheus", "zstd"]


def test_nothing_is_installed_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", which(*preflight.PROGRAMS))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delattr(preflight, "run")  # used, it would raise
    preflight.install(lambda _: None)
