"""How long a planned move has the server write out its memory, with a server that is none."""

import subprocess
from pathlib import Path

import pytest

from components.checkout import CONFIGS

SCRIPT = (CONFIGS / "pacemaker/move.sh").read_text()
_WITHOUT_MAIN = SCRIPT.removesuffix('main "$@" </dev/null\n')

# Each question for the dirty pages takes the next number of the file, the last one again and again.
SERVER = """
sql() {
  case $1 in
    *pages_dirty*)
      echo -e "x\\t$(head -n 1 numbers)"
      if [[ $(wc -l <numbers) != 1 ]]; then sed -i 1d numbers; fi ;;
    "select concat"*) echo "what was before" ;;
    *"@@innodb_io_capacity") echo 250 ;;
    *) echo "$1" >>set ;;
  esac
}
before=""
write_out
put_back
"""


def write_out(folder: Path, numbers: list[int]) -> tuple[int, int, float]:
    """Run it; return the pages of the beginning, those that are left, and the seconds."""
    (folder / "numbers").write_text("".join(f"{number}\n" for number in numbers))
    script = _WITHOUT_MAIN.replace("write_out_seconds=60", "write_out_seconds=8").replace(
        "no_fewer_seconds=10", "no_fewer_seconds=2"
    )
    assert script.count("=8 ") == 1 and "no_fewer_seconds=2" in script
    run = subprocess.run(
        ["bash", "-c", script + SERVER], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    (first, begin), (second, left, seconds) = (line.split() for line in run.stdout.splitlines())
    assert (first, second, run.stderr) == ("pages", "left", "")
    return int(begin), int(left), float(seconds)


FALLING = [2000 - 100 * step for step in range(17)]


@pytest.mark.parametrize(
    ("numbers", "left", "shortest", "longest"),
    [
        ([100], {100}, 0, 5),
        ([900, 600, 300, 200], {200}, 1, 6),
        ([900, 500, 495, 505], {505}, 2, 7),
        (FALLING, {*FALLING[1:]}, 7, 30),
    ],
    ids=["few", "fewer and fewer", "as many as are written", "until the end of patience"],
)
def test_it_is_waited_for_as_long_as_it_helps(
    numbers: list[int], left: set[int], shortest: float, longest: float, tmp_path: Path
) -> None:
    begin, found, seconds = write_out(tmp_path, numbers)
    assert begin == numbers[0]
    assert shortest <= seconds <= longest
    assert found in left
    assert (tmp_path / "set").read_text().splitlines() == [
        "set global innodb_io_capacity = @@innodb_io_capacity_max, innodb_max_dirty_pages_pct_lwm = 0,"
        " innodb_max_dirty_pages_pct = 0",
        "set global what was before",
    ]
