"""What a stack costs: which meters, and what an update adds."""

import io
import json
import urllib.error
import urllib.parse
from typing import Any

import pytest

from operations.plan import Plan
from operations.price import month, retail
from operations.price.meters import Meter, paid
from tests.support.plans import changed, done, first

pytestmark = pytest.mark.xdist_group("recorded apart")

PRICES = {
    "Standard_B2s_v2": 0.1,
    "Standard_B2s": 0.05,
    "E4 LRS": 2.4,
    "Standard IPv4 Static Public IP": 0.005,
    "Standard Included LB Rules and Outbound Rules": 0.025,
    "Standard Gateway": 0.045,
    "Alerts Metric Monitored": 0.1,
    "Private Zone": 0.5,
}

_BY_MONTH = {"E4 LRS": "1/Month", "Alerts Metric Monitored": "1/Month", "Private Zone": "1"}
_FREE = {"Alerts Metric Monitored": 10.0}
"""From how many on it is paid for."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the price list be one of few lines; return what it is asked."""
    asked: list[str] = []

    def open_(link: str, timeout: float) -> io.BytesIO:
        condition = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)["$filter"][0]
        asked.append(condition)
        items: list[dict[str, Any]] = []
        for name, price in PRICES.items():
            unit = _BY_MONTH.get(name, "1 Hour")
            item = {
                "armRegionName": "westeurope", "retailPrice": price, "unitOfMeasure": unit, "skuName": name,
                "productName": "x", "meterName": f"{name} Disk" if name == "E4 LRS" else name,
                "tierMinimumUnits": _FREE.get(name, 0.0),
            }  # fmt: skip
            if f"armSkuName eq '{name}'" in condition or "armSkuName" not in condition:
                dear = item | {"retailPrice": 99.0}
                items += [dear | {"productName": "x Windows"}, dear | {"skuName": "x Spot"}]
                items += [dear | {"unitOfMeasure": "10K"}, dear | {"tierMinimumUnits": 50.0}]
                items += [dear | {"armRegionName": "Global"}, item]
                items += [item | {"retailPrice": 0.0, "tierMinimumUnits": 0.0}] if name in _FREE else []
        return io.BytesIO(json.dumps({"Items": items, "NextPageLink": None}).encode())

    monkeypatch.setattr("urllib.request.urlopen", open_)
    return asked


def test_a_new_stack(asked: list[str]) -> None:
    bill = month.bill(first("dev"))
    monthly = 2 * 0.1 * 730 + 4 * 2.4 + 2 * 0.005 * 730 + 0.025 * 730
    assert bill.unknown == [] and bill.after == pytest.approx(monthly) == bill.difference
    assert bill.as_text().splitlines()[0] == f"Price per month: {monthly:.2f} USD, +{monthly:.2f} by this update"
    assert "    2 x machine Standard_B2s_v2     146.00  (now 0)" in bill.as_text().splitlines()
    region = "(armRegionName eq 'westeurope' or armRegionName eq 'Global' or armRegionName eq '')"
    machine = "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armSkuName eq 'Standard_B2s_v2'"
    assert f"{machine} and {region}" in asked
    assert len(asked) == len(set(asked)), "each meter is asked for once"


def test_a_change_of_size_and_one_of_nothing(asked: list[str]) -> None:
    there = done(first("dev"))
    assert month.bill(there).difference == 0
    smaller = changed(there, "compute:VirtualMachine", "hardwareProfile.vmSize", "Standard_B2s")
    assert month.bill(smaller).difference == pytest.approx(-2 * 0.05 * 730)


def test_what_has_no_price_is_said(asked: list[str]) -> None:
    plan = changed(first("dev"), "mysql-dev-1", "hardwareProfile.vmSize", "Standard_X")
    plan = changed(plan, "mysql-dev-1-data", "sku.name", "PremiumV2_LRS")
    bill = month.bill(plan)
    assert bill.unknown == ["1 disk PremiumV2_LRS", "1 machine Standard_X"]
    assert bill.summary.startswith("at least ")
    assert bill.summary.endswith("; unknown: 1 disk PremiumV2_LRS, 1 machine Standard_X")
    assert paid("keyvault:Vault", {}) == ("keyvault:Vault",), "what is new here is not taken for free"


def test_no_way_to_the_price_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_(link: str, timeout: float) -> None:
        raise urllib.error.URLError("no way")

    monkeypatch.setattr("urllib.request.urlopen", open_)
    text = month.text_of(first("dev"))
    assert text == "Price per month: unknown, since the price list cannot be reached: <urlopen error no way>"
    assert month.text_of(Plan(())).startswith("Price per month: 0.00 USD"), "nothing is asked for nothing"


@pytest.mark.parametrize(
    ("sku", "gib", "tier"),
    [("Premium_LRS", 256, "P15 LRS"), ("Premium_LRS", 257, "P20 LRS"), ("StandardSSD_ZRS", 4, "E1 ZRS"),
     ("Standard_LRS", 4, "S4 LRS"), ("Premium_LRS", 32767, "P80 LRS")],
)  # fmt: skip
def test_tiers_of_disks(sku: str, gib: int, tier: str) -> None:
    (meter,) = paid("compute:Disk", {"sku": {"name": sku}, "diskSizeGB": gib, "location": "westeurope"})
    assert isinstance(meter, Meter) and meter.sku == tier and f"{tier} Disk" in meter.names


def test_backups_are_paid_by_the_gib() -> None:
    (meter,) = paid("storage:StorageAccount", {"sku": {"name": "Standard_ZRS"}, "location": "westeurope"})
    assert isinstance(meter, Meter)
    assert (meter.sku, meter.names) == ("Hot ZRS", ("Hot ZRS Data Stored",))


def test_each_metric_that_an_alert_rule_looks_at_is_paid_for(asked: list[str]) -> None:
    """At its full price: ten in a subscription are free, which others' rules may have used up."""
    alerts = {"alertEmails": ["night@example.com"]}
    added = month.bill(first("dev", alerts)).after - month.bill(first("dev")).after
    assert added == pytest.approx(3 * 0.1)
    assert month.bill(first("dev", alerts)).unknown == []
    assert (
        "serviceName eq 'Azure Monitor' and priceType eq 'Consumption' and productName eq 'Azure Monitor'"
        " and skuName eq 'Alerts'"
    ) in asked


def test_a_private_zone_is_paid_for(asked: list[str]) -> None:
    without = month.bill(first("dev", {"endpoint": "internal"}))
    named = month.bill(first("dev", {"endpoint": "internal", "privateDnsName": "db.shop.internal"}))
    assert named.after - without.after == pytest.approx(0.5) and named.unknown == []
    assert any("serviceName eq 'Azure DNS'" in one and "armRegionName eq 'Zone 1'" in one for one in asked)


def test_rules_beyond_the_first_five() -> None:
    balancer: dict[str, Any] = {
        "location": "x",
        "loadBalancingRules": [{}] * 6,
        "outboundRules": [{}],
        "inboundNatRules": [{}] * 9,
    }
    titles = [meter.title for meter in paid("network:LoadBalancer", balancer) if isinstance(meter, Meter)]
    assert titles == ["load balancer", "rule of a load balancer", "rule of a load balancer"]


def test_a_price_of_the_region_comes_before_that_of_all(asked: list[str]) -> None:
    assert retail.per_month(Meter("x", "NAT Gateway", "westeurope", names=("Standard Gateway",))) == 0.045 * 730
