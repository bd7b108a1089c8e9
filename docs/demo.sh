#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on one machine: a primary and two replicas on loopback, each backed up, proven; one is wiped, restored, and
# rejoins by partial resync; then all are wiped, and restored by one command; and a drill proves it. Every figure is
# measured in this run. It leaves nothing running and nothing on disk.
#
#     docs/demo.sh PATH-TO-REDOUBT
set -euo pipefail
redoubt=${1:?usage: docs/demo.sh PATH-TO-REDOUBT}
redoubt=$(cd "$(dirname "$redoubt")" && pwd)/$(basename "$redoubt")

work=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-demo.XXXXXX")
declare -A pids=()
finish() {
    local status=$?
    if [ "$status" -ne 0 ]; then printf '\nThe demo failed (status %s).\n' "$status" >&2; fi
    # From here on the shell would only report whom it ended.
    exec 2>/dev/null
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

chapter() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '  %s\n' "$*"; }
run() { printf '  $ %s\n' "$*" | sed -e "s#$redoubt#redoubt#g" -e "s#$work#.#g"; "$@" 2>&1 | sed -e "s#$work#.#g" -e 's/^/    /'; }

free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
    done
    echo "no free port found" >&2
    return 1
}

declare -A port=()
start() { # start NAME [more configuration]
    local name=$1
    shift
    mkdir -p "$work/$name"
    redis-server --port "${port[$name]}" --bind 127.0.0.1 --dir "$work/$name" --save "" --appendonly no \
        --enable-debug-command local --repl-diskless-sync-delay 0 --logfile "$work/$name.log" "$@" &
    pids[$name]=$!
    for _ in $(seq 200); do
        if [ "$(cli "$name" PING 2>/dev/null)" = PONG ]; then return; fi
        sleep 0.05
    done
    echo "$name did not start:" >&2
    tail -5 "$work/$name.log" >&2
    return 1
}
cli() { local name=$1; shift; redis-cli -h 127.0.0.1 -p "${port[$name]}" "$@"; }
stat_of() { cli "$1" INFO stats | tr -d '\r' | sed -n "s/^$2://p"; }
in_sync() { # in_sync NAME: the link is up and nothing is missing
    local link offset
    link=$(cli "$1" INFO replication | tr -d '\r' | sed -n 's/^master_link_status://p')
    offset=$(cli "$1" INFO replication | tr -d '\r' | sed -n 's/^slave_repl_offset://p')
    [ "$link" = up ] && [ "$offset" = "$(cli redis-0 INFO replication | tr -d '\r' | sed -n 's/^master_repl_offset://p')" ]
}
wait_in_sync() {
    for _ in $(seq 400); do if in_sync "$1"; then return; fi; sleep 0.05; done
    echo "$1 did not come into sync" >&2
    return 1
}

printf '\033[1mredoubt: back up every replica, prove it, bring it back\033[0m\n'

chapter "1. A primary and two replicas, with data"
for name in redis-0 redis-1 redis-2; do port[$name]=$(free_port); done
start redis-0
awk 'BEGIN {
    for (i = 0; i < 60000; i++) printf "SET user:%d name-%d-%d\r\n", i, i, i * 7919
    for (i = 0; i < 20000; i++) printf "HSET cart:%d item-%d %d price %d\r\n", i % 2000, i, i % 9, i
    for (i = 0; i < 20000; i++) printf "RPUSH queue:%d job-%d\r\n", i % 40, i
    for (i = 0; i < 20000; i++) printf "ZADD board:%d %d player-%d\r\n", i % 20, i * 31 % 10007, i
    for (i = 0; i < 10000; i++) printf "SADD tags:%d %d\r\n", i % 100, i
    for (i = 0; i < 5000; i++) printf "XADD events:%d * kind click at %d\r\n", i % 10, i
    for (i = 0; i < 5000; i++) printf "SET session:%d token-%d EX 86400\r\n", i, i
}' | cli redis-0 --pipe | tail -1 | sed 's/^/  /'
cli redis-0 XGROUP CREATE events:1 readers 0 >/dev/null
cli redis-0 XREADGROUP GROUP readers alice COUNT 10 STREAMS events:1 '>' >/dev/null
cli redis-0 SELECT 3 >/dev/null
cli redis-0 -n 3 SET in-database-3 yes >/dev/null
for name in redis-1 redis-2; do start "$name" --replicaof 127.0.0.1 "${port[redis-0]}"; done
for name in redis-1 redis-2; do wait_in_sync "$name"; done
say "redis-0 is the primary, redis-1 and redis-2 follow it; each holds $(cli redis-0 DBSIZE) keys in database 0."

