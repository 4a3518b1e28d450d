"""When one can restore with the blobs of a backup, with which of them, and what is said where one cannot."""

import json
from datetime import datetime, timedelta

import pytest

from configs.backup.blobs import Base, Log, base_of, log_of
from configs.backup.chain import Chain
from configs.backup.documents import Details, Seen, Verified, from_json, to_json
from configs.backup.moments import from_said, from_stamp, said, stamp
from configs.backup.plan import Refusal, choose, refuse_other_server

H1, H2 = "20261101T000000Z", "20261120T000000Z"
SHA = "0123456789abcdef"


def at(text: str) -> datetime:
    """Return a time of the 2nd of November, of hours and minutes, and seconds if there are any."""
    return from_said(f"2026-11-02T{text if text.count(':') == 2 else f'{text}:00'}Z")


def log(number: int, first: str, last: str, *, history: str = H1, sha: str = SHA) -> Log:
    return Log(history, number, at(first), at(last), sha)


def base(ended: str, number: int, *, history: str = H1) -> Base:
    return Base(history, at(ended), at(ended) - timedelta(minutes=1), number, 4321)


def seen(number: int, complete_to: str, *, history: str = H1) -> Seen:
    moment = stamp(at(complete_to))
    return Seen(moment, history, number, moment)


def blobs(*things: Base | Log) -> list[str]:
    return [name for thing in things for name in ([thing.data] if isinstance(thing, Base) else []) + [thing.name]]


LOGS = (log(7, "10:00", "10:01"), log(8, "10:01", "10:02"), log(9, "10:02", "10:03"), log(10, "10:05", "10:06"))
FIRST, SECOND = base("10:00:30", 7), base("10:02:30", 9)


def windows(*things: Base | Log, seen: Seen | None = None) -> list[str]:
    return [str(window) for window in Chain(blobs(*things), seen).windows()]


def test_names_come_back() -> None:
    for thing in (LOGS[0], log(1234567, "01:00", "02:00")):
        assert log_of(thing.name) == thing
    assert base_of(FIRST.name) == FIRST
    assert LOGS[0].name == f"log/{H1}/000007_20261102T100000Z_20261102T100100Z_{SHA}.zst"
    assert FIRST.data == f"base/{H1}/20261102T095930Z/data.zst"
    assert FIRST.name == f"base/{H1}/20261102T095930Z/base_20261102T100030Z_000007_4321.json"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "log/",
        LOGS[0].name + ".partial",
        LOGS[0].name.replace("000007", "7"),
        LOGS[0].name.replace("20261102T100000Z", "20261302T100000Z"),
        LOGS[0].name.replace("log/", "other/"),
        FIRST.data,
        FIRST.name.replace("T095930Z", "T995930Z"),
    ],
)
def test_other_names_are_passed_over(name: str) -> None:
    assert log_of(name) is None
    assert base_of(name) is None
    assert windows(FIRST, *LOGS[:1]) == [str(window) for window in Chain([name, *blobs(FIRST, *LOGS[:1])]).windows()]


def test_times_as_people_write_them() -> None:
    assert said(at("10:00:01")) == "2026-11-02T10:00:01Z"
    assert from_stamp(stamp(at("10:00:01"))) == at("10:00:01")
    with pytest.raises(ValueError, match="does not match"):
        from_said("2026-11-02 10:00:01")


def test_window_ends_before_the_last_logs_last_second() -> None:
    """What was committed in that second itself may be in the next log."""
    assert windows(FIRST, *LOGS[:3]) == ["2026-11-02T10:00:30Z to 2026-11-02T10:02:59Z"]


def test_window_goes_to_what_shipping_has_seen() -> None:
    """Nothing was committed after the last log, and shipping knows that."""
    assert windows(FIRST, *LOGS[:3], seen=seen(9, "11:00")) == ["2026-11-02T10:00:30Z to 2026-11-02T10:59:59Z"]
    assert windows(FIRST, *LOGS[:3], seen=seen(8, "10:02:10")) == ["2026-11-02T10:00:30Z to 2026-11-02T10:02:59Z"]


