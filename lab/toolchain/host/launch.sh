#!/bin/sh
# Starts Pulumi's language host for an engine that is newer than it.
#
# Engines of today tell a host the project's runtime options with each call. This
# host knows them only as flags: they are Pulumi.yaml's, and the engine starts a
# host in the folder of that file.
here=${0%/*}
exec "$here/host/pulumi-language-python" -root "$PWD" -virtualenv .venv "$@"
