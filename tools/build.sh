#!/bin/sh
#
# Builds the module for Debian's nginx: build/ngx_http_recs_module.so.
#
#     sh tools/build.sh [PACKAGE...]
#     sh tools/build.sh --install PACKAGE...
#
# Installs first (as root) what is missing of the packages that this needs and
# of those named; with --install of those named alone, and builds nothing.  No
# service is started by that.  Says a line a step, and shows the whole output of
# a step that failed.

set -eu

LC_ALL=C.UTF-8
DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND

repo=$(cd "$(dirname "$0")/.." && pwd -P)
build=$repo/build
log=$build/build.log

# nginx-dev brings the headers of nginx and of the libraries it is built with.
needed="gcc make libc6-dev pkg-config nginx nginx-dev"
needed="$needed libhiredis-dev libxxhash-dev"

# The package of msgpack-c has another name since Debian 13.
case $(cat /etc/debian_version 2>/dev/null) in
    12.*) needed="$needed libmsgpack-dev" ;;
    *)    needed="$needed libmsgpack-c-dev" ;;
esac


say() {
    printf '%s\n' "$*"
}


die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}


# run NAME COMMAND...: its output goes to the log, and is shown if it fails.

run() {
    step=$1
    shift

    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        die "failed: $step"
    fi
}


installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}


install_missing() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null \
        || die "this needs Debian's packages (dpkg, apt-get)"

    missing=
    for package; do
        installed "$package" || missing="$missing $package"
    done

    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] \
        || die "not root, and these packages are missing:$missing"

    say "installing (a minute or two):$missing"

    # A list that can't be renewed (of some other archive) need not matter.
    apt-get update >"$log" 2>&1 \
        || { cat "$log" >&2; say "going on all the same"; }

    # 101: "do not start" (policy-rc.d is asked by each package's scripts).
    policy=/usr/sbin/policy-rc.d
    [ -e $policy ] || [ -L $policy ] && policy=

    if [ -n "$policy" ]; then
        trap 'rm -f $policy' EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi

    # shellcheck disable=SC2086
    run "apt-get install" apt-get -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 install $missing

    if [ -n "$policy" ]; then
        rm -f $policy
        trap - EXIT HUP INT TERM
    fi
}


# What a configured tree depends on: another config, another set of files or
# another nginx needs a new one.

fingerprint() {
    (
        cd "$repo"
        sed -n '/^configure_tree/,/^}/p' tools/build.sh
        cat config
        find src -type f | LC_ALL=C sort
        dpkg-query -W -f '${Package} ${Version}\n' nginx-dev
        printf '%s\n' "${RECS_BUILD:-}"
        pwd
    ) | sha256sum
}


headers() {
    (cd "$repo" && find src -name '*.h' -type f | LC_ALL=C sort | xargs cat) \
        | sha256sum
}


# Debian's configure stops at the first warning (-W -Wall -Werror); -W is
# -Wextra.  conf_flags is an array of bash.

configure_tree() {
    rm -rf "$build/nginx" \
        && cp -R /usr/share/nginx/src "$build/nginx" \
        && cd "$build/nginx" || return 1

    REPO=$repo bash -c '
        . ./conf_flags
        exec bash ./configure "${NGX_CONF_FLAGS[@]}" \
            --with-cc-opt="-O2 -g -fPIC -fstack-protector-strong \
                -Wformat -Werror=format-security -D_FORTIFY_SOURCE=2" \
            --with-ld-opt="-Wl,-z,relro -Wl,-z,now -fPIC" \
            --add-dynamic-module="$REPO"'
}


build_module() {
    [ -e "$repo/config" ] || die "$repo/config is missing"

    print=$(fingerprint)
    if [ "$print" != "$(cat "$build/configured" 2>/dev/null)" ]; then
        say "configuring (some 10 seconds)"
        rm -f "$build/configured"
        run "configure" configure_tree
        printf '%s\n' "$print" >"$build/configured"
    fi

    # make knows of no header unless config lists it.
    print=$(headers)
    if [ "$print" != "$(cat "$build/headers" 2>/dev/null)" ]; then
        find "$build/nginx/objs" -name '*.o' -exec rm -f {} +
    fi

    say "building (half a minute on two CPUs, if all is new)"
    cd "$build/nginx"
    run "make" make -j2 -f objs/Makefile modules
    printf '%s\n' "$print" >"$build/headers"

    # Renamed into place: a running nginx keeps the file that it has mapped.
    made=$build/nginx/objs/ngx_http_recs_module.so
    if ! cmp -s "$made" "$build/ngx_http_recs_module.so"; then
        cp "$made" "$build/ngx_http_recs_module.so.new"
        mv "$build/ngx_http_recs_module.so.new" "$build/ngx_http_recs_module.so"
    fi

    say "built: $build/ngx_http_recs_module.so"
}


case $repo in
    *[[:space:]]*) die "nginx's build can't do with the space in $repo" ;;
esac

mkdir -p "$build"
exec 9>"$build/lock"
flock 9

if [ "${1:-}" = --install ]; then
    shift
    install_missing "$@"
    exit 0
fi

# shellcheck disable=SC2086
install_missing $needed "$@"
build_module
