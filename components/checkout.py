"""Where the project's own files are."""

import functools
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent
CONFIGS = CHECKOUT / "configs"


@functools.cache
def schema() -> dict[str, dict[str, Any]]:
    """Return the project's settings as Pulumi.yaml declares them."""
    return yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
