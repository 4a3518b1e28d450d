"""What the lab's machines run where nobody has said so."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import paths
from lab.engine import tracked_settings
from lab.image import NotInstallableError
from lab.lab import STEADY_SYSTEM, Lab
from lab.progress import Progress

USUAL = tracked_settings("lab")["operatingSystem"]


@pytest.mark.parametrize("installable", [True, False])
def test_the_usual_system_or_the_steady_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, installable: bool
) -> None:
    tried: list[str] = []
    given: list[Mapping[str, object]] = []

    def set_up(_: Lab, systems: Sequence[str] | None = None) -> None:
        tried.extend(systems or [USUAL])
        if not installable and tried[-1] == USUAL:
            raise NotInstallableError("image: apt-get ended with status 100; log L:\n  E: Unmet dependencies")

    def start(_: Lab) -> None:
        pass

    def engine(_: Lab) -> Any:
        return SimpleNamespace(prepare=given.append, run=print)

    monkeypatch.setattr(paths, "CHECKOUT", tmp_path)
    monkeypatch.setattr(Lab, "set_up", set_up)
    monkeypatch.setattr(Lab, "start", start)
    monkeypatch.setattr(Lab, "engine", engine)
    said: list[str] = []
    lab = Lab(paths.LabPaths("trial"), Progress(said.append))
    lab.up()
    lab.up({"witness": True})
    if installable:
        assert (tried, said) == ([USUAL, USUAL], [])
        assert given == [{}, {"witness": True}]
    else:
        assert tried == [USUAL, STEADY_SYSTEM, STEADY_SYSTEM], "a lab stays what it is"
        assert given == [{"operatingSystem": STEADY_SYSTEM}, {"operatingSystem": STEADY_SYSTEM, "witness": True}]
        [line] = said
        assert line.endswith(
            f"{USUAL} cannot be installed today, so the nodes run {STEADY_SYSTEM} "
            "(image: apt-get ended with status 100; log L:)"
        )
