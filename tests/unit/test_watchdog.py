"""The watchdog as the second level of fencing: when there is one, its times, and what turns it on and off."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.places import WATCHDOG_SECONDS
from components.settings.failover import PRESETS
from components.settings.load import SettingsError, load
from components.settings.recorded import Recorded
from components.settings.watchdog import Watchdog, longest_vote_ms, vote_ms, watchdog
from components.templates import render
from tests.support.recording import record
from tests.support.stack_configuration import throw_away_secrets, use

pytestmark = pytest.mark.xdist_group("recorded apart")

NETWORKS = {"adminCidrs": ["203.0.113.0/24"], "clientCidrs": ["203.0.113.0/24"]}
WITNESS = {"witness": True}


def settings(**changes: Any) -> Any:
    return load(use(throw_away_secrets() | NETWORKS | changes))


@pytest.mark.parametrize(
    ("token_ms", "expected"),
    [
        (1000, Watchdog(9, 18)),
        (2000, Watchdog(11, 22)),
        (5000, Watchdog(20, 40)),
        (15000, Watchdog(50, 100)),
        (30000, Watchdog(95, 190)),
        (60000, Watchdog(185, 370)),
    ],
)
def test_the_times_follow_from_the_token(token_ms: int, expected: Watchdog) -> None:
    assert watchdog(token_ms) == expected


@pytest.mark.parametrize("token_ms", [1000, 1249, 1250, 1251, 2000, 5333, 15000, 60000])
def test_nobody_counts_on_it_before_it_has_run_out(token_ms: int) -> None:
    """The longest vote, what sbd takes to notice, and the watchdog itself, as docs/architecture.md adds them up."""
    times = watchdog(token_ms)
    assert longest_vote_ms(token_ms) == 3 * vote_ms(token_ms)
    assert times.timeout_seconds >= longest_vote_ms(token_ms) / 1000 + 5
    assert times.fencing_seconds >= longest_vote_ms(token_ms) / 1000 + 5 + times.timeout_seconds


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({}, False),
        (WITNESS, True),
        (WITNESS | {"watchdog": "on"}, True),
        (WITNESS | {"watchdog": "off"}, False),
        (WITNESS | {"fencing": "off"}, False),
        ({"watchdog": "off"}, False),
        (WITNESS | {"operatingSystem": "debian-12"}, False),
        (WITNESS | {"operatingSystem": "ubuntu-24.04"}, True),
        (WITNESS | {"operatingSystem": "debian-13"}, True),
    ],
)
def test_where_there_is_one(changes: dict[str, Any], there: bool) -> None:
    found = settings(**changes).watchdog
    assert found == (watchdog(PRESETS["balanced"].token_ms) if there else None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({}, "is on, but there is no witness: a node alone would not know whether to end itself"),
        (WITNESS | {"fencing": "off"}, "is on, but fencing is off, and the watchdog is a part of it"),
        (WITNESS | {"operatingSystem": "debian-12"}, "is on, but debian-12 cannot have it: Pacemaker 2.1.5 cannot"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(watchdog="on", **changes)
    [mistake] = raised.value.mistakes
    assert mistake.startswith(f"azure-mysql-ha:watchdog: {complaint}")


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        (WITNESS | {"operatingSystem": "debian-12"}, True),
        (WITNESS | {"operatingSystem": "debian-12", "watchdog": "off"}, False),
        ({"operatingSystem": "debian-12"}, False),
        (WITNESS, False),
    ],
)
def test_a_system_without_is_warned_of(changes: dict[str, Any], warned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    settings(**changes)
    assert any(text.startswith("watchdog: debian-12 has none: Pacemaker 2.1.5") for text in warnings) == warned


@pytest.mark.parametrize(
    ("before", "changes", "told"),
    [
        (Recorded(has_data=True), WITNESS, True),
        (Recorded(has_data=True, has_watchdog=True), WITNESS, False),
        (Recorded(has_data=True), WITNESS | {"watchdog": "off"}, False),
        (Recorded(has_data=True), {}, False),
        (Recorded(), WITNESS, False),
    ],
)
def test_a_cluster_that_gets_them_is_told(
    before: Recorded, changes: dict[str, Any], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    load(use(throw_away_secrets() | NETWORKS | changes), before=before)
    assert any(text.startswith("watchdog: this update gives both nodes a watchdog") for text in warnings) == told


# --- on the nodes

CIBADMIN = """#!/bin/bash
case "$*" in
  *--query*) [[ -s {cib} ]] && cat {cib} || exit {code} ;;
  *--delete-all*) : >{cib} ;;
