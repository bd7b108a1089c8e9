#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a large object costs on its way up and down, beside rclone with parts of the same size: one run, one machine, one
# store. Figures differ from machine to machine; the ratios say more. No figure fails anything.
#
#     Tests/objects.sh PATH-TO-REDOUBT-OBJECT [GIBIBYTES]
#
# REDOUBT_BENCH_FOLDER is where the store keeps its bytes: twice the object at most, and all of it goes at the end.
set -euo pipefail
object=$(realpath "${1:?usage: Tests/objects.sh PATH-TO-REDOUBT-OBJECT [GIBIBYTES]}")
gibibytes=${2:-10}
bytes=$((gibibytes << 30))
part_mib=8
tools=$(realpath "$(dirname "$0")/../.venv/bin")

work=$(mktemp -d "${REDOUBT_BENCH_FOLDER:-${TMPDIR:-/tmp}}/redoubt-objects.XXXXXX")
weed_pid=
finish() {
    exec 2>/dev/null
    if [ -n "$weed_pid" ]; then kill -9 "$weed_pid" || true; fi
    wait || true
    rm -rf "$work"
}
trap finish EXIT

. "$(dirname "$0")/seaweedfs.sh"

# A store of its own for each tool, because deleted bytes stay on its disk.
start_store() { start_weed 4096 50; }
stop_store() {
    kill -9 "$weed_pid"
    wait "$weed_pid" 2>/dev/null || true
    weed_pid=
}

# measure NAME COMMAND…: `wall user+sys peak-KiB` of the command.
measure() {
    local name=$1 begun ended
    shift
    sync
    begun=$EPOCHREALTIME
    /usr/bin/time -o "$work/time" -f '%U %S %M' "$@" >"$work/out" 2>"$work/errors" || {
        cat "$work/errors" >&2
        return 1
    }
    ended=$EPOCHREALTIME
    tail -1 "$work/time" | awk -v wall="$(awk "BEGIN {print $ended - $begun}")" '{print wall, $1 + $2, $3}' \
        >"$work/$name"
}

rclone="\"$tools/rclone\" --s3-chunk-size ${part_mib}Mi --s3-upload-concurrency 4"
cat >"$work/up.sh" <<UP
set -e -o pipefail
"$object" make $bytes | $rclone rcat :s3:bench/object
UP
cat >"$work/down.sh" <<DOWN
set -e
$rclone cat :s3:bench/object >/dev/null
DOWN

echo "$(nproc) cores, load before: $(cut -d ' ' -f 1-3 /proc/loadavg), $gibibytes GiB in parts of $part_mib MiB"
start_store
measure up "$object" up s3://bench object "$bytes"
measure down "$object" down s3://bench object "$bytes"
stop_store
start_store
measure rcat bash "$work/up.sh"
measure cat bash "$work/down.sh"
stop_store

row() { # row WHAT NAME OTHER
    paste "$work/$2" "$work/$3" | awk -v what="$1" -v mib="$((bytes >> 20))" '{
        printf "%-34s %8.1f s  %7.0f MiB/s  %7.1f s  %7.1f MiB   wall %.3f  cpu %.3f\n",
            what, $1, mib / $1, $2, $3 / 1024, $1 / $4, $2 / $5 }'
}
echo
printf '%-34s %10s  %13s  %9s  %11s   %s\n' "$gibibytes GiB" wall rate user+sys peak 'ratio to rclone'
row 'redoubt, up' up rcat
row 'made | rclone rcat' rcat rcat
row 'redoubt, down and compared' down cat
row 'rclone cat' cat cat
echo
echo "parts: $(((bytes + (part_mib << 20) - 1) / (part_mib << 20))) of $part_mib MiB"
