#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A picture of the dashboard with real data: what redoubt told of its runs, in a real Prometheus, drawn panel by panel.
#
#     Tests/dashboard.sh PATH-TO-REDOUBT PICTURE.png
#
# Each run is real: a dataset that grows, backed up every eight hours, verified every day, drilled every week. Only time is
# not: two weeks pass in a few minutes, so what each run told is dated as if it had been.
set -euo pipefail
usage='usage: Tests/dashboard.sh PATH-TO-REDOUBT PICTURE.png'
redoubt=$(realpath "${1:?$usage}")
picture=$(realpath -m "${2:?$usage}")
here=$(realpath "$(dirname "$0")")
. "$here/seaweedfs.sh" # free_port
runs=42

work=$(mktemp -d "${TMPDIR:-/tmp}/redoubt-dashboard.XXXXXX")
redis_pid= prometheus_pid=
finish() {
    for pid in $redis_pid $prometheus_pid; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

port=$(free_port)
redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save '' --enable-debug-command local >/dev/null &
redis_pid=$!
until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done

tell() { "$redoubt" "$@" --metrics-file "$work/redoubt.prom" >/dev/null 2>>"$work/log" || true; }
mkdir "$work/told"
for run in $(seq 1 "$runs"); do
    # In the second week somebody loads much more, and deletes half of it again two days later.
    keys=$((20000 + 400 * run + (run > 26 ? 9000 : 0) - (run > 33 ? 8000 : 0)))
    redis-cli -p "$port" flushall >/dev/null
    redis-cli -p "$port" debug populate "$keys" visitor "$((120 + run % 7))" >/dev/null
    tell backup --endpoint "redis://127.0.0.1:$port" --to "file://$work/store" --name shop
    if ((run % 3 == 0)); then tell verify latest --name shop --from "file://$work/store"; fi
    if ((run % 21 == 3)); then tell drill latest --name shop --from "file://$work/store"; fi
    cp "$work/redoubt.prom" "$work/told/$(printf %03d "$run").prom"
    touch -d "@$EPOCHSECONDS" "$work/told/$(printf %03d "$run").prom"
done

/usr/bin/python3 "$here/dashboard.py" history "$work/told" >"$work/history.om"
promtool tsdb create-blocks-from openmetrics "$work/history.om" "$work/data" >/dev/null
echo '{}' >"$work/prometheus.yaml"
listen=127.0.0.1:$(free_port)
prometheus --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/data" --storage.tsdb.retention.time=10y \
    --web.listen-address="$listen" >"$work/prometheus.log" 2>&1 &
prometheus_pid=$!
until curl -fs "http://$listen/-/ready" >/dev/null; do sleep 0.2; done
mkdir -p "$(dirname "$picture")"
/usr/bin/python3 "$here/dashboard.py" draw "$here/../jobs/monitoring/dashboard.json" "http://$listen" "$work/history.om" "$picture"
