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

_GLOBAL = "Global"
"""Region under which what costs the same everywhere is listed, such as balancers."""


def per_month(meter: Meter) -> float | None:
    """Return what a meter costs, in US dollars a month; None if it is not in the list.

    Raises:
        OSError: the price list is not reached.
    """
    found = [item for item in _items(_filter(meter)) if _fits(item, meter)]
    here = [item for item in found if item["armRegionName"] != _GLOBAL] or found
    if not here:
        return None
    price = float(here[0]["retailPrice"])
    return price * HOURS if here[0]["unitOfMeasure"] == "1 Hour" else price


def _fits(item: dict[str, Any], meter: Meter) -> bool:
    words = f"{item['productName']} {item['skuName']}"
    return (
        not any(word in words for word in _NO_LINUX)
        and (not meter.names or item["meterName"] in meter.names)
        and item["unitOfMeasure"] in ("1 Hour", "1/Month", "1 GB/Month")
        and not item.get("tierMinimumUnits")
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
    return " and ".join([*conditions, f"(armRegionName eq '{meter.region}' or armRegionName eq '{_GLOBAL}')"])


def _items(condition: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"$filter": condition})
    link, found = f"{URL}?{query}", list[dict[str, Any]]()
    while link:
        with urllib.request.urlopen(link, timeout=_SECONDS) as response:
            page = json.load(response)
        found += page["Items"]
        link = page.get("NextPageLink")
    return found
