#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What it takes to bring back a wiped set of three: `restore.sh REDOUBT ROUNDS`. SERVER is another server than redis-server.
#
# Side by side, in one run: the set restored by one command, which gives each server the snapshot from the store; and
# what people do without it, the primary restored through its folder, and the replicas synchronized in full from it.
set -euo pipefail

redoubt=$(readlink -f "$1")
rounds=${2:-3}
server=${SERVER:-redis-server}
folder=$(mktemp -d)
ports=(7411 7412 7413)
endpoints=()
for port in "${ports[@]}"; do endpoints+=(--endpoint "redis://127.0.0.1:$port"); done
trap 'stop; rm -rf "$folder"' EXIT

start() { # port, more arguments
    local port=$1
    shift
    mkdir -p "$folder/$port"
    "$server" --port "$port" --bind 127.0.0.1 --dir "$folder/$port" --daemonize yes --save '' \
        --pidfile "$folder/$port/pid" --logfile "$folder/$port/log" --enable-debug-command local "$@" >/dev/null
    until redis-cli -p "$port" ping 2>/dev/null | grep -q PONG; do sleep 0.02; done
}

stop() {
    for port in "${ports[@]}"; do
        redis-cli -p "$port" shutdown nosave 2>/dev/null || true
        while redis-cli -p "$port" ping 2>/dev/null | grep -q .; do sleep 0.05; done
        rm -rf "${folder:?}/$port"
    done
}

fill() {
    start "${ports[0]}" --rdbcompression no
    redis-cli -p "${ports[0]}" eval '
        for i = 1, 200000 do
            local words = {}
            for j = 1, 32 do words[j] = redis.sha1hex(i .. ":" .. j) end
            redis.call("SET", "s:" .. i, table.concat(words))
        end
        for i = 1, 20000 do
            for j = 1, 10 do redis.call("HSET", "h:" .. i, "field" .. j, redis.sha1hex(i * j)) end
            redis.call("RPUSH", "l:" .. i, redis.sha1hex(i), redis.sha1hex(i + 1))
            redis.call("ZADD", "z:" .. i, i, redis.sha1hex(i))
        end' 0 >/dev/null
    "$redoubt" backup --endpoint "redis://127.0.0.1:${ports[0]}" --to "file://$folder/store" --name bench --quiet \
        --output json | python3 -c 'import json, sys; rdb = json.load(sys.stdin)["members"][0]["rdb"]
print("snapshot: %.0f MB, %d keys" % (rdb["bytes"] / 1e6, sum(rdb["keys"].values())))'
    expected=$(redis-cli -p "${ports[0]}" debug digest)
    stop
}

online() { # waits until every replica has caught up, then proves it
    for port in "${ports[@]:1}"; do
        until redis-cli -p "$port" info replication | grep -q 'master_link_status:up'; do sleep 0.02; done
    done
}

prove() {
    for port in "${ports[@]}"; do
        [ "$(redis-cli -p "$port" debug digest)" = "$expected" ] || { echo "port $port differs" >&2; exit 1; }
    done
    redis-cli -p "${ports[0]}" info stats | tr -d '\r' | grep -E '^sync_(full|partial_ok):' | tr '\n' ' '
    echo
}

seconds() { python3 -c "print('%.2f' % ($2 - $1))"; }

one_command() { # appendonly
    for port in "${ports[@]}"; do start "$port" --appendonly "$1"; done
    local begin end
    begin=$(date +%s.%N)
    "$redoubt" restore --from "file://$folder/store" "${endpoints[@]}" --yes --quiet >/dev/null
    end=$(date +%s.%N)
    printf 'one command, appendonly %-3s     %6s s   ' "$1" "$(seconds "$begin" "$end")"
    prove
    stop
}

by_hand() { # appendonly
    for port in "${ports[@]:1}"; do start "$port" --appendonly "$1" --replicaof 127.0.0.1 "${ports[0]}"; done
    local begin end
    begin=$(date +%s.%N)
    mkdir -p "$folder/${ports[0]}"
    "$redoubt" restore --from "file://$folder/store" --data-dir "$folder/${ports[0]}" --appendonly "$1" --quiet >/dev/null
    start "${ports[0]}" --appendonly "$1"
    until redis-cli -p "${ports[0]}" info persistence | grep -q '^loading:0'; do sleep 0.02; done
    online
    end=$(date +%s.%N)
    printf 'primary, then full syncs, %-3s   %6s s   ' "$1" "$(seconds "$begin" "$end")"
    prove
    stop
}

fill
for ((round = 1; round <= rounds; round++)); do
    for appendonly in no yes; do
        one_command "$appendonly"
        by_hand "$appendonly"
    done
done
