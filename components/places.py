"""Where on a node things are, and what they are called."""

# The data directory is a folder in it, since AppArmor's profile of the server knows nothing but this path.
MOUNT_POINT = "/var/lib/mysql"

# The server's certificate with its key, and that of the authority. Also AppArmor's profile lets the server read there.
TLS_FILE = "/etc/mysql/azure-mysql-ha-server.pem"
TLS_AUTHORITY_FILE = "/etc/mysql/azure-mysql-ha-ca.pem"

# Outside of DRBD's own folder, which `crm report` packs: it has DRBD's secret.
DRBD_RESOURCE_FILE = "/etc/azure-mysql-ha/r0.res"

# A node's attribute in Pacemaker's configuration, which both nodes keep: since when a person wants it to stay off.
STAYS_OFF = "stays-off"

# Says on a node that Azure changes the other one's machine, and that it is not to be started meanwhile.
PEER_IN_TURN = "/run/azure-mysql-ha/peer-in-turn"

# A link to the watchdog that sbd uses.
WATCHDOG_DEVICE = "/run/azure-mysql-ha/watchdog"

# To what that sbd was started to set it, in seconds: of its own environment it leaves nothing to read.
WATCHDOG_SECONDS = "/run/azure-mysql-ha-watchdog-seconds"

# On a witness whose Prometheus writes elsewhere: a token of the machine's own identity, and what keeps it fresh.
TOKEN = "/run/azure-mysql-ha-token/token"
TOKEN_UNIT = "azure-mysql-ha-token.service"

# Has the other node started where one waits for it alone.
WAITS_ALONE_UNIT = "azure-mysql-ha-waits-alone.service"
