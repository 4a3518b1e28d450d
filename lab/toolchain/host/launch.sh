#!/bin/sh
# Starts Pulumi's language host for an engine that is newer than it.
#
# Engines of today tell a host the project's runtime options with each call. This
# host knows them only as flags: they are Pulumi.yaml's, and the engine starts a
# host in the folder of that file. The host ends with the engine even when that is
# killed, which it would notice by itself after five minutes only.
here=${0%/*}
exec setpriv --pdeathsig KILL "$here/host/pulumi-language-python" \
    -root "$PWD" -virtualenv .venv -use-executor "$here/pulumi-language-python-exec" "$@"
