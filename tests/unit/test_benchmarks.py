"""What the comparison makes of what it has measured."""

import pytest

from lab.benchmarks.figures import Load, Outage, Result, longest_gap, markdown, percentile, read_sysbench

# Of a run against a lab, shortened.
REPORT = """\
Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.500 |****************************************  90
       0.600 |*                                         9
      12.000 |                                          1

SQL statistics:
    queries performed:
        read:                            0
        write:                           100
        other:                           0
        total:                           100
    transactions:                        100    (50.00 per sec.)
    queries:                             100    (50.00 per sec.)
    ignored errors:                      0      (0.00 per sec.)
    reconnects:                          0      (0.00 per sec.)

General statistics:
    total time:                          2.0000s
    total number of events:              100

Latency (ms):
         min:                                    0.48
         avg:                                    0.64
         max:                                   12.00
         95th percentile:                        0.60
         sum:                                   63.90
"""


def test_a_percentile_is_the_value_up_to_which_there_are_so_many() -> None:
    histogram = [(1.0, 50), (2.0, 49), (3.0, 1)]
    assert [percentile(histogram, share) for share in (0.01, 0.50, 0.51, 0.99, 1.0)] == [1.0, 1.0, 2.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="empty"):
        percentile([], 0.5)


def test_a_report_is_read() -> None:
    assert read_sysbench(REPORT, 16, 0.5) == Load(
        connections=16, commits_per_second=50.0, p50_ms=0.5, p99_ms=0.6, generator_share=0.25
    )


@pytest.mark.parametrize(
    "report", ["", REPORT.replace("errors:                      0", "errors:                      3")]
)
def test_a_run_that_failed_is_no_figure(report: str) -> None:
    with pytest.raises(ValueError, match="did not end well"):
        read_sysbench(report, 1, 0.0)


def test_the_longest_gap() -> None:
    assert longest_gap([1.0, 1.5, 4.0, 4.5]) == 2.5
    assert longest_gap([1.0]) == longest_gap([]) == 0.0


def test_the_tables_have_medians_and_extremes() -> None:
    result = Result(
        name="Galera",
        versions={"MariaDB": "10.11"},
        loads={
            "direct": [
                *(Load(1, rate, 0.5, 1.25, 0.1, 10.0) for rate in (900.0, 1100.0, 1000.0)),
                Load(16, 2345.6, 4.0, 9.0, 0.1, 20.4),
            ]
        },
        outages=[Outage(5.0, 0.2, 20.0, 1000, 0), Outage(7.0, 0.3, 30.0, 1001, 1)],
    )
    text = markdown([result, Result(name="ours")], {"machine": "2 cores"})
    assert text.splitlines() == [
        "- machine: 2 cores",
        "",
        "- Galera: MariaDB 10.11",
        "",
        "Commits of one row each; median of the runs (lowest to highest):",
        "",
        "|  | connections | commits/s | p50, ms | p99, ms | switches a commit |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| Galera, direct | 1 | 1,000 (900 to 1,100) | 0.50 (0.50 to 0.50) | 1.25 (1.25 to 1.25) | 10 |",
        "| Galera, direct | 16 | 2,346 | 4.00 | 9.00 | 20 |",
        "",
        "Power kill of the machine written to; median (lowest to highest):",
        "",
        "|  | kills | outage, s | stall at the return, s | whole again after, s | acknowledged rows lost |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| Galera | 2 | 6.0 (5.0 to 7.0) | 0.2 (0.2 to 0.3) | 25 (20 to 30) | 1 of 2,001 |",
    ]
