"""The TCP and UDP ports of the cluster's own programs, each the same on every node; and addresses of their own."""

SSH = 22
MYSQL = 3306
QNETD = 5403
COROSYNC = 5405  # UDP
DRBD = 7789

# UDP. WireGuard's usual one, and the next: while the tunnel's keys are being changed there are two tunnels.
WIREGUARD = (51820, 51821)

# The nodes' addresses within the tunnel: link-local (RFC 3927), which Azure lets no virtual network have
# (learn.microsoft.com, "Virtual network FAQ").
TUNNEL_ADDRESSES = ("169.254.77.1", "169.254.77.2")

# Of Prometheus' exporters, each its own usual one (github.com/prometheus/prometheus/wiki/Default-port-allocations).
NODE_EXPORTER = 9100
MYSQLD_EXPORTER = 9104
CLUSTER_EXPORTER = 9664
PROMETHEUS = 9090
EXPORTERS = (NODE_EXPORTER, MYSQLD_EXPORTER, CLUSTER_EXPORTER)

ON_EVERY_NODE = (SSH, MYSQL, COROSYNC, DRBD, *EXPORTERS)
