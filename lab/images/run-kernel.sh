#!/bin/bash
# Becomes the User-Mode Linux kernel that lies beside this file, with the arguments given.
# Runs in a mount namespace of its own, since it binds the kernel's loader over the host's:
# the path of the loader is fixed in the kernel's binary, and the host's may be too old for it.
here=${BASH_SOURCE[0]%/*}

if [[ ${LD_LIBRARY_PATH-} != "$here/lib" ]]; then
    loader=$(readlink -f /lib64/ld-linux-x86-64.so.2)
    mount --bind "$here/lib/ld-linux-x86-64.so.2" "$loader" || exit
    # From here on nothing may be started but the kernel: it would get this loader and the host's libraries.
    export LD_LIBRARY_PATH=$here/lib
else
    # The guest reboots: the kernel runs what it was called as, and leaves all its files open.
    # Its memory would be lost, and its network devices be busy.
    for file in /proc/self/fd/*; do
        number=${file##*/}
        if ((number > 2)) && ! [[ $file -ef ${BASH_SOURCE[0]} ]]; then
            eval "exec $number>&-"
        fi
    done
fi
exec -a "$0" "$here/linux" "$@"
