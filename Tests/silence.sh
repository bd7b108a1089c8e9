#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Ends a test run in which nothing happens any more: `silence.sh EVENTS SECONDS SHELL`. It shows first where the threads
# stand. SHELL is the process that started the run.
set -uo pipefail

events=$1
seconds=$2
shell=$3

# The processes that write the file.
writers() {
    local open
    for open in /proc/[0-9]*/fd/*; do
        [ "$open" -ef "$events" ] && cut -d / -f 3 <<<"$open"
    done 2>/dev/null | sort -u
}

threads() { # process
    local task
    if command -v gdb >/dev/null; then
        timeout 120 gdb --batch --pid "$1" -ex 'set pagination off' -ex 'thread apply all backtrace 24' 2>&1 |
            grep -E '^(Thread|#)' | cut -c 1-200
    fi
    for task in "/proc/$1/task/"*; do
        echo "thread ${task##*/} $(cat "$task/comm"): $(cut -d ' ' -f 3 "$task/stat"), $(cat "$task/wchan")"
    done 2>/dev/null
}

while sleep 5; do
    kill -0 "$shell" 2>/dev/null || exit 0
    [ $(($(date +%s) - $(stat -c %Y "$events"))) -ge "$seconds" ] || continue
    mapfile -t processes < <(writers)
    # It may hang before it comes to the file, or wait for a build.
    [ "${#processes[@]}" -gt 0 ] || mapfile -t processes < <(pgrep -P "$shell" | grep -vx "$$")
    for process in "${processes[@]}"; do
        # What the run said last may end in the middle of a line.
        printf '\nHANGS: no test began or ended for %s s. What the process %s is doing:\n' "$seconds" "$process"
        python3 "$(dirname "${BASH_SOURCE[0]}")/events.py" underway "$events"
        threads "$process"
        kill -KILL "$process"
    done
done
