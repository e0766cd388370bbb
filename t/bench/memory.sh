#!/bin/sh
#
# What Redis takes for the sets and the rows of a user: used_memory before and
# after a sample of keys was written, divided by their number.
#
#     sh t/bench/memory.sh [USERS]
#
# Ids are as "item-12345"; rows are bytes without a meaning, as many as a page
# of the sample data has (10, 100 and 1000 items).

set -eu

users=${1:-20000}
dir=$(mktemp -d)
trap 'redis-cli -s "$dir/sock" SHUTDOWN NOSAVE >/dev/null 2>&1; rm -rf "$dir"' \
    EXIT
trap 'exit 130' HUP INT TERM

redis-server --port 0 --unixsocket "$dir/sock" --save '' \
    --daemonize yes --dir "$dir" --logfile "$dir/log" >/dev/null

redis() {
    redis-cli -s "$dir/sock" "$@"
}

until redis PING >/dev/null 2>&1; do
    sleep 0.1
done

used() {
    redis INFO memory | tr -d '\r' | sed -n 's/^used_memory://p'
}

# measure WHAT KEYS SCRIPT N: the script writes the key of user ARGV[1] with N
# ids, or bytes.

measure() {
    redis FLUSHALL >/dev/null
    before=$(used)
    redis EVAL "local n = tonumber(ARGV[2])
        for user = 1, tonumber(ARGV[1]) do $3 end" 0 "$2" "$4" >/dev/null
    echo "$(used) $before" | awk -v what="$1" -v keys="$2" -v n="$4" '
        { printf "| %s | %d | %.0f |\n", what, n, ($1 - $2) / keys }'
}

# Users have other ids, each.
# shellcheck disable=SC2016
add='local a = {}
    for i = 1, n do
        PAIR
    end
    redis.call(COMMAND, "seen:u" .. user, unpack(a))'

id='"item-" .. (user * 7919 + i * 104729) % 1000000'
time='1795967999 + i'

sets() {
    for n in 20 100 128 200 500 1000; do
        measure "$1" "$users" \
            "$(echo "$add" | sed -e "s/COMMAND/\"$2\"/" -e "s/PAIR/$3/")" "$n"
    done
}

version=$(redis INFO server | tr -d '\r' \
          | sed -n 's/^redis_version:/Redis /p')

echo "| $version | ids or bytes | bytes a user |"
echo '|---|---|---|'
sets 'a SET' SADD "a[#a + 1] = $id"
sets 'a sorted set, with times' ZADD "a[#a + 1] = $time a[#a + 1] = $id"

for n in 2359 21385 210711; do
    # shellcheck disable=SC2016
    measure 'a row' $((users * 1000 / n + 100)) \
        'redis.call("SET", "home:v124:u:u" .. user, string.rep("x", n),
                    "EX", 259200)' "$n"
done
