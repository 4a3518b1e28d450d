"""What `make drift` reads and tells; what it finds on machines is the lab's to show."""

import json
import shlex
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from components.checkout import CHECKOUT
from operations import drift
from operations.drift import Connection, DriftError, Finding, Script
from tests.golden.cases import distinct_scripts

pytestmark = pytest.mark.xdist_group("recorded")

URN = "urn:pulumi:prod::azure-mysql-ha::x:Cluster$command:remote:Command::mysql-1-host"


def secret(value: object) -> dict[str, str]:
    """Return a value as the engine exports a secret in clear."""
    return {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(value)}


def deployment(
    text: str = "#!/bin/bash\n# Node mysql-1 of cluster mysql.\nmain() { :; }\nrun </dev/null\n",
) -> dict[str, Any]:
    connection = {
        "host": "203.0.113.1",
        "port": 50001,
        "user": "azureuser",
        "privateKey": secret("-----BEGIN\nfirst-half-of-it\nsecond-half-of-it\n"),
        "hostKey": "ssh-ed25519 AAAA",
    }
    variables = {"HA_DRBD_SECRET": secret("0123456789abcdef"), "HA_ENDPOINT": "203.0.113.1"}
    return {
        "resources": [
            {"urn": "urn:…::rg", "type": "azure-native:resources:ResourceGroup", "inputs": {}, "id": "/x"},
            {
                "urn": URN,
                "type": "command:remote:Command",
                "inputs": {"connection": connection, "create": "sudo bash -s", "stdin": text, "environment": variables},
            },
        ]
    }


def test_scripts_come_from_the_state() -> None:
    (script,) = drift.scripts_of(deployment())
    assert (script.name, script.node, script.urn) == ("mysql-1-host", "mysql-1", URN)
    assert script.variables == {"HA_DRBD_SECRET": "0123456789abcdef", "HA_ENDPOINT": "203.0.113.1"}
    assert script.connection.port == 50001
    assert script.connection.private_key.startswith("-----BEGIN\nfirst")
    assert drift.scripts_of({}) == []


def test_each_line_of_a_secret_is_one() -> None:
    found = drift.secret_lines(deployment()["resources"])
    assert found == {"first-half-of-it", "second-half-of-it", "0123456789abcdef"}, "short lines are in other texts too"


def test_every_script_can_look() -> None:
    """And all of them are still what Bash reads."""
    texts: list[str] = []
    for name, script in distinct_scripts():
        text = drift.looking(script)
        head, _, tail = text.partition((CHECKOUT / "configs/host/look.sh").read_text())
        assert head + tail.lstrip("\n").replace("main <", "run <") == script, name
        texts.append(text)
    run = subprocess.run(["bash", "-n"], input="\n".join(texts), capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_another_make_of_script_is_not_run() -> None:
    for text in ("echo hi\n", "run </dev/null\nrun </dev/null\n", "main() { :; }\nrun </dev/null\necho more\n"):
        with pytest.raises(DriftError, match="run pulumi up first"):
            list(drift.look(deployment("# Node mysql-1 of\n" + text)))


def test_a_stack_without_machines() -> None:
    with pytest.raises(DriftError, match="no machines"):
        list(drift.look({"resources": []}))


def finding(text: str, repairable: bool = True) -> Finding:
    connection = Connection("h", 22, "u", "k", "p")
    return Finding(Script("mysql-1-host", URN, "mysql-1", "l", "t", {}, connection), text, repairable)


def test_report() -> None:
    assert drift.report([], ["pulumi", "up"]) == "The machines are as the stack describes them."
    text = drift.report([finding("is missing: /etc/x")], ["pulumi", "up", "--stack", "prod"])
    assert text.startswith("mysql-1-host, on mysql-1\nis missing: /etc/x\n")
    # As a shell takes it: a URN has a dollar sign.
    assert shlex.split(text.splitlines()[-1]) == ["pulumi", "up", "--stack", "prod", "--target-replace", URN]
    assert "--target-replace" not in drift.report([finding("would stop: found …", repairable=False)], ["pulumi", "up"])


def test_what_people_have_made_besides_is_no_difference() -> None:
    besides = replace(finding("left alone: accounts that …: clerk@%", repairable=False), besides=True)
    text = drift.report([besides], ["up"])
    assert text.splitlines()[1:] == [besides.text, "", "The machines are as the stack describes them."]
    assert not drift.differs([]) and not drift.differs([besides])
    assert drift.differs([besides, finding("is missing: /etc/x")])
    text = drift.report([besides, finding("is missing: /etc/x")], ["up"])
    assert besides.text in text and "as the stack describes" not in text and URN in text


def test_what_would_stop_at_what_is_put_right_runs_again_too() -> None:
    stops = finding("would stop: found another file; expected …", repairable=False)
    rests = replace(stops, script=replace(stops.script, urn=f"{URN}-after", rests_on=frozenset({URN})))
    text = drift.report([finding("is missing: /etc/x"), rests], ["up"])
    assert shlex.split(text.splitlines()[-1]) == ["up", "--target-replace", URN, "--target-replace", f"{URN}-after"]
    assert "--target-replace" not in drift.report([stops, rests], ["up"])
