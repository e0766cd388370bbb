#!/bin/sh
#
# Installs what is missing (as root), builds the module and runs the tests.
#
#     sh t/run.sh             all of them
#     sh t/run.sh t/x.t...    some

set -eu

LC_ALL=C.UTF-8
export LC_ALL

repo=$(cd "$(dirname "$0")/.." && pwd -P)

[ -r /proc/self/stat ] || {
    echo "$0: the tests look into /proc, which is not mounted" >&2
    exit 1
}

sh "$repo/conf/build.sh" redis-server curl perl \
    libprotocol-http2-perl libcmocka-dev

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
[ $# -gt 0 ] || set -- t/*.t
exec prove "$@"
