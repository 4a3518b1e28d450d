"""Tables of the docs, as tests read them."""

from pathlib import Path


def table(page: Path, heading: str) -> list[dict[str, str]]:
    """Return the last table below a heading of a page: a row each, by the columns' heads; without the marks of code."""
    _, _, below = page.read_text().partition(f"\n## {heading}\n")
    lines = below.partition("\n## ")[0].splitlines()
    rows = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    begin = max(number for number, row in enumerate(rows) if set("".join(row)) == {"-"})
    return [dict(zip(rows[begin - 1], row, strict=True)) for row in rows[begin + 1 :]]
