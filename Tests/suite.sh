#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the whole suite, and says at the end what failed: `suite.sh SWIFT`.
#
# Most tests talk to real servers, four tests at a time on perhaps two cores. A few tests that failed are run once more,
# alone: a machine that was starved is not a defect of redoubt. They are named all the same, and more than a few are
# never excused.
set -uo pipefail

swift=$1
excused_max=3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

run() {
    # --skip-build: `swift test` alone would build everything again with -enable-testing, and so test another program
    # than we ship.
    "$swift" test -c release --skip-build --disable-xctest --xunit-output "$folder/results.xml" "$@"
}

# The failed tests of the last run, one `module.suite/name` a line.
failed() {
    awk -F'"' '/<testcase / { id = $2 "/" $4; sub(/\(.*/, "", id) } /<failure/ { print id }' "$folder/results.xml" |
        sort -u
}

run --experimental-maximum-parallelization-width 4 2>&1 | tee "$folder/log" && exit 0

echo
echo 'What failed:'
grep -E '✘|↳' "$folder/log" | tail -n 60
[ -s "$folder/results.xml" ] || { echo 'The run came to no end.'; exit 1; }
mapfile -t again < <(failed)
[ "${#again[@]}" -ge 1 ] && [ "${#again[@]}" -le "$excused_max" ] || exit 1

for test in "${again[@]}"; do
    echo "Once more, alone: $test"
    run --no-parallel --filter "^${test//./\\.}" >"$folder/log" 2>&1 || {
        grep -E '✘|↳|error:' "$folder/log"
        echo "FAILED twice: $test"
        exit 1
    }
    # A filter that meets nothing succeeds, and proves nothing.
    grep -qE 'Test run with [1-9][0-9]* test' "$folder/log" || { echo "FAILED: $test was not found again"; exit 1; }
done
echo "UNSTEADY: failed beside others, passed alone: ${again[*]}"
