#!/bin/sh
# Starts the server of a pod, after it has found out whom to follow.
#
# One pod, that of HOME_ORDINAL, is the primary whenever it is up: the Service `redis` selects it. The others follow the
# primary that is there, or else that pod. What must never happen is that the home pod comes back with less than the
# others have, as an empty primary or with an old snapshot, and they throw away their data to follow it. So before it
# starts, it asks them:
#
#   the others …                            the home pod …
#   have a primary among them               follows it until it has everything, then takes its role back (FAILOVER)
#   have more of its own history            has the one with the most become the primary; then as above
#   have nothing that it does not have      starts as the primary
#   have data, and its volume is new        the same: what a backup brought is only a head start
#   have a history that it does not know    refuses to start, and says what to do
#
# A pod that came back from a backup knows the history up to the backup (replication id and offset are in the snapshot),
# so it fetches only what it missed.
set -eu
ordinal=${POD_NAME##*-}
set_name=${POD_NAME%-*}
me=$POD_NAME.$HEADLESS_SERVICE
home=$set_name-$HOME_ORDINAL.$HEADLESS_SERVICE
dump=/data/dump.rdb
histories=/data/.histories
patience=60

say() { echo "start.sh: $*" >&2; }

# ask HOST COMMAND…
ask() {
    host=$1
    shift
    timeout 5 redis-cli -h "$host" "$@" 2>/dev/null | tr -d '\r'
}

# field NAME < what INFO answered
field() { sed -n "s/^$1://p"; }

peers() {
    number=0
    while [ "$number" -lt "$REPLICAS" ]; do
        [ "$number" = "$ordinal" ] || echo "$set_name-$number.$HEADLESS_SERVICE"
        number=$((number + 1))
    done
}

# answer HOST: its INFO, once it has loaded; nothing when there is no such pod, or it does not answer in time.
answer() {
    while getent hosts "$1" >/dev/null; do
        info=$(ask "$1" INFO)
        [ "$(printf '%s\n' "$info" | field loading)" != 0 ] || { printf '%s\n' "$info"; return; }
        [ "$(date +%s)" -lt "$deadline" ] || { say "$1 does not answer"; return; }
        sleep 1
    done
}

# Where the snapshot of this pod begins: replication id and offset, AUX fields of the RDB (redis, src/rdb.c).
read_own_history() {
    own_id='' own_offset=-1
    [ -s "$dump" ] || return 0
    own_id=$(head -c 1024 "$dump" | LC_ALL=C tr -c '0-9a-z(-' '\n' | sed -n 's/^repl-id(\([0-9a-f]\{40\}\)$/\1/p')
    rest=$(od -An -v -tx1 -N 1024 "$dump" | tr -d ' \n')
    case $rest in *0b7265706c2d6f6666736574*) ;; *) return 0 ;; esac     # length and bytes of "repl-offset"
    rest=${rest#*0b7265706c2d6f6666736574}
    byte() { printf %s "$rest" | cut -c "$(($1 * 2 + 1))-$(($1 * 2 + 2))"; }
    case $(byte 0) in
    c0) own_offset=$((0x$(byte 1))) ;;                                   # an integer, little-endian, or else digits
    c1) own_offset=$((0x$(byte 2)$(byte 1))) ;;
    c2) own_offset=$((0x$(byte 4)$(byte 3)$(byte 2)$(byte 1))) ;;
    *) own_offset=$(printf %s "$rest" | cut -c "3-$((0x$(byte 0) * 2 + 2))" | sed 's/3\([0-9]\)/\1/g') ;;
    esac
}

# A server that becomes the primary gives its history a new id. remember ID OFFSET: what it was called until then.
remember() {
    [ -n "$1" ] || return 0
    { [ ! -e "$histories" ] || tail -n 50 "$histories"; echo "$1 $2"; } >"$histories.new"
    mv "$histories.new" "$histories"
}

# Up to where the data of this pod contains the history of that id; nothing when it does not.
contained() { [ ! -e "$histories" ] || sed -n "s/^$1 //p" "$histories" | tail -n 1; }

# What the others are: `primary`, or else `best`, the replica with the most, and what it knows.
look_around() {
    primary='' best='' best_offset=-1 best_id='' best_old_id='' best_old_end=-1
    for peer in $(peers); do
        info=$(answer "$peer")
        [ -n "$info" ] || continue
        if [ "$(printf '%s\n' "$info" | field role)" = master ]; then
            if [ -z "$primary" ] || [ "$peer" = "$home" ]; then primary=$peer; fi
            continue
        fi
        printf '%s\n' "$info" | grep -q '^db[0-9]*:' || continue
        offset=$(printf '%s\n' "$info" | field slave_repl_offset)
        [ "${offset:--1}" -gt "$best_offset" ] || continue
        best=$peer best_offset=$offset
        best_id=$(printf '%s\n' "$info" | field master_replid)
        best_old_id=$(printf '%s\n' "$info" | field master_replid2)
        best_old_end=$(printf '%s\n' "$info" | field second_repl_offset)
    done
}

