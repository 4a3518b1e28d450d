"""The name of an internal endpoint, as the program asks for it: made in the lab cloud by the stand-in."""

import asyncio
import os
from pathlib import Path

import pytest

from lab.azure_native.provider import Provider
from lab.azure_native.sdk import resource_types
from lab.cloud.tokens import SUBSCRIPTION
from tests.support.recording import Resource, as_sent, record
from tests.unit.test_arm_client import against

pytestmark = pytest.mark.xdist_group("recorded apart")

NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network"
NAMED = {"endpoint": "internal", "privateDnsName": "db.corp.example"}


def named(resource: Resource) -> str:
    return f"urn:pulumi:dev::proj::{resource.type}::{resource.name}"


def test_it_is_made_read_and_deleted(tmp_path: Path) -> None:
    found = {one.name: one for one in record("dev", NAMED) if ":privatedns:" in one.type}
    made = [found[name] for name in ("endpoint-zone", "endpoint-zone-link", "endpoint-record")]
    assert len(found) == len(made)

    def use() -> None:
        provider = Provider("3.29.0", resource_types(), dict(os.environ))
        ids: list[tuple[Resource, str]] = []
        for one in made:
            inputs = as_sent(one.inputs) | {"resourceGroupName": "rg"}
            if "virtualNetwork" in inputs:
                inputs["virtualNetwork"] = {"id": f"{NETWORK}/virtualNetworks/vnet"}
            checked, failures = provider.check(named(one), {}, inputs)
            assert failures == []
            identity, state = asyncio.run(provider.create(named(one), checked))
            ids.append((one, identity))
            again = asyncio.run(provider.read(named(one), identity, checked, state))
            assert again is not None
            changes = provider.diff(named(one), again.inputs, again.outputs, checked).changes
            assert changes == {}, "Azure's answer is what was asked for"
        zone = f"{NETWORK}/privateDnsZones/corp.example"
        assert [identity for _, identity in ids] == [zone, f"{zone}/virtualNetworkLinks/link-mysql-dev", f"{zone}/A/db"]
        for one, identity in reversed(ids):
            asyncio.run(provider.delete(named(one), identity))
            assert asyncio.run(provider.read(named(one), identity, {}, {})) is None

    against(tmp_path, use)
