#!/bin/sh
# SPDX-License-Identifier: MIT
#
# enter.sh ROOT SHARED PROGRAM ARGS...: runs a program inside the Debian folder
# ROOT with the folder SHARED visible at the same path. The mounts live in a
# namespace of their own and go with the program; every step is an exec, so the
# program keeps the caller's process id and its signals.
# shellcheck disable=SC2016
exec unshare --mount --propagation private sh -euc '
  root=$1 shared=$2
  shift 2
  mkdir -p "$root$shared"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --rbind "$shared" "$root$shared"
  exec chroot "$root" "$@"
' enter "$@"
