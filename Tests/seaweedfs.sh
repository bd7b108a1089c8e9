# SPDX-License-Identifier: Apache-2.0
# For the scripts that measure, by `source`: a SeaweedFS of their own, and a port that is free.
# The SeaweedFS needs $tools, where weed and rclone are, and $work, a folder.

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
    done
}

# start_weed VOLUME_MB VOLUMES: starts it, with the bucket `bench`; sets weed_pid, and what speaks to it in the environment.
# Ports and sockets that it would open besides are its own too, or off: another one may run here.
start_weed() {
    local port
    port=$(free_port)
    rm -rf "$work/weed"
    mkdir "$work/weed"
    cat >"$work/s3.json" <<'JSON'
{"identities": [{"name": "bench", "credentials": [{"accessKey": "bench", "secretKey": "bench-secret-key"}],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
    "$tools/weed" server -dir="$work/weed" -ip=127.0.0.1 -ip.bind=127.0.0.1 -s3 -s3.port="$port" \
        -s3.config="$work/s3.json" \
        -s3.port.grpc="$(free_port)" -s3.localSocket="$work/s3.sock" -s3.port.iceberg=0 -s3.port.lance=0 \
        -master.port="$(free_port)" -master.port.grpc="$(free_port)" -master.electionTimeout=1s \
        -master.heartbeatInterval=100ms -master.telemetry=false -master.volumeSizeLimitMB="$1" \
        -volume.port="$(free_port)" -volume.port.grpc="$(free_port)" -volume.max="$2" \
        -filer.port="$(free_port)" -filer.port.grpc="$(free_port)" -filer.localSocket="$work/filer.sock" \
        >"$work/weed.log" 2>&1 &
    weed_pid=$!
    export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench-secret-key AWS_REGION=us-east-1
    export AWS_ENDPOINT_URL_S3="http://127.0.0.1:$port"
    export RCLONE_CONFIG=/dev/null RCLONE_S3_PROVIDER=SeaweedFS RCLONE_S3_ENV_AUTH=true
    export RCLONE_S3_ENDPOINT=$AWS_ENDPOINT_URL_S3
    until "$tools/rclone" mkdir --retries 1 --low-level-retries 1 --timeout 5s :s3:bench >/dev/null 2>&1; do
        sleep 0.2
    done
}
