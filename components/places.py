"""Where on a node things are."""

# The data directory is a folder in it, since AppArmor's profile of the server knows nothing but this path.
MOUNT_POINT = "/var/lib/mysql"

# The server's certificate with its key, and that of the authority. Also AppArmor's profile lets the server read there.
TLS_FILE = "/etc/mysql/azure-mysql-ha-server.pem"
TLS_AUTHORITY_FILE = "/etc/mysql/azure-mysql-ha-ca.pem"
