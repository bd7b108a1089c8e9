#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a backup of many shards costs: real servers on loopback, little data, one at a time and several at a time.
#
#     Tests/shards.sh PATH-TO-REDOUBT [SHARDS [AT-A-TIME]]
set -euo pipefail
redoubt=$(realpath "${1:?usage: Tests/shards.sh PATH-TO-REDOUBT [SHARDS [AT-A-TIME]]}")
shards=${2:-100}
parallel=${3:-8}
work=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-shards.XXXXXX")
pids=()
finish() {
    exec 2>/dev/null
    kill -9 "${pids[@]}" || true
    wait || true
    rm -rf "$work"
}
trap finish EXIT

endpoints=()
port=$((20000 + RANDOM % 8000))
while [ "${#endpoints[@]}" -lt "$shards" ]; do
    port=$((port + 1))
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue; fi
    redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --dbfilename "$port.rdb" --save "" --appendonly no \
        --repl-diskless-sync-delay 0 --logfile "$work/$port.log" &
    pids+=($!)
    endpoints+=(--endpoint "redis://127.0.0.1:$port")
done
for ((i = 1; i < ${#endpoints[@]}; i += 2)); do
    port=${endpoints[$i]##*:}
    for _ in $(seq 200); do
        if [ "$(redis-cli -p "$port" PING 2>/dev/null)" = PONG ]; then break; fi
        sleep 0.05
    done
    redis-cli -p "$port" DEBUG POPULATE 1000 key 100 >/dev/null 2>&1 || redis-cli -p "$port" SET key value >/dev/null
done

measure() { # measure AT-A-TIME: prints seconds, peak of memory in MiB, most open descriptors
    local most=0 open started status=0 pid
    started=$(date +%s.%N)
    /usr/bin/time -f '%M' -o "$work/memory" "$redoubt" backup "${endpoints[@]}" --to "file://$work/store-$1" --name shards \
        --parallel "$1" --output json >"$work/out" 2>"$work/err" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        # `time` has it as its child, which may end while it is looked at.
        open=$(ls "/proc/$(pgrep -P "$pid" | head -1)/fd" 2>/dev/null | wc -l) || open=0
        if [ "$open" -gt "$most" ]; then most=$open; fi
        sleep 0.01
    done
    wait "$pid" || status=$?
    if [ "$status" -ne 0 ]; then
        tail -5 "$work/err" >&2
        exit 1
    fi
    awk -v from="$started" -v to="$(date +%s.%N)" -v fds="$most" \
        '{ printf "%.2f %.1f %d\n", to - from, $1 / 1024, fds }' "$work/memory"
}

read -r one_seconds one_memory one_open < <(measure 1)
read -r many_seconds many_memory many_open < <(measure "$parallel")
printf '%-28s %10s %14s %16s\n' "$shards shards" seconds 'peak MiB' 'descriptors'
printf '%-28s %10s %14s %16s\n' 'one at a time' "$one_seconds" "$one_memory" "$one_open"
printf '%-28s %10s %14s %16s\n' "$parallel at a time" "$many_seconds" "$many_memory" "$many_open"
awk -v one="$one_seconds" -v many="$many_seconds" 'BEGIN { printf "%-28s %10.2f\n", "ratio", many / one }'
