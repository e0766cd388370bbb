#!/bin/sh
#
# Installs what is missing (as root), builds the module and runs the tests.
#
#     sh t/run.sh             all of them
#     sh t/run.sh t/x.t...    some
#     JOBS=1 sh t/run.sh      one file at a time, not one for each CPU
#
# Modes (docs/development.md), one or several:
#
#     ASAN=1          under the address and undefined behaviour sanitizers
#     VALGRIND=1      under valgrind (not together with ASAN)
#     EVENT=poll      another event method: poll or select
#     HUP=1           nginx reloaded before each case
#     REDIS=tls       Redis by TLS; cluster or sentinel: what that is
#     PROTOCOL=3      Redis in RESP3, if hiredis is 1.0 or later

set -eu

LC_ALL=C.UTF-8
export LC_ALL

repo=$(cd "$(dirname "$0")/.." && pwd -P)

[ -r /proc/self/stat ] || {
    echo "$0: the tests look into /proc, which is not mounted" >&2
    exit 1
}

packages="redis-server curl perl libprotocol-http2-perl libcmocka-dev"
packages="$packages libdata-messagepack-perl python3-redis python3-xxhash jq"
packages="$packages openssl iproute2 libnginx-mod-nchan"
packages="$packages libnginx-mod-http-lua libnginx-mod-http-js"
packages="$packages libnginx-mod-http-echo libnginx-mod-http-srcache-filter"
packages="$packages libnginx-mod-http-brotli-filter"
packages="$packages libnginx-mod-http-modsecurity"
[ -z "${VALGRIND:-}" ] || packages="$packages valgrind libc6-dbg"

# shellcheck disable=SC2086
sh "$repo/tools/build.sh" $packages

# Without a network, t/module_static.t says what it lacks.
perl "$repo/t/build-nginx.pl" source || true

# The nginx of a mode has the module in it.
kind=
[ -z "${EVENT:-}" ] || [ "$EVENT" = epoll ] || kind=debug
[ -z "${VALGRIND:-}" ] || kind=debug
[ -z "${ASAN:-}" ] || kind=asan

if [ -n "$kind" ]; then
    RECS_NGINX=$(perl "$repo/t/build-nginx.pl" $kind)
    RECS_MODULE=
    export RECS_NGINX RECS_MODULE
fi

# Files are named as seen from here, or from the repository.
n=$#
while [ "$n" -gt 0 ]; do
    file=$1
    shift
    n=$((n - 1))

    case $file in
        /*) ;;
        *)  [ -e "$file" ] && file=$PWD/$file || file=$repo/$file ;;
    esac

    set -- "$@" "$file"
done

cd "$repo"

# In a mode, what it does not change would only be run once more.
if [ $# -eq 0 ] && [ -n "${REDIS:-}" ]; then
    # shellcheck disable=SC2046
    set -- $(grep -l '%%REDIS%%' t/*.t)
elif [ $# -eq 0 ] && [ -n "${PROTOCOL:-}" ]; then
    # shellcheck disable=SC2046
    set -- $(grep -l 'recs_redis ' t/*.t)
elif [ $# -eq 0 ] && [ -n "$kind${HUP:-}" ]; then
    # shellcheck disable=SC2046
    set -- $(grep -l 'Recs::Test->new' t/*.t)
fi

# Those that take longest begin first.
if [ $# -eq 0 ]; then
    set -- t/unit.t t/module_static.t
    for file in t/*.t; do
        case $file in
            t/unit.t|t/module_static.t) ;;
            *) set -- "$@" "$file" ;;
        esac
    done
fi

exec prove --timer -j"${JOBS:-$(nproc)}" "$@"
