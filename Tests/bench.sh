#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a backup costs, beside the tools that people pipe together: medians of several rounds, in one run, on one machine.
# Figures differ from machine to machine and from minute to minute; the ratios say more. No figure fails anything.
#
#     Tests/bench.sh PATH-TO-REDOUBT [ROUNDS] [MEGABYTES]
#
# REDOUBT_BENCH_PROFILES=FOLDER also leaves a profile (`perf record`) of each command there, of runs that are not
# measured.
set -euo pipefail
redoubt=$(realpath "${1:?usage: Tests/bench.sh PATH-TO-REDOUBT [ROUNDS] [MEGABYTES]}")
rounds=${2:-5}
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

. "$(dirname "$0")/seaweedfs.sh"

# measure NAME COMMAND…: appends `wall user+sys peak-KiB` to NAME's figures.
measure() {
    local name=$1 begun ended
    shift
    settle
    begun=$EPOCHREALTIME
    /usr/bin/time -o "$work/time" -f '%U %S %M' "$@" >"$work/out" 2>"$work/errors" || {
        # redis-cli ends with an error where its file cannot be synced: /dev/null.
        [ "$name" = floor ] || { cat "$work/errors" >&2; return 1; }
    }
    ended=$EPOCHREALTIME
    tail -1 "$work/time" | awk -v wall="$(awk "BEGIN {print $ended - $begun}")" '{print wall, $1 + $2, $3}' \
        >>"$work/$name.figures"
}
# Nothing of the run before is left to be done: no child of the server, no bytes on their way to the disk.
settle() {
    until cli INFO persistence | tr -d '\r' | grep -qx 'rdb_bgsave_in_progress:0'; do sleep 0.05; done
    sync
}
middle() { sort -n | awk '{a[NR] = $1} END {print (a[int((NR + 1) / 2)] + a[int((NR + 2) / 2)]) / 2}'; }
median() { awk -v column="$2" '{print $column}' "$work/$1.figures" | middle; } # median NAME COLUMN
# ratio NAME OTHER COLUMN: the median of the rounds' ratios, because a machine is busier in one minute than in another.
ratio() {
    paste "$work/$1.figures" "$work/$2.figures" | awk -v column="$3" '{print $column / $(column + 3)}' | middle
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

start_weed 512 20
pids+=("$weed_pid")

endpoint=redis://127.0.0.1:$redis_port
# What redoubt does, with the tools that people pipe together. The digests go through named pipes, because the time of a
# process substitution is counted nowhere; redis-check-rdb gets a file, because it reads nothing else.
mkfifo "$work/raw" "$work/stored"
cat >"$work/tools.sh" <<TOOLS
set -e -o pipefail
sha256sum <$work/raw >/dev/null &
sha256sum <$work/stored >/dev/null &
redis-cli -h 127.0.0.1 -p $redis_port --rdb - 2>/dev/null | tee $work/raw $work/piped.rdb | zstd -q -1 \
    | tee $work/stored | "$tools/rclone" rcat :s3:bench/piped.rdb.zst
wait
redis-check-rdb $work/piped.rdb >/dev/null
TOOLS
cat >"$work/pipe.sh" <<PIPE
set -e -o pipefail
redis-cli -h 127.0.0.1 -p $redis_port --rdb - 2>/dev/null | zstd -q -1 | "$tools/rclone" rcat :s3:bench/pipe.rdb.zst
PIPE
cat >"$work/starts.sh" <<STARTS
for _ in {1..20}; do "$redoubt" --version; done
STARTS
to_file=("$redoubt" backup --endpoint "$endpoint" --to "file://$work/store" --name bench --quiet)
to_s3=("$redoubt" backup --endpoint "$endpoint" --to s3://bench/redis --name bench --quiet)
verify=("$redoubt" verify "$work/plain.rdb" --quiet)
# Into a file, and not through the pipe: there redis-cli leaves the mark of the end behind the RDB, which redis-check-rdb
# passes over and redoubt refuses.
cli --rdb "$work/plain.rdb" >/dev/null 2>&1
echo "$(nproc) cores, load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
for round in $(seq "$rounds"); do
    echo "round $round of $rounds"
    measure floor redis-cli -h 127.0.0.1 -p "$redis_port" --rdb /dev/null
    measure file "${to_file[@]}"
    measure pipe bash "$work/pipe.sh"
    measure s3 "${to_s3[@]}"
    measure tools bash "$work/tools.sh"
    measure check redis-check-rdb "$work/plain.rdb"
    measure verify "${verify[@]}"
    measure starts bash "$work/starts.sh"
    rm -rf "$work/store" "$work/piped.rdb"
done
if [ -n "${REDOUBT_BENCH_PROFILES:-}" ]; then
    mkdir -p "$REDOUBT_BENCH_PROFILES"
    for name in to_file to_s3 verify; do
        declare -n command=$name
        perf record -q -g -o "$REDOUBT_BENCH_PROFILES/$name.perf" "${command[@]}" >/dev/null
    done
fi

row() { # row WHAT VALUE UNIT RATIO TARGET
    awk -v what="$1" -v value="$2" -v unit="$3" -v ratio="$4" -v target="$5" 'BEGIN {
        verdict = target == "" ? "" : ratio <= target ? "met" : "not met"
        printf "%-48s %9.2f %-4s %7.3f  %6s  %s\n", what, value, unit, ratio, target, verdict }'
}
over() { awk -v a="$1" -v b="$2" 'BEGIN {print a / b}'; }
mebibytes() { over "$(median "$1" 3)" 1024; }
start=$(over "$(median starts 1)" 20)
echo
title="$(du -m "$work/plain.rdb" | cut -f1) MiB of RDB, $rounds rounds, medians"
printf '%-48s %9s %-4s %7s  %6s\n' "$title" value '' ratio target
row 'redis-cli --rdb /dev/null, wall' "$(median floor 1)" s 1 ''
row 'backup to file://, wall / that' "$(median file 1)" s "$(ratio file floor 1)" 1.05
row 'backup to s3://, wall / that' "$(median s3 1)" s "$(ratio s3 floor 1)" 1.05
row 'redis-cli | zstd -1 | rclone rcat, wall / that' "$(median pipe 1)" s "$(ratio pipe floor 1)" ''
row 'the standard tools with proof, user+sys' "$(median tools 2)" s 1 ''
row 'backup to s3://, user+sys / that' "$(median s3 2)" s "$(ratio s3 tools 2)" 0.5
row 'backup to file://, user+sys / that' "$(median file 2)" s "$(ratio file tools 2)" ''
row 'redis-check-rdb, wall' "$(median check 1)" s 1 ''
row 'verify, wall / that' "$(median verify 1)" s "$(ratio verify check 1)" 0.25
row 'backup to file://, peak / 48 MiB' "$(mebibytes file)" MiB "$(over "$(mebibytes file)" 48)" 1
row 'backup to s3://, peak / 96 MiB' "$(mebibytes s3)" MiB "$(over "$(mebibytes s3)" 96)" 1
row 'start-up, wall / 0.03 s' "$start" s "$(over "$start" 0.03)" 1
