"""Azure's price list, as far as the project's stacks are in it: names of meters are Azure's, prices are made up."""

import re
from functools import cache

from aiohttp import web

from lab.cloud import catalogue
from lab.cloud.model import Json

_CONDITION = re.compile(r"(\w+) eq '([^']*)'")

_DISKS = {"P": "Premium SSD Managed Disks", "E": "Standard SSD Managed Disks", "S": "Standard HDD Managed Disks"}
_TIERS = (1, 2, 3, 4, 6, 10, 15, 20, 30, 40, 50, 60, 70, 80)


def add_routes(application: web.Application) -> None:
    """Add the price list, which anybody may ask."""
    application.router.add_get("/api/retail/prices", _prices)


async def _prices(request: web.Request) -> web.Response:
    wanted = request.query.get("$filter", "")
    regions = {value for name, value in _CONDITION.findall(wanted) if name == "armRegionName"}
    fixed = {name: value for name, value in _CONDITION.findall(wanted) if name != "armRegionName"}
    items = [
        item
        for region in sorted(regions or {"westeurope"})
        for item in _list(region)
        if all(str(item.get(name, "")) == value for name, value in fixed.items())
    ]
    return web.json_response({"BillingCurrency": "USD", "Items": items, "NextPageLink": None, "Count": len(items)})


@cache
def _list(region: str) -> list[Json]:
    if region == "Global":
        return [
            _item(
                region,
                "Load Balancer",
                "Load Balancer",
                "Standard",
                f"Standard {word} LB Rules and Outbound Rules",
                price,
            )
            for word, price in (("Included", 0.025), ("Overage", 0.01))
        ] + [_item(region, "NAT Gateway", "NAT Gateway", "Standard", "Standard Gateway", 0.045)]
    if region == "Zone 1":
        return [
            _item(region, "Azure DNS", "Azure DNS", "Private", "Private Zone", price, "1", tier=tier)
            for tier, price in ((0, 0.5), (25, 0.1))
        ]
    if region not in catalogue.REGIONS:
        return []
    address = "Standard IPv4 Static Public IP"
    items = [_item(region, "Virtual Network", "IP Addresses", "Standard", address, 0.005)]
    for tier, price in ((0, 0.0), (10, 0.1)):
        meter = "Alerts Metric Monitored"
        items.append(_item(region, "Azure Monitor", "Azure Monitor", "Alerts", meter, price, "1/Month", tier=tier))
    for name, size in catalogue.SIZES.items():
        short, price = name.removeprefix("Standard_").replace("_", " "), 0.05 * size.cores
        for system, special, factor in (("", "", 1.0), (" Windows", "", 1.8), ("", " Spot", 0.3)):
            product = f"Virtual Machines Series{system}"
            items.append(
                _item(region, "Virtual Machines", product, f"{short}{special}", short, price * factor, arm_sku=name)
            )
    for letter, product in _DISKS.items():
        for tier in _TIERS:
            sku = f"{letter}{tier} LRS"
            items.append(_item(region, "Storage", product, sku, f"{sku} Disk", float(tier), "1/Month"))
            items.append(_item(region, "Storage", product, sku, f"{sku} Disk Mount", 0.1, "1/Month"))
    for kind, price in (("Hot LRS", 0.02), ("Hot ZRS", 0.025)):
        product, meter = "General Block Blob v2", f"{kind} Data Stored"
        items.append(_item(region, "Storage", product, kind, meter, price, "1 GB/Month"))
    return items


def _item(
    region: str,
    service: str,
    product: str,
    sku: str,
    meter: str,
    price: float,
    unit: str = "1 Hour",
    *,
    arm_sku: str = "",
    tier: int = 0,
) -> Json:
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": float(tier),
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": region,
        "meterName": meter,
        "productName": product,
        "skuName": sku,
        "serviceName": service,
        "unitOfMeasure": unit,
        "type": "Consumption",
        "priceType": "Consumption",
        "armSkuName": arm_sku,
    }
