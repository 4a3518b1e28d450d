"""What people do to a cluster that serves, and what they reported of others: on one lab, each test leaves it well."""

OPTIONS = {
    "innodb_buffer_pool_size": "128M",
    "innodb_log_buffer_size": "16M",
    "performance_schema": False,
    "log_bin": "mysql-bin",
}
"""Options of the server that this cluster has: those of the lab's stack, and a binary log."""

MADE_WITH = {"databaseName": "my_app", "mysqlOptions": OPTIONS}
"""Settings of this cluster in place of the lab's."""
