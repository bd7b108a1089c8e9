#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Ends a test run in which nothing happens any more: `silence.sh EVENTS SECONDS`. It shows first where the threads stand.
set -uo pipefail

events=$1
seconds=$2

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
    [ $(($(date +%s) - $(stat -c %Y "$events"))) -ge "$seconds" ] || continue
    for process in $(writers); do
        echo "HANGS: no test began or ended for $seconds s. What the process $process is doing:"
        python3 "$(dirname "${BASH_SOURCE[0]}")/events.py" underway "$events"
        threads "$process"
        kill -KILL "$process"
    done
done
