"""The kernel's cache."""

import json
from pathlib import Path

import pytest

from lab import kernel


def test_a_kernel_in_the_cache_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delattr(kernel, "run")  # nothing is fetched
    (entry,) = {kernel._key()}  # pyright: ignore[reportPrivateUsage]
    folder = tmp_path / "azure-mysql-ha" / "kernels" / entry
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"release": "7.2.7", "origin": "sid", "arguments": ["seccomp=on"]}))
    made = kernel.ensure(lambda _: None)
    assert made.release == "7.2.7"
    assert made.arguments == ("seccomp=on",)
    assert made.modules == folder / "modules" / "7.2.7"
    assert made.command[0] == "unshare"
    assert made.command[-1] == str(folder / "run")
