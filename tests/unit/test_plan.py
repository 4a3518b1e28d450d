"""What a preview's event log says of Azure's resources."""

import json
from pathlib import Path
from typing import Any

from operations import plan

URN = "urn:pulumi:x::azure-mysql-ha::a$azure-native:compute:Disk::"


def event(op: str, name: str, old: Any = None, new: Any = None, type_: str = "azure-native:compute:Disk") -> str:
    metadata: dict[str, Any] = {"op": op, "urn": f"{URN}{name}", "type": type_}
    for key, inputs in (("old", old), ("new", new)):
        metadata[key] = inputs and {"inputs": inputs, "id": "/subscriptions/1/x" if key == "old" else ""}
    return json.dumps({"resourcePreEvent": {"metadata": metadata}})


def test_what_becomes_of_each_resource(tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    log.write_text(
        "\n".join(
            [
                json.dumps({"preludeEvent": {"config": {"azure-native:subscriptionId": "1"}}}),
                event("create", "new", new={"diskName": "d", "resourceGroupName": plan.UNKNOWN}),
                event("same", "same", old={"a": 1}, new={"a": 1}),
                event("update", "changed", old={"a": 1}, new={"a": 2}),
                event("delete", "gone", old={"a": 1}),
                event("delete-replaced", "again", old={"a": 1}),
                event("replace", "again", old={"a": 1}, new={"a": 2}),
                event("create-replacement", "again", old={"a": 1}, new={"a": 2, "resourceGroupName": "rg"}),
                event("create", "script", new={}, type_="command:remote:Command"),
                json.dumps({"summaryEvent": {}}),
            ]
        )
    )
    found = plan.read(log)
    assert found.config == {"azure-native:subscriptionId": "1"} and found.group == "rg"
    told = {c.name: (c.created, c.written, c.deleted, c.replaced, c.id) for c in found.changes}
    there = "/subscriptions/1/x"
    assert told == {
        "new": (True, True, False, False, ""),
        "same": (False, False, False, False, there),
        "changed": (False, True, False, False, there),
        "gone": (False, False, True, False, there),
        "again": (False, True, True, True, there),
    }
    new = found.changes[0]
    assert (new.type, new.module, new.own_name) == ("compute:Disk", "compute", "d")
    assert [change.name for change in found.of("compute:Disk")] == ["new", "same", "changed", "again"]