def test_what_was_seen_does_not_count_beyond_a_missing_log() -> None:
    assert windows(FIRST, *LOGS[:3], seen=seen(10, "11:00")) == ["2026-11-02T10:00:30Z to 2026-11-02T10:02:59Z"]
    assert windows(FIRST, *LOGS[:3], seen=seen(9, "11:00", history=H2)) == [
        "2026-11-02T10:00:30Z to 2026-11-02T10:02:59Z"
    ]


def test_base_of_an_idle_server() -> None:
    """The log in which it goes on has nothing in it, so it is never closed; shipping says that nothing is missing."""
    assert windows(FIRST) == []
    assert windows(FIRST, seen=seen(6, "10:00:20")) == []
    assert windows(FIRST, seen=seen(6, "10:09")) == ["2026-11-02T10:00:30Z to 2026-11-02T10:08:59Z"]
    plan = choose(Chain(blobs(FIRST), seen(6, "10:09")), None)
    assert (plan.logs, plan.stops) == ((), False)


def test_base_without_its_data_or_its_details_does_not_exist() -> None:
    names = blobs(FIRST, *LOGS)
    assert Chain([name for name in names if name != FIRST.data]).bases == []
    assert Chain([name for name in names if name != FIRST.name]).bases == []


def test_gap_ends_a_window_and_a_later_base_begins_one() -> None:
    things = (FIRST, LOGS[0], SECOND, LOGS[2], LOGS[3])
    assert windows(*things) == [
        "2026-11-02T10:00:30Z to 2026-11-02T10:00:59Z",
        "2026-11-02T10:02:30Z to 2026-11-02T10:05:59Z",
    ]
    assert [str(gap) for gap in Chain(blobs(*things)).gaps()] == [
        f"log 000008 of history {H1} is missing (2026-11-02T10:01:00Z to 2026-11-02T10:02:00Z)"
    ]


def test_gap_of_several_logs() -> None:
    [gap] = Chain(blobs(FIRST, LOGS[0], LOGS[3])).gaps()
    assert str(gap).startswith("logs 000008 to 000009 of history")
    assert (gap.since, gap.until) == (at("10:01"), at("10:05"))


def test_gap_at_the_end_is_known_by_what_shipping_has_seen() -> None:
    [gap] = Chain(blobs(FIRST, *LOGS), seen(12, "11:00")).gaps()
    assert (gap.first, gap.last, gap.since, gap.until) == (11, 12, at("10:06"), at("11:00"))
    assert Chain(blobs(FIRST, *LOGS), seen(10, "11:00")).gaps() == []


def test_log_that_is_there_twice_ends_the_chain() -> None:
    """Two servers have gone on from the same log: which of the two is true, nobody knows."""
    twice = log(8, "10:01", "10:02", sha="f" * 16)
    assert windows(FIRST, *LOGS, twice) == ["2026-11-02T10:00:30Z to 2026-11-02T10:00:59Z"]
    [gap] = Chain(blobs(FIRST, *LOGS, twice)).gaps()
    assert str(gap).startswith(f"log 000008 of history {H1} exists in two versions that differ")


def test_what_is_older_than_the_first_base_is_no_gap() -> None:
    """Blobs go by their age: the first bases may have lost their first logs, and logs their base."""
    old = base("09:00", 3)
    assert Chain(blobs(old, log(1, "08:00", "08:30"), log(5, "09:40", "09:41"), FIRST, *LOGS)).gaps() == []


def test_windows_of_one_history_that_touch_are_one() -> None:
    [window] = Chain(blobs(FIRST, SECOND, *LOGS)).windows()
    assert (window.begin, window.end, window.bases) == (at("10:00:30"), at("10:05:59"), (FIRST, SECOND))


