"""Azure's Retail Prices API, which needs no login (learn.microsoft.com/rest/api/cost-management/retail-prices)."""

import json
import urllib.parse
import urllib.request
from typing import Any

from operations.price.meters import Meter

URL = "https://prices.azure.com/api/retail/prices"
HOURS = 730
"""Of a month, as Azure's own calculator has it."""

_SECONDS = 10

_NO_LINUX = ("Windows", "Spot", "Low Priority", "Cloud Services")
"""Words in names of products and SKUs that are other prices of the same size."""

_EVERYWHERE = ("Global", "")
"""Regions under which what costs the same everywhere is listed, such as balancers."""

_UNITS = ("1 Hour", "1/Month", "1 GB/Month", "1")
"""Of what is paid by the hour or the month; the last is that of DNS zones."""


def per_month(meter: Meter) -> float | None:
    """Return what a meter costs, in US dollars a month; None if it is not in the list.

    Raises:
        OSError: the price list is not reached.
    """
    found = [item for item in _items(_filter(meter)) if _fits(item, meter)]
    here = [item for item in found if item["armRegionName"] not in _EVERYWHERE] or found
    # By steps, as of what a subscription has some of for nothing: the first that is paid, since others may have those.
    first = min(here, key=lambda item: (not item["retailPrice"], item.get("tierMinimumUnits") or 0), default=None)
    if first is None:
        return None
    price = float(first["retailPrice"])
    return price * HOURS if first["unitOfMeasure"] == "1 Hour" else price


def _fits(item: dict[str, Any], meter: Meter) -> bool:
    words = f"{item['productName']} {item['skuName']}"
    return (
        not any(word in words for word in _NO_LINUX)
        and (not meter.names or item["meterName"] in meter.names)
        and item["unitOfMeasure"] in _UNITS
    )


def _filter(meter: Meter) -> str:
    fields = {
        "serviceName": meter.service,
        "priceType": "Consumption",
        "armSkuName": meter.size,
        "productName": meter.product,
        "skuName": meter.sku,
    }
    conditions = [f"{name} eq '{value}'" for name, value in fields.items() if value]
    regions = " or ".join(f"armRegionName eq '{region}'" for region in (meter.region, *_EVERYWHERE))
    return " and ".join([*conditions, *([f"({regions})"] if meter.region else [])])


def _items(condition: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"$filter": condition})
    link, found = f"{URL}?{query}", list[dict[str, Any]]()
    while link:
        with urllib.request.urlopen(link, timeout=_SECONDS) as response:
            page = json.load(response)
        found += page["Items"]
        link = page.get("NextPageLink")
    return found
