"""Logs: a month of them goes by on the node that serves."""

import re

import pytest

from lab import application, service
from lab.lab import Lab
from operations.ssh import Node
from tests.support import trial
from tests.support.bystander import nobody_notices

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

_DAYS = 31
_KIB_A_DAY = 128

# What grows by a day: all of it that a process writes, and is not the journal's, which has its own bound. Pacemaker's
# is rotated by the week, and named by the day: more than once a day it cannot be.
_A_DAY = f"""
for log in mysql/error.log mysql/slow.log corosync/corosync.log pacemaker/pacemaker.log; do
  head --bytes={_KIB_A_DAY * 3 // 4}K /dev/urandom | base64 >>/var/log/$log
done
yesterday=$(date --date=yesterday +%Y-%-m-%-d)
sed --in-place --regexp-extended "/pacemaker/! s/ [0-9]{{4}}-[0-9]+-[0-9]+-/ $yesterday-/" $status
logrotate --state=$status /etc/logrotate.conf
"""

_OPEN = r"find /proc/[0-9]*/fd -lname '/var/log/*' ! -lname '/var/log/journal/*' -printf '%l\n' 2>/dev/null | sort -u"


def open_logs(node: Node) -> list[str]:
    """Return the logs that some process writes, as the kernel has their names now."""
    return node.run(_OPEN, check=False).splitlines()


@pytest.mark.long
def test_a_month_goes_by(lab: Lab) -> None:
    """Every log is rotated, the server writes into the new ones, and none grows without end."""
    node = service.serving(lab)
    root = f"{trial.ROOT} --execute="
    node.run(f"{root}'set global slow_query_log = on; set global long_query_time = 0'")
    try:
        with nobody_notices(lab):
            application.query(lab, "select 'slow enough'")
            assert {"/var/log/mysql/error.log", "/var/log/mysql/slow.log"} <= {*open_logs(node)}
            days = f"status=/run/logrotate-of-a-month\nlogrotate --state=$status /etc/logrotate.conf\n{_A_DAY * _DAYS}"
            said = node.run(f"{{\n{days}}} 2>&1", timeout=300)
            assert said == ""
    finally:
        node.run(f"{root}'set global slow_query_log = default; set global long_query_time = default'")
    logs = open_logs(node)
    assert "/var/log/mysql/error.log" in logs
    # Renamed or deleted, a log would have a name of another form.
    assert all(re.fullmatch(r"/var/log/[a-z_/-]+\.log", log) for log in logs), logs
    rotated = node.run("cat /run/logrotate-of-a-month")
    assert [log for log in logs if f'"{log}"' not in rotated] == []
    kept = int(
        node.run("du --summarize --block-size=1K --total /var/log/mysql /var/log/corosync /var/log/pacemaker").split()[
            -2
        ]
    )
    print(f"{kept} KiB kept of {4 * _DAYS * _KIB_A_DAY}")
    names = node.run("cd /var/log/mysql && ls").splitlines()
    assert len([name for name in names if name.startswith("error.log")]) == 15, names
    node.run("rm --force /run/logrotate-of-a-month; find /var/log -name '*.log*.gz' -delete")
    service.wait_until_well(lab, 60)
