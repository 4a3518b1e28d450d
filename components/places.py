"""Where on a node things are."""

# The data directory is a folder in it, since AppArmor's profile of the server knows nothing but this path.
MOUNT_POINT = "/var/lib/mysql"