def test_each_history_has_its_own_windows() -> None:
    """The numbering began anew; nothing leads from the one to the other."""
    new = base("10:10", 1, history=H2)
    things = (FIRST, *LOGS, new, log(1, "10:09", "10:20", history=H2))
    assert windows(*things) == [
        "2026-11-02T10:00:30Z to 2026-11-02T10:05:59Z",
        "2026-11-02T10:10:00Z to 2026-11-02T10:19:59Z",
    ]
    assert Chain(blobs(*things)).gaps() == []


def test_plan_takes_the_last_base_before_and_the_logs_up_to_the_time() -> None:
    chain = Chain(blobs(FIRST, SECOND, *LOGS))
    plan = choose(chain, at("10:02"))
    assert (plan.base, plan.stops, plan.to) == (FIRST, True, at("10:02"))
    assert [each.number for each in plan.logs] == [7, 8, 9]  # the last one begins in that second
    assert choose(chain, at("10:02:30")).base == SECOND
    assert [each.number for each in choose(chain, at("10:02:30")).logs] == [9]


def test_plan_across_a_move_to_a_machine_whose_clock_is_behind() -> None:
    """The first one is 90 s ahead: no log is left out in between, and all that the second has acknowledged is in."""
    ahead, behind = (
        (log(8, "10:01", "10:03:30"), log(9, "10:02", "10:03"), log(10, "10:03", "10:05")),
        (log(8, "10:01", "10:02"), log(9, "10:00:35", "10:01"), log(10, "10:01", "10:05")),
    )
    for others in (ahead, behind):
        chain = Chain(blobs(FIRST, LOGS[0], *others))
        for to, last in (("10:00:59", 9 if others is behind else 7), ("10:02:30", 10 if others is behind else 9)):
            assert [each.number for each in choose(chain, at(to)).logs] == [*range(7, last + 1)]
    later = (log(8, "10:02:10", "10:03:30"), log(9, "10:02", "10:03"), log(10, "10:03", "10:05"))
    assert [each.number for each in choose(Chain(blobs(FIRST, LOGS[0], *later)), at("10:02:05")).logs] == [7, 8, 9]


def test_plan_of_the_latest_takes_all() -> None:
    plan = choose(Chain(blobs(FIRST, SECOND, *LOGS), seen(10, "11:00")), None)
    assert (plan.base, plan.to, plan.stops) == (SECOND, at("10:59:59"), False)
    assert plan.logs == (LOGS[2], LOGS[3])


def test_both_ends_of_a_window_are_possible_and_no_second_more() -> None:
    chain = Chain(blobs(FIRST, *LOGS[:2]))
    assert choose(chain, at("10:00:30")).logs == (LOGS[0],)
    assert choose(chain, at("10:01:59")).logs == LOGS[:2]
    for outside in ("10:00:29", "10:02"):
        with pytest.raises(Refusal):
            choose(chain, at(outside))


def test_damaged_base_is_replaced_by_the_one_before() -> None:
    chain = Chain(blobs(FIRST, SECOND, *LOGS))
    plan = choose(chain, at("10:05"), without=[SECOND])
    assert (plan.base, [each.number for each in plan.logs]) == (FIRST, [7, 8, 9, 10])
    with pytest.raises(Refusal, match="every base of the backup is damaged"):
        choose(chain, at("10:05"), without=[FIRST, SECOND])


POSSIBLE = "Possible: 2026-11-02T10:00:30Z to 2026-11-02T10:00:59Z; 2026-11-02T10:02:30Z to 2026-11-02T10:05:59Z."


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("10:00", f"2026-11-02T10:00:00Z cannot be restored: it is before the end of the first base. {POSSIBLE}"),
        (
            "10:01:30",
            f"2026-11-02T10:01:30Z cannot be restored: log 000008 of history {H1} is missing"
            f" (2026-11-02T10:01:00Z to 2026-11-02T10:02:00Z). {POSSIBLE}",
        ),
        (
            "10:30",
            f"2026-11-02T10:30:00Z cannot be restored: the backup ends at 2026-11-02T10:05:59Z. {POSSIBLE}",
        ),
    ],
)
def test_refusals_say_what_is_missing_and_what_is_possible(to: str, told: str) -> None:
    with pytest.raises(Refusal) as refused:
        choose(Chain(blobs(FIRST, LOGS[0], SECOND, LOGS[2], LOGS[3])), at(to))
    assert str(refused.value) == told


