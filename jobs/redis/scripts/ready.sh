#!/bin/sh
# Probes. `alive`: the server answers, whatever it says. `started`: it has loaded. Otherwise, ready: the pod of
# HOME_ORDINAL is the primary; every other one is in touch with its primary.
set -eu
answer=$(redis-cli -h 127.0.0.1 PING)
[ "${1:-ready}" != alive ] || exit 0
[ "$answer" = PONG ] || { echo "$answer"; exit 1; }
[ "${1:-ready}" != started ] || exit 0

replication=$(redis-cli -h 127.0.0.1 INFO replication | tr -d '\r')
has() { printf '%s\n' "$replication" | grep -qx "$1"; }
if has role:master; then exit 0; fi
[ "${POD_NAME##*-}" != "$HOME_ORDINAL" ] || { echo "this pod is not the primary yet"; exit 1; }
has master_link_status:up || { echo "no link to the primary"; exit 1; }
