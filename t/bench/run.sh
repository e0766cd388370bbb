#!/bin/sh
#
# Measures what the module costs beside an nginx that only proxies, in CPU time
# or in instructions; or how soon a snapshot that is published is what users
# get; or how soon a bad one is left; or how soon an id that is removed is gone;
# or what users see of a Redis that stands still, or whose master dies; or what
# a replica can follow.
#
#     sh t/bench/run.sh [OPTION...]           sh t/bench/run.sh --help
#     sh t/bench/run.sh instructions [OPTION...]
#     sh t/bench/run.sh cutover [OPTION...]
#     sh t/bench/run.sh guard [OPTION...]
#     sh t/bench/run.sh removal [OPTION...]
#     sh t/bench/run.sh frozen [OPTION...]
#     sh t/bench/run.sh failover [OPTION...]
#     sh t/bench/run.sh load [OPTION...]
#     sh t/bench/run.sh follow [OPTION...]
#
# Installs what is missing (as root) and builds the module first.

set -eu

LC_ALL=C.UTF-8
export LC_ALL

repo=$(cd "$(dirname "$0")/../.." && pwd -P)
script=bench.pl
needed=wrk

case "${1:-}" in
instructions)
    needed="valgrind libc6-dbg"
    shift
    set -- --instructions "$@"
    ;;
cutover|guard|removal|frozen|failover|load|follow)
    script=$1.pl
    shift
    ;;
esac

# shellcheck disable=SC2086
sh "$repo/tools/build.sh" redis-server perl libdata-messagepack-perl $needed >&2
exec perl "$repo/t/bench/$script" "$@"
