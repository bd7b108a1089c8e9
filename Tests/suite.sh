#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the whole suite, and says at the end what failed: `suite.sh SWIFT`.
#
# Most tests talk to real servers, four tests at a time on perhaps two cores. A few tests that failed are run once more,
# alone: a machine that was starved is not a defect of redoubt. They are named all the same, and more than a few are
# never excused. A run in which nothing happens any more is ended, with where each of its threads stands, and what it
# did not come to is run once in another process. A crash is never excused.
set -uo pipefail

swift=$1
here=$(dirname "${BASH_SOURCE[0]}")
excused_max=3
# Longer than any one step of any test, on a machine that others use too.
silence_seconds=${SILENCE_SECONDS:-400}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

run() { # name of the run, options of swift test
    local name=$1 status
    shift
    : >"$folder/$name.events"
    "$here/silence.sh" "$folder/$name.events" "$silence_seconds" "$BASHPID" &
    # --skip-build: `swift test` alone would build everything again with -enable-testing, and so test another program
    # than we ship.
    "$swift" test -c release --skip-build --disable-xctest --event-stream-version 0 \
        --event-stream-output-path "$folder/$name.events" "$@"
    status=$?
    kill "$!" 2>/dev/null
    wait "$!" 2>/dev/null
    return "$status"
}

# failed: the tests that failed, one `module.suite/name` a line. rest: a filter for the suites that came to no end.
ask() { python3 "$here/events.py" "$@"; }

# Whether a run ended otherwise than by a test that failed, or by us.
crashed() { # log
    ! grep -q '^HANGS' "$1" && grep -qE 'unexpected signal|Fatal error' "$1"
}

parallel=(--experimental-maximum-parallelization-width 4)
run first "${parallel[@]}" 2>&1 | tee "$folder/log" && exit 0
runs=("$folder/first.events")
! crashed "$folder/log" || { echo 'FAILED: the run crashed.'; exit 1; }
rest=$(ask rest "${runs[@]}") || { echo 'FAILED: what the run told cannot be read.'; exit 1; }
[ -z "$rest" ] || grep -q '^HANGS' "$folder/log" || { echo 'FAILED: the run came to no end.'; exit 1; }
ended=0
if [ -n "$rest" ]; then
    echo
    echo 'The run came to no end. Once more, in another process: what it did not come to.'
    run second "${parallel[@]}" --filter "$rest" 2>&1 | tee "$folder/second" || ended=1
    runs+=("$folder/second.events")
    left=$(ask rest "${runs[@]}") || ended=2
    ! crashed "$folder/second" && [ "$ended" -ne 2 ] && [ -z "$left" ] || { echo 'FAILED: the second run, too.'; exit 1; }
    cat "$folder/second" >>"$folder/log"
fi

echo
echo 'What failed:'
grep -E '✘|↳|HANGS' "$folder/log" | tail -n 60
ask failed "${runs[@]}" >"$folder/failed" || { echo 'FAILED: what the run told cannot be read.'; exit 1; }
mapfile -t again <"$folder/failed"
[ "${#again[@]}" -le "$excused_max" ] || exit 1
# A run that failed without a failed test is not understood, and not excused.
[ "${#again[@]}" -ge 1 ] || { [ -n "$rest" ] && [ "$ended" -eq 0 ]; } || exit 1

for test in "${again[@]}"; do
    echo "Once more, alone: $test"
    run alone --no-parallel --filter "^${test//./\\.}" >"$folder/log" 2>&1 || {
        grep -E '✘|↳|error:' "$folder/log"
        ! grep -q '^HANGS' "$folder/log" || cat "$folder/log"
        echo "FAILED twice: $test"
        exit 1
    }
    # A filter that meets nothing succeeds, and proves nothing.
    grep -qE 'Test run with [1-9][0-9]* test' "$folder/log" || { echo "FAILED: $test was not found again"; exit 1; }
done
[ -z "$rest" ] || echo 'UNSTEADY: the first run came to no end.'
[ "${#again[@]}" -eq 0 ] || echo "UNSTEADY: failed beside others, passed alone: ${again[*]}"
