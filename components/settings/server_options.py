"""Which of the server's options a stack may set: `mysqlOptions`.

Refused is what would undo what the cluster is for. The names were chosen from all that the servers have, which they say
themselves (`--verbose --help`: MariaDB 10.11 and 11.8, MySQL 9.7). MySQL 8.0 and 8.4 were not asked.

What an option file may say for a name (tried with those three): MariaDB takes a beginning that only one option has, in
capitals too; both take words before the name that change what it does. So a beginning of a refused name is refused
without asking whether others begin so too: those the server would refuse.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from components.settings.mistake import Mistake

_KEYS_STAY = "MySQL keeps the keys on the disk of the node that made them, so the other node could not read the data"

# With the reason, which ends the message. MySQL's and MariaDB's together: a stack may go from one to the other.
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("datadir", "socket", "pid_file", "log_error", "log_basename", "basedir", "user", "tmpdir"),
        "Pacemaker's resource agent knows it too, and both must agree",
    ),
    **dict.fromkeys(
        ("port", "bind_address", "networking", "bind_port"), "the load balancer's rule and its probe lead to it"
    ),
    **dict.fromkeys(
        (
            "innodb_flush_log_at_trx_commit",
            "rocksdb_flush_log_at_trx_commit",
            "flush_log_at_trx_commit",
            "sync_binlog",
            "debug_no_sync",
            "innodb_doublewrite",
            "innodb_flush_method",
            "innodb_fast_shutdown",
            "innodb_force_recovery",
            "tc_heuristic_recover",
        ),
        "an acknowledged commit must survive the loss of a node",
    ),
    **dict.fromkeys(
        (
            "innodb_data_home_dir",
            "innodb_log_group_home_dir",
            "innodb_undo_directory",
            "innodb_directories",
            "innodb_doublewrite_dir",
            "innodb_temp_tablespaces_dir",
            "aria_log_dir_path",
            "rocksdb_datadir",
            "rocksdb_wal_dir",
        ),
        "everything must be on the replicated disk",
    ),
    **dict.fromkeys(
        (
            "binlog_encryption",
            "binlog_rotate_encryption_master_key_at_startup",
            "default_table_encryption",
            "innodb_redo_log_encrypt",
            "innodb_undo_log_encrypt",
        ),
        _KEYS_STAY,
    ),
    **dict.fromkeys(
        (
            "grant_tables",
            "init_file",
            "local_infile",
            "secure_file_priv",
            "plugin_load",
            "plugin_load_add",
            "early_plugin_load",
            "plugin_dir",
            "allow_suspicious_udfs",
        ),
        "it would open the server to more than its accounts allow",
    ),
    **dict.fromkeys(
        ("ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_passphrase", "require_secure_transport", "tls_version"),
        "the cluster sets the options that require TLS; a certificate of your own goes into ownCertificate",
    ),
    **dict.fromkeys(("unix_socket", "auth_socket"), "it is how the cluster logs in to the server"),
    **dict.fromkeys(
        ("read_only", "super_read_only", "innodb_read_only", "transaction_read_only", "offline_mode"),
        "the node that serves must take writes",
    ),
    **dict.fromkeys(
        (
            "bootstrap",
            "chroot",
            "console",
            "daemonize",
            "debug_gdb",
            "gdb",
            "help",
            "initialize",
            "initialize_insecure",
            "validate_config",
            "version",
        ),
        "with it the program does not run as a server under Pacemaker",
    ),
    "name_resolve": "the cluster's configuration already turns it on",
}

# The same, with `backup` on. By these the binary log ends, has gaps, or is such as nobody can read elsewhere.
_OF_BACKUP = (
    "binlog_directory",
    "binlog_do_db",
    "binlog_error_action",
    "binlog_expire_logs_auto_purge",
    "binlog_expire_logs_seconds",
    "binlog_format",
    "binlog_ignore_db",
    "binlog_space_limit",
    "binlog_storage_engine",
    "encrypt_binlog",
    "enforce_gtid_consistency",
    "expire_logs_days",
    "gtid_mode",
    "log_bin",
    "log_bin_index",
    "max_binlog_total_size",
    "slave_connections_needed_for_purge",
)

# All options whose names begin so.
_REFUSED_BEGINNINGS: Mapping[str, str] = {
    "keyring_": _KEYS_STAY,
    "wsrep_": "DRBD is what copies the data to the other node",
}

# Files of the server's data and history: in the data directory, on DRBD, unless the name has a path. Logs of queries
# are not among them: what a node has logged may stay there.
_FILES = (
    "innodb_buffer_pool_filename",
    "innodb_data_file_path",
    "innodb_temp_data_file_path",
    "log_bin",
    "log_bin_index",
    "log_ddl_recovery",
    "log_tc",
    "master_info_file",
    "relay_log",
    "relay_log_index",
    "relay_log_info_file",
)

# Free options with whose whole name one of those above begins; tests/lab/field/test_settings.py asks the server.
_FREE = frozenset({"debug", "flush", "innodb", "rocksdb"})

# Words before a name; "autoset" is MariaDB's.
_WORD = re.compile(r"(skip|disable|enable|maximum|loose|autoset)_")

# MariaDB 10.11 and 11.8 read a line by pieces of some 4090 bytes, and take the second for an option of its own.
_LONGEST_LINE = 4000


def server_options(values: Mapping[str, str]) -> dict[str, str]:
    """Check further options of the server, and spell their names with _ throughout.

    Raises:
        Mistake: one of them is refused, or cannot stand in an option file.
    """
    checked: dict[str, str] = {}
    for name, value in values.items():
        plain = name.replace("-", "_")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", plain):
            raise Mistake(f"{name!r} is not a valid option name: a-z, 0-9, _ and -")
        if plain in checked:
            raise Mistake(f"{name} is listed twice, once with - and once with _")
        if not value.isprintable() or "#" in value or value != value.strip() or not value:
            raise Mistake(f"{name} has a value that cannot stand on one line of an option file")
        if len(f"{plain} = {value}".encode()) > _LONGEST_LINE:
            raise Mistake(f"{name} has a value of more than {_LONGEST_LINE} bytes, which MariaDB reads as two options")
        # `--print-defaults`, by which NODE-options knows what a server starts with, would show it as another option.
        if " --" in value:
            raise Mistake(f"{name} has a value with a space before --, which looks like another option")
        _refuse(name, plain, value)
        checked[plain] = value
    return checked


def as_in_file(value: str) -> str:
    """Return how an option file says a value, so that the server reads just that.

    Of a plain value it takes the quotes around it away, and reads what follows a backslash as in C; within quotes two
    backslashes are one (MariaDB 10.11, MySQL 9.7: `--print-defaults`).
    """
    if "\\" not in value and not value.startswith(("'", '"')):
        return value
    escaped = value.replace("\\", "\\\\")
    return f'"{escaped}"'


def check_binary_log(options: Iterable[str]) -> None:
    """Check that no option is one of the binary log's that backups have set.

    Args:
        options: names, spelt with _ throughout.
    """
    for name in options:
        for rest, _ in _readings(name):
            if option := next((each for each in _OF_BACKUP if each.startswith(rest)), None):
                _say(name, option, "with backup on, the backups use the binary log, and set it themselves")


def _refuse(name: str, plain: str, value: str) -> None:
    for rest, words in _readings(plain):
        option = _stands_for(rest)
        reason = _REFUSED.get(option) or _REFUSED_BEGINNINGS.get(option)
        if option in _FILES:
            reason = _misplaces(option, words, value)
        if reason:
            _say(name, plain if option in _REFUSED_BEGINNINGS else option, reason)


def _say(name: str, option: str, reason: str) -> None:
    is_itself = option == name.replace("-", "_")
    raise Mistake(f"{name} {'is' if is_itself else f'stands for {option}, which is'} refused: {reason}")


def _readings(plain: str) -> Iterator[tuple[str, list[str]]]:
    """Return a name as it is, and without the words before it, one after the other; each with those words."""
    words: list[str] = []
    yield plain, words
    while word := _WORD.match(plain):
        words = [*words, word[1]]
        plain = plain[word.end() :]
        yield plain, words


def _stands_for(plain: str) -> str:
    """Return the name that is meant, if it is one of those above or the beginning of one; else the same again."""
    known = (*_REFUSED, *_FILES)
    if plain in known or plain in _FREE:
        return plain
    for beginning in _REFUSED_BEGINNINGS:
        if plain.startswith(beginning) or beginning.startswith(plain):
            return beginning
    return next((name for name in known if name.startswith(plain)), plain)


def _misplaces(option: str, words: Sequence[str], value: str) -> str | None:
    """Return why a file of the data directory would not be there on both nodes; None if it would."""
    if {"skip", "disable"} & {*words}:
        return None
    # Without a name it is called after the host (both servers: log_bin alone, enable_log_bin): the other begins anew.
    if {*words} - {"loose"}:
        return f"it needs a name that is the same on both nodes, as in {option}: NAME"
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:;-]*", value):
        return "the file must be on the replicated disk, so give its name without a path"
    return None
