#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What encryption costs: the format by itself beside Debian's age, then a backup and its verification with it and without.
# One run, one machine; figures differ from machine to machine, the ratios say more. No figure fails anything, but a file
# that one of the two programs does not read back does.
#
#     Tests/encryption.sh PATH-TO-REDOUBT-AGE PATH-TO-REDOUBT [ROUNDS] [MEBIBYTES] [MEGABYTES-OF-RDB]
set -euo pipefail
usage='usage: Tests/encryption.sh PATH-TO-REDOUBT-AGE PATH-TO-REDOUBT [ROUNDS] [MEBIBYTES] [MEGABYTES-OF-RDB]'
ours=$(realpath "${1:?$usage}")
redoubt=$(realpath "${2:?$usage}")
rounds=${3:-5}
mebibytes=${4:-1024}
megabytes=${5:-200}

work=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-encryption.XXXXXX")
redis_pid=
finish() {
    if [ -n "$redis_pid" ]; then kill -9 "$redis_pid" 2>/dev/null || true; fi
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# measure NAME COMMAND…: appends `wall user+sys peak-KiB` to NAME's figures. The command reads $work/in and writes to out.
measure() {
    local name=$1 begun ended
    shift
    sync
    begun=$EPOCHREALTIME
    /usr/bin/time -o "$work/time" -f '%U %S %M' "$@" <"$input" >"$output" 2>"$work/errors" || {
        cat "$work/errors" >&2
        return 1
    }
    ended=$EPOCHREALTIME
    tail -1 "$work/time" | awk -v wall="$(awk "BEGIN {print $ended - $begun}")" '{print wall, $1 + $2, $3}' \
        >>"$work/$name.figures"
}
middle() { sort -n | awk '{a[NR] = $1} END {print (a[int((NR + 1) / 2)] + a[int((NR + 2) / 2)]) / 2}'; }
median() { awk -v column="$2" '{print $column}' "$work/$1.figures" | middle; } # median NAME COLUMN
# ratio NAME OTHER COLUMN: the median of the rounds' ratios.
ratio() {
    paste "$work/$1.figures" "$work/$2.figures" | awk -v column="$3" '{print $column / $(column + 3)}' | middle
}
row() { # row NAME TEXT OTHER
    printf '%-34s %8.2f %8.2f %8.0f %10s %10s\n' "$2" "$(median "$1" 1)" "$(median "$1" 2)" \
        "$(median "$1" 3 | awk '{print $1 / 1024}')" "$([ -z "$3" ] || printf '%.2f' "$(ratio "$1" "$3" 1)")" \
        "$([ -z "$3" ] || printf '%.2f' "$(ratio "$1" "$3" 2)")"
}

age-keygen -o "$work/identity" 2>/dev/null
recipient=$(age-keygen -y "$work/identity")
head -c "$((mebibytes << 20))" /dev/urandom >"$work/plain"

# Each reads what the other wrote, once.
input=$work/plain output=$work/age.age measure warm age -r "$recipient"
input=$work/plain output=$work/ours.age measure warm "$ours" encrypt "$recipient"
"$ours" decrypt "$work/identity" <"$work/age.age" | cmp - "$work/plain"
age -d -i "$work/identity" <"$work/ours.age" | cmp - "$work/plain"

for _ in $(seq "$rounds"); do
    input=$work/plain output=/dev/null measure age-encrypt age -r "$recipient"
    input=$work/plain output=/dev/null measure our-encrypt "$ours" encrypt "$recipient"
    input=$work/age.age output=/dev/null measure age-decrypt age -d -i "$work/identity"
    input=$work/age.age output=/dev/null measure our-decrypt "$ours" decrypt "$work/identity"
done
rm "$work/plain" "$work"/*.age

port=$((20000 + RANDOM % 12000))
redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save "" --appendonly no --logfile "$work/redis.log" &
redis_pid=$!
cli() { redis-cli -h 127.0.0.1 -p "$port" "$@"; }
until [ "$(cli PING 2>/dev/null)" = PONG ]; do sleep 0.1; done
# Half of each value is random, so that compression finds something and leaves something.
cat >"$work/fill.lua" <<'LUA'
math.randomseed(tonumber(ARGV[1]))
for i = 1, 10000 do
    local t = {}
    for j = 1, 60 do t[j] = string.char(math.random(32, 126)) end
    redis.call('SET', 'key:' .. ARGV[1] .. ':' .. i, table.concat(t) .. string.rep('x', 40))
end
LUA
for step in $(seq "$((megabytes * 10 / 12))"); do cli --eval "$work/fill.lua" , "$step" >/dev/null; done

input=/dev/null output=/dev/null
for round in $(seq "$rounds"); do
    for kind in plain sealed; do
        words=()
        if [ $kind = sealed ]; then words=(--recipient "$recipient"); fi
        measure "backup-$kind" "$redoubt" backup --endpoint "redis://127.0.0.1:$port" --name bench --quiet \
            --to "file://$work/$kind-$round" "${words[@]}"
        words=()
        if [ $kind = sealed ]; then words=(--identity "$work/identity"); fi
        measure "verify-$kind" "$redoubt" verify --from "file://$work/$kind-$round" --quiet "${words[@]}"
        rm -rf "$work/$kind-$round"
    done
done

echo
echo "medians of $rounds rounds; $mebibytes MiB of random bytes, then a backup of about $megabytes MB of RDB"
printf '%-34s %8s %8s %8s %10s %10s\n' '' 'wall s' 'CPU s' 'MiB' 'wall ×' 'CPU ×'
row age-encrypt "age -r" ''
row our-encrypt "redoubt's, encrypting" age-encrypt
row age-decrypt "age -d" ''
row our-decrypt "redoubt's, decrypting" age-decrypt
row backup-plain "backup" ''
row backup-sealed "backup --recipient" backup-plain
row verify-plain "verify" ''
row verify-sealed "verify --identity" verify-plain
awk -v mib="$mebibytes" -v age="$(median age-encrypt 1)" -v ours="$(median our-encrypt 1)" \
    -v aged="$(median age-decrypt 1)" -v oursd="$(median our-decrypt 1)" 'BEGIN {
    printf "MiB/s: encrypting age %.0f, redoubt %.0f; decrypting age %.0f, redoubt %.0f\n",
        mib / age, mib / ours, mib / aged, mib / oursd }'
