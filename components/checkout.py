"""Where the project's own files are."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CONFIGS = CHECKOUT / "configs"
