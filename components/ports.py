"""The TCP and UDP ports of the cluster's own programs, each the same on every node."""

SSH = 22
MYSQL = 3306
QNETD = 5403
COROSYNC = 5405  # UDP
DRBD = 7789

ON_EVERY_NODE = (SSH, MYSQL, COROSYNC, DRBD)
