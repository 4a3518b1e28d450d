"""With which options a server replays a dump of MySQL: the fewest, on a data directory that has nothing yet.

The server's option file may have what only loaded system tables make valid: a named time zone, a plugin's variables.
What the dump and the log do not say themselves is taken of it.
"""

import subprocess

from .packed import Failed

_KEPT = frozenset(
    (
        # What the data directory is made with.
        *("lower_case_table_names", "innodb_page_size", "innodb_data_file_path"),
        # What becomes of statements that do not say it.
        *("character_set_server", "collation_server", "default_storage_engine"),
        *("explicit_defaults_for_timestamp", "innodb_default_row_format", "innodb_file_per_table"),
        *("default_week_format", "div_precision_increment"),
        # What statements are allowed that the server has once allowed.
        *("innodb_strict_mode", "restrict_fk_on_non_standard_key", "partial_revokes", "sql_require_primary_key"),
        *("sql_generate_invisible_primary_key", "show_gipk_in_create_table_and_information_schema"),
        # What is in full-text indexes.
        *("ft_min_word_len", "ft_max_word_len", "ngram_token_size", "innodb_ft_enable_stopword"),
        *("innodb_ft_min_token_size", "innodb_ft_max_token_size"),
        # How long it takes.
        *("innodb_buffer_pool_size", "innodb_redo_log_capacity", "innodb_log_file_size", "innodb_io_capacity"),
        *("innodb_io_capacity_max", "innodb_buffer_pool_instances", "open_files_limit", "table_open_cache"),
    )
)

_PREFIXES = ("loose_", "skip_", "disable_", "enable_")


def kept(arguments: list[str]) -> list[str]:
    """Return those of a server's arguments with which it would make other data, or be much slower, without them."""
    return [argument for argument in arguments if argument.startswith("--") and _name(argument) in _KEPT]


def _name(argument: str) -> str:
    name = argument.removeprefix("--").partition("=")[0].replace("-", "_").lower()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def of_file(program: str, option_file: str) -> list[str]:
    """Return what a server would keep of an option file, which it reads with all that this includes.

    Raises:
        Failed: it cannot.
    """
    run = subprocess.run(
        [program, f"--defaults-file={option_file}", "--print-defaults"], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise Failed(f"{option_file} cannot be read: {run.stderr.strip()[-300:]}")
    # The first line says what the second one is.
    return kept(" ".join(run.stdout.splitlines()[1:]).split())
