#!/bin/sh
#
# Builds the packages for the Debian that this is, 12 or 13: build/package/
# libnginx-mod-http-recs_*.deb and recs-tools_*.deb, and their source package.
#
#     sh tools/package.sh
#     sh tools/package.sh --test [12] [13]
#
# Installs first (as root) what is missing: debhelper, nginx-dev, the headers.
# With lintian installed, its errors and warnings are this script's.
#
# --test builds, installs, uses, upgrades, removes and purges them in a Debian
# of their own, made by debootstrap in build/package, and removes that again.
# It must be root, needs a network, debootstrap and unshare, and takes some ten
# minutes for each.  A folder with base-12.tar and base-13.tar, of what
# debootstrap makes, spares that part:
#
#     RECS_BASES=DIRECTORY sh tools/package.sh --test

set -eu
umask 022

LC_ALL=C.UTF-8
DEBIAN_FRONTEND=noninteractive
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL DEBIAN_FRONTEND PATH

repo=$(cd "$(dirname "$0")/.." && pwd -P)
out=$repo/build/package
root=                   # a Debian to test in


say() {
    printf '%s\n' "$*"
}


die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}


# run NAME COMMAND...: its output goes to a log, whose end is shown if it fails.

run() {
    step=$1
    log=$out/$(printf %s "$step" | tr -c 'A-Za-z0-9\n' -).log
    shift

    say "$step"
    if ! "$@" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        die "failed: $step; all of it: $log"
    fi
}


# The sources as dpkg-source wants them: a tarball of all but debian/, and that
# beside it.  Without t/data, which has other licences.  Each Debian has a
# version of its own, so that apt knows that the next one's is newer.

source_package() {
    # shellcheck disable=SC1091
    suffix=$(. /etc/os-release && printf '~deb%s' "${VERSION_ID:-0}")
    full=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$repo/debian/changelog")
    version=${full%-*}

    rm -rf "$out/source" "$out"/*.deb "$out"/libnginx-mod-http-recs_* \
        "$out"/*.ddeb
    mkdir -p "$out/source/libnginx-mod-http-recs-$version"

    epoch=$(date -d "$(sed -n '0,/^ -- /s/^ -- .*>  //p' \
                       "$repo/debian/changelog")" +%s)

    (cd "$repo" && tar -cf - --exclude=./build --exclude=./.git \
        --exclude=./t/data --sort=name --mtime="@$epoch" --owner=0 --group=0 \
        --numeric-owner .) \
        | tar -xf - -C "$out/source/libnginx-mod-http-recs-$version"

    cd "$out/source"
    tar -cf - --exclude=./debian --sort=name --owner=0 --group=0 \
        --numeric-owner --transform="s|^\.|recs-$version|" \
        -C "libnginx-mod-http-recs-$version" . \
        | xz >"libnginx-mod-http-recs_$version.orig.tar.xz"
    sed -i "1s/($full)/($full$suffix)/" \
        "libnginx-mod-http-recs-$version/debian/changelog"
    cd "libnginx-mod-http-recs-$version"
}


needed() {
    command -v apt-get >/dev/null || die "this needs Debian's packages"

    dpkg-checkbuilddeps >/dev/null 2>&1 && return 0

    [ "$(id -u)" = 0 ] \
        || die "not root, and packages are missing: $(dpkg-checkbuilddeps 2>&1)"

    run "apt-get update" apt-get update
    run "installing what it is built with" apt-get -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 install build-essential
    run "installing what the packages are built with" apt-get -y \
        --no-install-recommends -o DPkg::Lock::Timeout=120 build-dep ./
}


build() {
    mkdir -p "$out"
    source_package
    needed
    run "building the packages" dpkg-buildpackage -us -uc

    mv ../*.deb ../*.dsc ../*.tar.* ../*.changes ../*.buildinfo "$out"
    cd "$out"
    rm -rf "$out/source"

    if command -v lintian >/dev/null; then
        run "checking them" lintian --allow-root --fail-on error,warning \
            --display-info ./*.changes
    fi

    say "built:"
    for file in "$out"/*.deb; do
        case $file in
            *-dbgsym_*) ;;
            *) say "    $file" ;;
        esac
    done
}


# What is mounted there goes with the namespace of who mounted it.

remove_root() {
    [ -z "$root" ] || rm -rf --one-file-system "$root"
}


# within COMMAND: in a Debian of its own, with its own mounts and processes.

within() {
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child sh -c '
        mount --make-rprivate / && mount -t proc proc "$1/proc" \
            && mount -t tmpfs tmpfs "$1/dev/shm" \
            && exec chroot "$1" /bin/sh -c "$2"' sh "$root" "$1"
}


test_on() {
    case $1 in
        12) suite=bookworm ;;
        13) suite=trixie ;;
        *)  die "Debian 12 or 13, not \"$1\"" ;;
    esac

    root=$out/root-$1
    rm -rf --one-file-system "$root"
    mkdir -p "$root"

    if [ -f "${RECS_BASES:-/none}/base-$1.tar" ]; then
        tar -xf "$RECS_BASES/base-$1.tar" -C "$root"
    else
        run "Debian $1, debootstrap" debootstrap --variant=minbase \
            --include=ca-certificates "$suite" "$root" \
            http://deb.debian.org/debian
    fi

    cp /etc/resolv.conf "$root/etc/" 2>/dev/null || :

    # "Do not start": nothing of this Debian listens where others do.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"

    mkdir "$root/root/recs"
    tar -cf - --exclude=./build --exclude=./.git -C "$repo" . \
        | tar -xf - -C "$root/root/recs"

    run "Debian $1, lintian" within 'apt-get update \
        && apt-get -y --no-install-recommends install lintian man-db'
    run "Debian $1, build" within 'cd /root/recs && sh tools/package.sh'
    run "Debian $1, install, upgrade, purge" within \
        'cd /root/recs && sh t/package/life.sh'

    remove_root
    root=
    say "Debian $1: well"
}


case $repo in
    *[[:space:]]*) die "nginx's build can't do with the space in $repo" ;;
esac

mkdir -p "$out"

case ${1:-} in
    '')
        build
        ;;
    --test)
        shift
        [ "$(id -u)" = 0 ] || die "--test must be root"
        [ $# != 0 ] || set -- 12 13
        trap remove_root EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        for debian; do
            test_on "$debian"
        done
        ;;
    *)
        die "usage: sh tools/package.sh [--test [12] [13]]"
        ;;
esac