refuse() {
    say "$1"
    say "$best has data whose history ($best_id, up to $best_offset) does not contain that of this pod ($own_id, up to \
$own_offset). Started as the primary, this pod would wipe it. If the data of $best is the one to keep: \
redis-cli -h $best REPLICAOF NO ONE. If that of this pod is: kubectl scale statefulset $set_name --replicas=1, and \
back when it is up."
    sleep 5
    exit 1
}

promote_best() {
    say "$best has more than this pod: it becomes the primary until this pod has it too"
    [ "$(ask "$best" REPLICAOF NO ONE)" = OK ] || refuse "$best could not be made the primary"
    primary=$best
    for peer in $(peers); do
        [ "$peer" = "$primary" ] || ask "$peer" REPLICAOF "$primary" 6379 >/dev/null || :
    done
}

# Sets `primary` to whom the home pod follows; to nothing when it is the primary itself.
decide_at_home() {
    read_own_history
    [ -z "$primary" ] || return 0
    if [ -n "$best" ]; then
        say "own snapshot: ${own_id:-no id} up to $own_offset; $best: $best_id up to $best_offset"
        limit=$(contained "$best_id")
        if [ ! -s "$dump" ] || [ ! -e "$histories" ]; then
            # No server ran on this volume yet: what is in it came from a backup.
            promote_best
        elif [ "$own_id" = "$best_id" ]; then
            [ "$own_offset" -ge "$best_offset" ] || promote_best
        elif [ -n "$own_id" ] && [ "$own_id" = "$best_old_id" ] && [ "$own_offset" -lt "$best_old_end" ]; then
            promote_best
        elif [ -z "$limit" ] || [ "$limit" -lt "$best_offset" ]; then
            refuse "no primary is to be found"
        fi
    fi
    [ -n "$primary" ] || remember "$own_id" "$own_offset"
}

# When this pod has everything, the primary hands its role over without losing a write, and the others follow.
take_role_back() {
    strange=0
    while
        state=$(ask 127.0.0.1 INFO replication)
        [ "$(printf '%s\n' "$state" | field role)" != master ]
    do
        sleep 1
        # While it hands over it is a replica for a moment. If it stays one, it was started anew: so is this pod.
        if [ "$(ask "$primary" INFO replication | field role)" = slave ]; then
            strange=$((strange + 1))
            [ "$strange" -lt 15 ] || { say "$primary is the primary no more"; ask 127.0.0.1 SHUTDOWN; return; }
        elif [ "$(printf '%s\n' "$state" | field master_link_status)" = up ]; then
            strange=0
            ask "$primary" FAILOVER TO "$me" 6379 TIMEOUT 10000 >/dev/null || :
        fi
    done
    remember "$(printf '%s\n' "$state" | field master_replid2)" \
        "$(($(printf '%s\n' "$state" | field second_repl_offset) - 1))"
    for peer in $(peers); do
        [ "$(ask "$peer" INFO replication | field role)" != slave ] ||
            ask "$peer" REPLICAOF "$me" 6379 >/dev/null || :
    done
    say "this pod is the primary again"
}

hash() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }
quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }

# `backup` may do what a backup asks for, and no more: see the README of redoubt. PSYNC reads everything.
write_configuration() {
    (
        umask 077
        cat >/run/redis/users.acl <<ACL
user default on #$(hash "$REDISCLI_AUTH") ~* &* +@all
user backup on #$(hash "$BACKUP_PASSWORD") resetkeys resetchannels -@all +ping +hello +auth +info +time +replconf \
+psync +client|setname +pubsub|numsub +cluster|nodes +bgsave +lastsave +config|get +acl|dryrun
ACL
        cat >/run/redis/redis.conf <<CONF
include /etc/redis/redis.conf
aclfile /run/redis/users.acl
masterauth $(quoted "$REDISCLI_AUTH")
replica-announce-ip $me
CONF
        [ -z "$primary" ] || echo "replicaof $primary 6379" >>/run/redis/redis.conf
    )
}

deadline=$(($(date +%s) + patience))
until getent hosts "$me" >/dev/null; do
    [ "$(date +%s)" -lt "$deadline" ] || { say "there is no name $me: is the headless Service there?"; exit 1; }
    sleep 1
done
if [ "$ordinal" = "$HOME_ORDINAL" ]; then
    look_around
    decide_at_home
else
    deadline=0
    look_around
    [ -n "$primary" ] || primary=$home
fi
if [ -n "$primary" ]; then say "following $primary"; else say "this pod is the primary"; fi
write_configuration
: >>"$histories"
if [ "$ordinal" = "$HOME_ORDINAL" ] && [ -n "$primary" ]; then take_role_back & fi
exec redis-server /run/redis/redis.conf
