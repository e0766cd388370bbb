#!/bin/sh
#
# Measures what the module costs beside an nginx that only proxies.
#
#     sh t/bench/run.sh [OPTION...]       sh t/bench/run.sh --help
#
# Installs what is missing (as root) and builds the module first.

set -eu

LC_ALL=C.UTF-8
export LC_ALL

repo=$(cd "$(dirname "$0")/../.." && pwd -P)

sh "$repo/conf/build.sh" redis-server perl wrk >&2
exec perl "$repo/t/bench/bench.pl" "$@"