chapter "2. Back up each of them"
endpoints=()
for name in redis-0 redis-1 redis-2; do endpoints+=(--endpoint "redis://127.0.0.1:${port[$name]}"); done
run "$redoubt" backup "${endpoints[@]}" --to "file://$work/backups" --name demo

chapter "3. What is in the store, and does it prove again?"
run "$redoubt" list --from "file://$work/backups"
run "$redoubt" verify --from "file://$work/backups" --name demo

chapter "4. Disaster: redis-2 loses its process and its disk, while the primary goes on"
digest_before=$(cli redis-2 DEBUG DIGEST)
kill -9 "${pids[redis-2]}"
{ wait "${pids[redis-2]}" || true; } 2>/dev/null
rm -rf "${work:?}/redis-2"
mkdir "$work/redis-2"
for i in $(seq 200); do echo "SET after-the-backup:$i $i"; done | cli redis-0 >/dev/null
say "redis-2 is gone, its folder is empty. The primary took 200 writes since the backup."

chapter "5. Restore it, before it starts"
run "$redoubt" restore --from "file://$work/backups" --name demo --data-dir "$work/redis-2" --appendonly no \
    --server-version "$(cli redis-0 INFO server | tr -d '\r' | sed -n 's/^redis_version://p')"

chapter "6. It starts and rejoins"
full_before=$(stat_of redis-0 sync_full)
partial_before=$(stat_of redis-0 sync_partial_ok)
start redis-2 --replicaof 127.0.0.1 "${port[redis-0]}"
wait_in_sync redis-2
full_after=$(stat_of redis-0 sync_full)
partial_after=$(stat_of redis-0 sync_partial_ok)
say "                   before   after"
say "$(printf 'sync_full        %8s %7s' "$full_before" "$full_after")   (a full resync copies the whole dataset again)"
say "$(printf 'sync_partial_ok  %8s %7s' "$partial_before" "$partial_after")   (a partial resync sends only what is missing)"
digest_primary=$(cli redis-0 DEBUG DIGEST)
digest_restored=$(cli redis-2 DEBUG DIGEST)
say "DEBUG DIGEST of the primary     $digest_primary"
say "DEBUG DIGEST of redis-2, back   $digest_restored"
[ "$full_before" = "$full_after" ] || { echo "redis-2 needed a full resync" >&2; exit 1; }
[ "$partial_after" -eq $((partial_before + 1)) ] || { echo "redis-2 did not rejoin by partial resync" >&2; exit 1; }
[ "$digest_primary" = "$digest_restored" ] || { echo "the datasets differ" >&2; exit 1; }
[ "$digest_before" != "$digest_restored" ] || { echo "the writes since the backup are missing" >&2; exit 1; }

say "redis-2 is back: restored from the store, caught up by partial resync, equal to its primary."

chapter "7. The worst day: all three lose everything, and come up empty"
for name in redis-0 redis-1 redis-2; do
    kill -9 "${pids[$name]}"
    { wait "${pids[$name]}" || true; } 2>/dev/null
    rm -rf "${work:?}/$name"
done
for name in redis-0 redis-1 redis-2; do start "$name"; done
say "Each holds $(cli redis-0 DBSIZE) keys."

chapter "8. One command: plan, restore all of them while they run, make a primary, rejoin"
run "$redoubt" restore --from "file://$work/backups" --name demo "${endpoints[@]}" --yes
say "$(printf 'sync_full of the new primary %s, sync_partial_ok %s' "$(stat_of redis-0 sync_full)" "$(stat_of redis-0 sync_partial_ok)")"
for name in redis-0 redis-1 redis-2; do say "DEBUG DIGEST of $name   $(cli "$name" DEBUG DIGEST)"; done
say "DEBUG DIGEST at backup   $digest_before"
[ "$(stat_of redis-0 sync_full)" = 0 ] || { echo "a full resync was needed" >&2; exit 1; }
for name in redis-0 redis-1 redis-2; do
    [ "$(cli "$name" DEBUG DIGEST)" = "$digest_before" ] || { echo "$name differs from the backup" >&2; exit 1; }
done

chapter "9. And for the auditor: a drill, in a throw-away server"
run "$redoubt" drill --from "file://$work/backups" --name demo --work-dir "$work"

chapter "The set is back as it was backed up, without one full resync."