esac
"""


def function(name: str, **changes: Any) -> str:
    scripts = record("lab", changes)
    text = next(one.inputs["stdin"] for one in scripts if one.name == "mysql-lab-1-corosync")
    found = re.search(rf"^{name}\(\) {{\n.*?^}}\n", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[0]


def run(tmp_path: Path, script: str, cib: str, code: int = 105) -> str:
    """Run a script beside a cibadmin that has a CIB, or ends with a code where it has none."""
    (tmp_path / "cib").write_text(cib)
    program = tmp_path / "cibadmin"
    program.write_text(CIBADMIN.format(cib=tmp_path / "cib", code=code))
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("cib", "found"),
    [
        ('<nvpair name="fencing-watchdog-timeout" value="100" id="x"/>\n', "100"),
        ('<nvpair id="x" name="fencing-watchdog-timeout" value="100s"/>\n', "100"),
        ("", ""),
    ],
)
def test_what_the_cluster_counts_on(cib: str, found: str, tmp_path: Path) -> None:
    script = f"{function('fencing_seconds', **WITNESS)}\nfencing_seconds"
    assert run(tmp_path, script, cib) == found


@pytest.mark.parametrize(
    ("cib", "code", "said"),
    [
        ("", 105, "gone, gone"),
        ("<nvpair/>", 105, "not yet, gone"),
        # A Pacemaker that does not answer has not said that it is gone.
        ("", 102, "not yet, not yet"),
    ],
)
def test_nobody_counts_on_it_any_more(cib: str, code: int, said: str, tmp_path: Path) -> None:
    look = 'if is_gone //nvpair; then printf gone; else printf "not yet"; fi'
    assert run(tmp_path, f"{function('is_gone')}\n{look}; printf ', '; {look}", cib, code) == said


@pytest.mark.parametrize(
    ("seconds", "runs", "shorter"),
    [("10", True, True), ("11", True, False), ("17", True, False), ("10", False, False), (None, True, False)],
)
def test_a_longer_watchdog_comes_first(seconds: str | None, runs: bool, shorter: bool, tmp_path: Path) -> None:
    """Before the witness's vote may take longer; a shorter one comes after that."""
    file = tmp_path / "seconds"
    if seconds:
        file.write_text(f"{seconds}\n")
    text = function("is_shorter", **WITNESS).replace(WATCHDOG_SECONDS, str(file))
    script = f"systemctl() {{ {'true' if runs else 'false'}; }}\n{text}\nif is_shorter; then echo yes; fi"
    assert run(tmp_path, script, "") == ("yes\n" if shorter else "")


def test_the_order_of_an_update() -> None:
    """Both watchdogs are armed, after the witness has its vote, before the cluster counts on them."""
    made = {one.name: one for one in record("lab", WITNESS) if one.type == "command:remote:Command"}
    document = made["resources-document"]
    for node in ("mysql-lab-1", "mysql-lab-2"):
        assert any(each.endswith(f"{node}-watchdog") for each in document.dependencies)
        after = made[f"{node}-watchdog"].dependencies
        assert {each.rsplit(" ", 1)[-1].rsplit("::", 1)[-1] for each in after} >= {
            "mysql-lab-1-reload",
            "mysql-lab-2-reload",
        }
    without = {one.name for one in record("lab", WITNESS | {"watchdog": "off"})}
    assert "mysql-lab-1-watchdog" not in without


@pytest.mark.parametrize(
    ("machine", "module", "link"),
    [
        (["watchdog0"], True, "/dev/watchdog0"),
        ([], True, "/dev/watchdog1"),
        # sbd does not start then, and Pacemaker does not either.
        ([], False, None),
    ],
)
def test_which_watchdog(machine: list[str], module: bool, link: str | None, tmp_path: Path) -> None:
    """The machine's; else the kernel's, which can be disarmed."""
    devices = tmp_path / "class"
    devices.mkdir()
    for name in machine:
        (devices / name).mkdir()
    modprobe = tmp_path / "modprobe"
    made = f"mkdir {devices}/watchdog1" if module else "exit 1"
    modprobe.write_text(f'#!/bin/bash\necho "$*" >{tmp_path}/asked\n{made}\n')
    modprobe.chmod(0o755)
    device = tmp_path / "run" / "watchdog"
    text = render(
        "pacemaker/find-watchdog.sh.j2", {"watchdog_device": str(device), "watchdog_seconds": f"{tmp_path}/seconds"}
    )
    text = text.replace("/sys/class/watchdog", str(devices))
    done = subprocess.run(
        ["bash", "-c", text], env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SBD_WATCHDOG_TIMEOUT": "50"}, check=False
    )
    assert (done.returncode == 0) is (link is not None)
    assert (str(device.readlink()) if device.is_symlink() else None) == link
    if link:
        assert (tmp_path / "seconds").read_text() == "50\n"
    if not machine:
        assert (tmp_path / "asked").read_text().split() == ["softdog", "nowayout=0"]
