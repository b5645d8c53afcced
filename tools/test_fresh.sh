#!/usr/bin/env bash
# test_fresh.sh [WORK]: runs both README commands, from what is committed, in an empty Debian 12 root. Needs root and
# mmdebstrap. To be run when the package lists, the scripts or the CMake files change; takes minutes, so not part of CI.
# FRESH_ONLY=run leaves out ./test.sh.
set -euo pipefail
source=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
work=$(realpath -m "${1:-$source/build/fresh}")
root=$work/root
step() { printf '%6ds  %s\n' "$SECONDS" "$*"; }
rm -rf --one-file-system "$root"
mkdir -p "$work"

step "bootstrap"
mmdebstrap --variant=apt --mode=root bookworm "$root" /etc/apt/sources.list.d/debian.sources >"$work/bootstrap.log" 2>&1
# What any machine gets from its site: name resolution, and the site's own certificate authorities, as files that are
# there before ca-certificates is installed.
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mkdir -p "$root/usr/local/share/ca-certificates" "$root/src"
cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no service may start in here
chmod +x "$root/usr/sbin/policy-rc.d"
git -C "$source" archive HEAD | tar -x -C "$root/src"

enter() { # with mount and process namespaces of its own: nothing stays mounted, no process survives
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --mount-proc="$root/proc" sh -c '
    mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/dev/shm" && mount -t tmpfs tmpfs "$1/tmp"
    root=$1; shift
    exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive CI=true \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' sh "$root" "$@"
}
step "./run.sh version"
enter bash -ec 'cd /src && ./run.sh version'
if [ "${FRESH_ONLY:-}" != run ]; then
  step "./test.sh"
  enter bash -ec 'cd /src && ./test.sh'
fi
step "done, $(du -sxh "$root" | cut -f1)"
