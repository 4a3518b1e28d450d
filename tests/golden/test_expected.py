"""Everything that the program makes, held against files that a person can read.

`UPDATE_EXPECTED=1 pytest tests/golden` writes them anew; the change is then reviewed as any other.
"""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from operations import stack_configuration as configuration
from operations.recording import EXISTING, Resource, record, without_keys

EXPECTED = Path(__file__).parent / "expected"

# Case: the stack, and what differs from its file.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "dev": ("dev", {}),
    "staging": ("staging", {}),
    "prod": ("prod", {}),
    "existing": ("prod", EXISTING),
    "lab": ("lab", {}),
    "debian-13": ("lab", {"operatingSystem": "debian-13"}),
    "debian-sid": ("lab", {"operatingSystem": "debian-sid"}),
    "internal": (
        "dev",
        {
            "endpoint": "internal",
            "sshAccess": "node-addresses",
            "zones": ["1", "2"],
            "availabilitySet": False,
            "protectData": True,
        },
    ),
    # Of an operating system with repairs, which a witness does without; while the key of SSH's admin user is changed.
    "witness": (
        "lab",
        {"witness": True, "operatingSystem": "debian-13", "sshPreviousPrivateKey": configuration.ssh_key()},
    ),
}
GRAPHS = ("dev", "staging", "prod", "existing", "lab", "internal", "witness")
# All others have the scripts of one of the others, but for names.
SCRIPTS = ("dev", "prod", "lab", "debian-13", "debian-sid", "internal", "witness")


def resources(case: str) -> list[Resource]:
    """Return what the program registers in a case."""
    return record(*CASES[case])


def scripts(case: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of every script."""
    for resource in resources(case):
        if resource.type == "command:remote:Command":
            yield resource.name, resource.inputs["stdin"]


def hold_against(path: Path, text: str) -> None:
    """Compare a text with the expected file, or write that file if asked to."""
    if os.environ.get("UPDATE_EXPECTED"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is not there; UPDATE_EXPECTED=1 writes it"
    assert text == path.read_text()


@pytest.mark.parametrize(("fencing", "waits"), [("off", True), ("on", False)])
def test_a_node_that_starts_alone_with_a_witness(fencing: str, waits: bool) -> None:
    """Without fencing DRBD would take old data for up to date, so Corosync has to wait for the other node."""
    recorded = record("lab", {"witness": True, "fencing": fencing})
    texts = [each.inputs["stdin"] for each in recorded if each.name.endswith(("-corosync", "-reload"))]
    assert [("wait_for_all: 1\n  expected_votes: 3\n" in text) for text in texts] == [waits] * 4


@pytest.mark.parametrize("case", GRAPHS)
def test_resource_graph(case: str) -> None:
    graph = [
        {
            "type": resource.type,
            "name": resource.name,
            "parent": resource.parent,
            "depends on": resource.dependencies,
            **({"protect": True} if resource.protect else {}),
            **({"delete before replace": True} if resource.delete_before_replace else {}),
        }
        for resource in resources(case)
    ]
    hold_against(EXPECTED / case / "graph.yaml", yaml.safe_dump(graph, sort_keys=False, width=1000))


@pytest.mark.parametrize("case", GRAPHS)
def test_azure_inputs(case: str) -> None:
    inputs = {
        f"{resource.type} {resource.name}": copy.deepcopy(resource.inputs)
        for resource in resources(case)
        if resource.type.startswith("azure-native:")
    }
    for name, properties in inputs.items():
        if "osProfile" in properties:
            assert "secret" in properties["osProfile"]["customData"], (
                f"{name}: the host key in the user data is in clear"
            )
            properties["osProfile"]["customData"] = "SECRET"
    hold_against(EXPECTED / case / "azure.yaml", without_keys(yaml.safe_dump(inputs, sort_keys=True, width=1000)))


@pytest.mark.parametrize("case", SCRIPTS)
def test_scripts(case: str) -> None:
    rendered = dict(scripts(case))
    assert rendered
    for name, text in rendered.items():
        hold_against(EXPECTED / case / f"{name}.sh", without_keys(text))
    left = {path.stem for path in (EXPECTED / case).glob("*.sh")} - set(rendered)
    assert not left, f"files of scripts that are no longer made: {sorted(left)}"


@pytest.mark.parametrize("case", CASES)
def test_no_secret_is_shown(case: str) -> None:
    """Secrets reach a script by its environment only, and there they are marked."""
    made = configuration.throw_away_secrets()
    values = [text for value in made.values() for text in ([value] if isinstance(value, str) else value)]
    for resource in resources(case):
        shown = json.dumps(_without_secrets(resource.inputs))
        for value in values:
            assert value.strip() not in shown.replace("\\n", "\n"), f"a secret is in clear in {resource.name}"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        properties = cast(dict[str, Any], value)
        return {} if "secret" in properties else {key: _without_secrets(inner) for key, inner in properties.items()}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in cast(list[Any], value)]
    return value
