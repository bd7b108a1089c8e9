#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a backup costs, beside the tools that people pipe together: medians of several rounds, in one run, on one machine.
# Figures differ from machine to machine and from minute to minute; the ratios say more. Nothing here fails a build.
#
#     Tests/bench.sh PATH-TO-REDOUBT [ROUNDS] [MEGABYTES]
set -euo pipefail
redoubt=$(realpath "${1:?usage: Tests/bench.sh PATH-TO-REDOUBT [ROUNDS] [MEGABYTES]}")
rounds=${2:-3}
megabytes=${3:-300}
tools=$(realpath "$(dirname "$0")/../.venv/bin")

work=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-bench.XXXXXX")
pids=()
finish() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
    done
}

# measure NAME COMMAND…: appends `wall user+sys peak-KiB` to NAME's figures.
measure() {
    local name=$1
    shift
    /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/out" 2>"$work/errors" || {
        # redis-cli ends with an error where its file cannot be synced: /dev/null.
        [ "$name" = floor ] || { cat "$work/errors" >&2; return 1; }
    }
    tail -1 "$work/time" | awk '{print $1, $2 + $3, $4}' >>"$work/$name.figures"
}
median() { # median NAME COLUMN
    sort -n -k"$2,$2" "$work/$1.figures" | awk -v column="$2" '{a[NR] = $column} END {print a[int((NR + 1) / 2)]}'
}

redis_port=$(free_port)
redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$work" --save "" --appendonly no \
    --repl-diskless-sync-delay 0 --logfile "$work/redis.log" &
pids+=($!)
cli() { redis-cli -h 127.0.0.1 -p "$redis_port" "$@"; }
until [ "$(cli PING 2>/dev/null)" = PONG ]; do sleep 0.1; done

echo "making about $megabytes MB of strings, hashes, lists, sets and sorted sets …"
cat >"$work/fill.lua" <<'LUA'
local from, to = tonumber(ARGV[1]), tonumber(ARGV[2])
math.randomseed(from)
local function text(n) local t = {} for i = 1, n do t[i] = string.char(math.random(32, 126)) end return table.concat(t) end
for i = from, to do
    redis.call('SET', 'string:' .. i, text(200))
    if i % 4 == 0 then redis.call('HSET', 'hash:' .. i, 'name', text(30), 'mail', text(30), 'n', i) end
    if i % 4 == 1 then redis.call('RPUSH', 'list:' .. i, text(40), text(40), i) end
    if i % 8 == 2 then redis.call('SADD', 'set:' .. i, i, i + 1, i * 7) end
    if i % 8 == 6 then redis.call('ZADD', 'zset:' .. i, i, text(20), i * 2, text(20)) end
    if i % 16 == 3 then redis.call('EXPIRE', 'string:' .. i, 1000000) end
end
LUA
# About 262 bytes of RDB for each step of the loop.
steps=$((megabytes * 1000000 / 262))
for from in $(seq 1 20000 "$steps"); do cli --eval "$work/fill.lua" , "$from" $((from + 19999)) >/dev/null; done
echo "$(cli DBSIZE) keys, $(cli INFO memory | sed -n 's/^used_memory_human://p' | tr -d '\r') in memory"

s3_port=$(free_port)
mkdir "$work/weed"
cat >"$work/s3.json" <<'JSON'
{"identities": [{"name": "bench", "credentials": [{"accessKey": "bench", "secretKey": "bench-secret-key"}],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
"$tools/weed" server -dir="$work/weed" -ip=127.0.0.1 -ip.bind=127.0.0.1 -s3 -s3.port="$s3_port" -s3.config="$work/s3.json" \
    -master.port="$(free_port)" -volume.port="$(free_port)" -filer.port="$(free_port)" -master.volumeSizeLimitMB=512 \
    -volume.max=20 >"$work/weed.log" 2>&1 &
pids+=($!)
export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench-secret-key AWS_REGION=us-east-1
export AWS_ENDPOINT_URL_S3="http://127.0.0.1:$s3_port"
export RCLONE_CONFIG=/dev/null RCLONE_S3_PROVIDER=SeaweedFS RCLONE_S3_ENDPOINT=$AWS_ENDPOINT_URL_S3 RCLONE_S3_ENV_AUTH=true
for _ in $(seq 300); do if "$tools/rclone" mkdir :s3:bench >/dev/null 2>&1; then break; fi; sleep 0.2; done

endpoint=redis://127.0.0.1:$redis_port
cat >"$work/tools.sh" <<TOOLS
set -e -o pipefail
redis-cli -h 127.0.0.1 -p $redis_port --rdb - 2>/dev/null | tee >(sha256sum >/dev/null) | zstd -q -1 \
    | tee >(sha256sum >/dev/null) | "$tools/rclone" rcat :s3:bench/piped.rdb.zst
"$tools/rclone" cat :s3:bench/piped.rdb.zst | zstd -q -d -o $work/piped.rdb -f
redis-check-rdb $work/piped.rdb >/dev/null
TOOLS
# Into a file, and not through the pipe: there redis-cli leaves the mark of the end behind the RDB, which redis-check-rdb
# passes over and redoubt refuses.
cli --rdb "$work/plain.rdb" >/dev/null 2>&1
for round in $(seq "$rounds"); do
    echo "round $round of $rounds"
    measure floor redis-cli -h 127.0.0.1 -p "$redis_port" --rdb /dev/null
    measure file "$redoubt" backup --endpoint "$endpoint" --to "file://$work/store" --name bench --quiet
    measure s3 "$redoubt" backup --endpoint "$endpoint" --to s3://bench/redis --name bench --quiet
    measure tools bash "$work/tools.sh"
    measure check redis-check-rdb "$work/plain.rdb"
    measure verify "$redoubt" verify "$work/plain.rdb" --quiet
    rm -rf "$work/store"
done
measure start "$redoubt" --version

row() { # row WHAT VALUE UNIT RATIO TARGET
    awk -v what="$1" -v value="$2" -v unit="$3" -v ratio="$4" -v target="$5" 'BEGIN {
        verdict = target == "" ? "" : ratio <= target ? "met" : "not met"
        printf "%-44s %9s %-4s %8.2f  %8s  %s\n", what, value, unit, ratio, target, verdict }'
}
over() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.3f", a / b}'; }
echo
printf '%-44s %9s %-4s %8s  %8s\n' "$(du -m "$work/plain.rdb" | cut -f1) MiB of RDB, $rounds rounds, medians" value '' ratio target
floor=$(median floor 1)
row 'redis-cli --rdb /dev/null, wall' "$floor" s 1 ''
row 'backup to file://, wall / that' "$(median file 1)" s "$(over "$(median file 1)" "$floor")" 1.05
row 'backup to s3://, wall / that' "$(median s3 1)" s "$(over "$(median s3 1)" "$floor")" 1.05
row 'the standard tools, user+sys' "$(median tools 2)" s 1 ''
row 'backup to s3://, user+sys / that' "$(median s3 2)" s "$(over "$(median s3 2)" "$(median tools 2)")" 0.5
row 'redis-check-rdb, wall' "$(median check 1)" s 1 ''
row 'verify, wall / that' "$(median verify 1)" s "$(over "$(median verify 1)" "$(median check 1)")" 0.25
row 'backup to file://, peak KiB / 48 MiB' "$(median file 3)" KiB "$(over "$(median file 3)" 49152)" 1
row 'backup to s3://, peak KiB / 96 MiB' "$(median s3 3)" KiB "$(over "$(median s3 3)" 98304)" 1
row 'start-up, wall / 0.03 s' "$(median start 1)" s "$(over "$(median start 1)" 0.03)" 1
