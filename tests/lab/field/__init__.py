"""What people do to a cluster that serves, and what they reported of others: on one lab, each test leaves it well."""

OPTIONS = {"innodb_buffer_pool_size": "128M", "performance_schema": False, "log_bin": "mysql-bin"}
"""Options of the server that this cluster has: those of the lab's stack, and a binary log."""