def test_refusal_within_the_run_before_a_gap() -> None:
    """The last second before the gap is not sure to be whole: the gap is the reason."""
    with pytest.raises(Refusal, match=r"log 000008 .* is missing"):
        choose(Chain(blobs(FIRST, LOGS[0], LOGS[2])), at("10:01"))


def test_nothing_at_all() -> None:
    with pytest.raises(Refusal, match="the backup has no base, so nothing can be restored"):
        choose(Chain([]), None)
    with pytest.raises(Refusal, match=r"log 000007 of history \w+ is not there\. Nothing can be restored\."):
        choose(Chain(blobs(FIRST)), at("10:01"))


def test_latest_leaves_nothing_out() -> None:
    """Where something is known to lie behind a gap, the latest is not what can be reached."""
    with pytest.raises(Refusal, match=r"the latest cannot be restored: log 000008 .* Possible: .* to .*10:00:59Z\."):
        choose(Chain(blobs(FIRST, LOGS[0], LOGS[2])), None)
    with pytest.raises(Refusal, match=r"logs 000011 to 000012 .* are missing"):
        choose(Chain(blobs(FIRST, *LOGS), seen(12, "11:00")), None)
    with pytest.raises(Refusal, match=f"there is no base of history {H2}"):
        choose(Chain(blobs(FIRST, *LOGS, log(1, "10:09", "10:20", history=H2))), None)
    with pytest.raises(Refusal, match=f"there is no base of history {H2}"):
        choose(Chain(blobs(FIRST, *LOGS), seen(1, "11:00", history=H2)), None)
    with pytest.raises(Refusal, match="log 000007, which the last base needs, is not there yet"):
        choose(Chain(blobs(FIRST)), None)


def test_gap_before_the_last_base_is_none_of_the_latest() -> None:
    assert choose(Chain(blobs(FIRST, LOGS[0], SECOND, LOGS[2], LOGS[3])), None).base == SECOND


DETAILS = Details(
    cluster="mysql-lab", server="mariadb", version="10.11.19-MariaDB-0+deb12u1", kind="mbstream", begun="", ended="",
    history=H1, log=7, position=4321, bytes=5, sha256="f" * 64, unpacked=50,
)  # fmt: skip


def test_json_comes_back() -> None:
    assert from_json(Details, to_json(DETAILS)) == DETAILS
    assert from_json(Seen, to_json(seen(3, "10:00"))) == seen(3, "10:00")
    proof = Verified("t", "b", "t", True, 1, 2, 3, "")
    assert from_json(Verified, to_json(proof)) == proof


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 2}', json.dumps({**json.loads(to_json(DETAILS)), "format": 2})]
)
def test_json_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(Details, text)


def test_server_of_another_series_is_refused() -> None:
    refuse_other_server(DETAILS, "mariadb", "10.11")
    for server, series in (("mariadb", "11.8"), ("mysql", "10.11")):
        with pytest.raises(Refusal, match=r"Choose an operatingSystem that has mariadb 10\.11"):
            refuse_other_server(DETAILS, server, series)


def test_weeks_of_logs_are_quick() -> None:
    logs = [
        Log(H1, n, at("00:00") + timedelta(minutes=n), at("00:00") + timedelta(minutes=n + 1), SHA)
        for n in range(15_000)
    ]
    bases = [Base(H1, at("00:00") + timedelta(days=n), at("00:00") + timedelta(days=n), n * 1440, 4) for n in range(10)]
    chain = Chain(blobs(*bases, *logs))
    assert len(chain.windows()) == 1
    assert chain.gaps() == []
