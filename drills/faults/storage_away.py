"""The storage account of the backups cannot be reached for some minutes.

The service does not wait for it: the log stays on the data disk, and an alarm says so.  When the account is back,
everything that has waited is copied, without a gap, and the alarm ends.
"""

from drills import rescue
from drills.drill import Drill
from drills.proof.alerts import Telling
from drills.proof.audit import Expectation
from operations import backups

ORDER = 240

ALARM = "the backup is complete until"
ALARM_SECONDS = 420.0
"""It comes after five minutes."""

ALERT = "MysqlBackupLogLate"
_ALERT_SECONDS = 120.0
"""After the alarm: a node looks at itself every 45 s, and the rule waits for a minute."""

# Nobody may notice: a commit on a busy lab was seen to take 2 s.
EXPECTED = Expectation(
    fencings=(0, 0), longest_outage=5, moves=0, telling=Telling((ALERT,), within=ALARM_SECONDS + _ALERT_SECONDS)
)
NEEDS_LAB = "a storage account cannot be blocked for two machines alone"
NEEDS_BACKUP = True


def run(drill: Drill) -> None:
    rescue.wait_for_backup(drill, drill.seen.writer.last_acknowledged)
    at = drill.fault("the storage account cannot be reached from the machines any more")
    drill.lab.reach_storage(False)
    drill.wait("the alarm", lambda: _alarms(drill), ALARM_SECONDS, every=10)
    drill.event(f"status says: {'; '.join(_alarms(drill))}")
    drill.wait_told([ALERT], at + ALARM_SECONDS + _ALERT_SECONDS)
    back = drill.fault_end("the storage account is back")
    drill.lab.reach_storage(True)
    rescue.wait_for_backup(drill, back)
    drill.check(not _alarms(drill), "the alarm has not ended")
    windows: list[list[str]] = backups.ask(drill.target.stack)["windows"]
    whole = any(begin < rescue.second(at) and rescue.second(back) <= end for begin, end in windows)
    drill.check(whole, f"not each second of the outage can be restored: {windows}")


def _alarms(drill: Drill) -> list[str]:
    return [alarm for alarm in drill.target.status().alarms if alarm.startswith(ALARM)]
