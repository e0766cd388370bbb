#!/bin/sh
#
# What Redis' own work for a question is, in microseconds of its CPU: about
# 100 ids of a page, or for the whole set (prefetch=).  Ten commands come at
# once, as those of several requests do.
#
#     sh t/bench/commands.sh [CPU]

set -eu

cpu=${1:-$(($(nproc) - 1))}
dir=$(mktemp -d)
trap 'redis-cli -s "$dir/sock" SHUTDOWN NOSAVE >/dev/null 2>&1; rm -rf "$dir"' \
    EXIT
trap 'exit 130' HUP INT TERM

taskset -c "$cpu" redis-server --port 0 --unixsocket "$dir/sock" --save '' \
    --daemonize yes --dir "$dir" --logfile "$dir/log" >/dev/null

redis() {
    redis-cli -s "$dir/sock" "$@"
}

until redis PING >/dev/null 2>&1; do
    sleep 0.1
done

ids() {
    seq -f 'b%.0f' "$1" "$2"
}

# used FIELD...: microseconds of the CPU until now

used() {
    redis INFO cpu | tr -d '\r' \
        | awk -F: '/^used_cpu_(sys|user):/ { s += $2 }
                   END { printf "%.0f\n", s * 1000000 }'
}

# measure WHAT COMMAND...: the median of three

measure() {
    what=$1
    shift

    for round in 1 2 3; do
        before=$(used)
        redis-benchmark -s "$dir/sock" -q -n 10000 -c 16 -P 10 "$@" >/dev/null
        echo "$(used) $before" | awk '{ printf "%.1f\n", ($1 - $2) / 10000 }'
    done | sort -n | awk -v what="$what" '
        { us[NR] = $1 } END { printf "| %s | %s |\n", what, us[2] }'
}

page=$(ids 1 100)

version=$(redis INFO server | tr -d '\r' \
          | sed -n 's/^redis_version:/Redis /p')

echo "| $version | µs |"
echo '|---|---|'

for n in 10 50 100 200 500 1000; do
    redis FLUSHALL >/dev/null

    # shellcheck disable=SC2046
    redis SADD set $(ids 51 $((50 + n))) >/dev/null
    redis ZADD zset $(ids 51 $((50 + n)) | sed 's/^/1791234567 /') >/dev/null
    redis HSET hash $(ids 51 $((50 + n)) | sed 's/$/ 0.97/') >/dev/null

    # shellcheck disable=SC2086
    if [ $n = 50 ] || [ $n = 500 ]; then
        measure "100 ids of a set of $n: SMISMEMBER" SMISMEMBER set $page
        measure "100 ids of a zset of $n: ZMSCORE" ZMSCORE zset $page
        measure "100 ids of a hash of $n: HMGET" HMGET hash $page
    fi

    measure "the whole set of $n: SRANDMEMBER" SRANDMEMBER set 10000
    measure "the whole zset of $n: ZRANGE BYSCORE" \
        ZRANGE zset '(1790000000' +inf BYSCORE LIMIT 0 10000
    measure "the whole hash of $n: HRANDFIELD" HRANDFIELD hash 10000 WITHVALUES
done

measure '201 of a set of 1000: SRANDMEMBER' SRANDMEMBER set 201
measure '201 of a zset of 1000: ZRANGE' \
    ZRANGE zset '(1790000000' +inf BYSCORE LIMIT 0 201
measure '201 of a hash of 1000: HRANDFIELD' HRANDFIELD hash 201 WITHVALUES
redis FLUSHALL >/dev/null
# shellcheck disable=SC2046
redis SADD set $(ids 51 300) >/dev/null
measure '201 of a set of 250: SRANDMEMBER' SRANDMEMBER set 201
