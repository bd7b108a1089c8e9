#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Mutates the committed corpus, target by target, and says what was found. The findings stay; nothing is written into
# the repository, except by `merge`, which adds the inputs of earlier runs that reach what the corpus does not.
#
#     [FUZZ_SECONDS=120] Tests/Fuzz/run.sh PATH-TO-REDOUBT-FUZZ WORKING-FOLDER [merge]
set -euo pipefail
fuzzer=$(realpath "${1:?usage: Tests/Fuzz/run.sh PATH-TO-REDOUBT-FUZZ WORKING-FOLDER [merge]}")
mkdir -p "${2:?a folder to work in}"
work=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
seconds=${FUZZ_SECONDS:-120}
bytes_max=2048

# Leaks show as growth: the detector of leaks needs rights that a container may not have.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:quarantine_size_mb=16}
# libFuzzer is to see a trap, and keep its input, before anything that reports of crashes.
export SWIFT_BACKTRACE=enable=no

# NAME PERCENT-OF-THE-TIME DICTIONARY ALLOCATION-MAX-MIB. A zstd frame may ask for a window of 128 MiB.
targets='rdb 65 rdb 1
age 5 age 2
compression 10 compression 160
resp 10 resp 1
replication 10 resp 1'

if [ "${3:-}" = merge ]; then
    while read -r target _; do
        mkdir -p "$work/corpus/$target"
        "$fuzzer" "$target" -merge=1 -max_len=$bytes_max "$here/corpus/$target" "$work/corpus/$target" 2>&1 | tail -1
    done <<<"$targets"
    exit
fi

failed=0
while read -r target share dictionary allocation; do
    mkdir -p "$work/corpus/$target" "$work/findings"
    time=$((seconds * share / 100))
    log="$work/$target.log"
    before=$(ls "$work/findings")
    # Old inputs are read as well: a run goes on where the last one stopped.
    if "$fuzzer" "$target" -max_total_time=$((time > 0 ? time : 1)) -max_len=$bytes_max -timeout=5 \
        -rss_limit_mb=1024 -malloc_limit_mb="$allocation" -dict="$here/$dictionary.dict" -print_final_stats=1 \
        -artifact_prefix="$work/findings/$target-" "$work/corpus/$target" "$here/corpus/$target" >"$log" 2>&1
    then verdict='nothing found'; else verdict='FOUND'; failed=1; fi
    awk -v target="$target" -v verdict="$verdict" '
        match($0, /cov: [0-9]+/) { coverage = substr($0, RSTART + 5, RLENGTH - 5) }
        match($0, /ft: [0-9]+/) { features = substr($0, RSTART + 4, RLENGTH - 4) }
        /stat::number_of_executed_units/ { runs = $2 }
        END { printf "%-12s %9d inputs, %5d edges, %6d features: %s\n", target, runs, coverage, features, verdict }
    ' "$log"
    [ "$verdict" = FOUND ] || continue
    grep -m 3 -E 'Fatal error|ERROR: |SUMMARY: ' "$log" | cut -c1-1000 || tail -5 "$log"
    for finding in $(ls "$work/findings"); do
        grep -qx "$finding" <<<"$before" || echo "    SWIFT_BACKTRACE=enable=no $fuzzer $target $work/findings/$finding"
    done
    echo "    the whole log: $log"
done <<<"$targets"
exit $failed
