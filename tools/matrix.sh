#!/bin/sh
#
# Builds the module for several nginxes, each in several ways, and asks each of
# them whether it works: nginx -t with conf/recs.conf, and a few test files.
#
#     sh tools/matrix.sh                      # the versions named below
#     sh tools/matrix.sh 1.30.4 ../angie      # these
#
# A source is a version of nginx, a tarball (.tar.gz), or a directory: a
# checkout of nginx, freenginx or Angie.  The tarball of a version is looked for
# in build/source/nginx-VERSION.tar.gz, and else fetched from nginx.org;
# Debian's (nginx_VERSION.orig.tar.gz, of t/build-nginx.pl source) will do, too.
# What is not to be had counts as a failure, for nothing was tried.
#
# Each is built
#
#     dynamic     the module as a file (--with-compat)
#     static      linked in (--add-module)
#     packaged    as a file, with the flags of nginx.org's packages (gcc alone)
#
# with gcc and with clang, and stops at the first warning.  A build takes about
# a minute.  In the environment:
#
#     CCS="gcc clang"  KINDS="dynamic static packaged"
#     TESTS="t/x.t..."  KEEP=1 (what is built stays)
#
# All is in build/matrix: results, and the log of each build.

set -eu

LC_ALL=C.UTF-8
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH

repo=$(cd "$(dirname "$0")/.." && pwd -P)
out=$repo/build/matrix

# The oldest that is supported, Debian 13's, and the newest of both branches.
VERSIONS="1.22.1 1.26.3 1.30.4 1.31.4"

CCS=${CCS:-gcc clang}
KINDS=${KINDS:-dynamic static packaged}
TESTS=${TESTS:-t/page_columns.t t/set_answers.t t/status_pages.t
               t/filter_subrequests.t t/pass_rows.t t/cache_validators.t}

failures=0


say() {
    printf '%s\n' "$*"
}


die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}


# Of a version: where its tarball is, as $tarball.  Empty if it can't be had.

find_tarball() {
    tarball=

    for file in "$repo/build/source/nginx-$1.tar.gz" \
                "$repo/build/source/nginx_$1.orig.tar.gz"
    do
        [ ! -f "$file" ] || { tarball=$file; return 0; }
    done

    file=$repo/build/source/nginx-$1.tar.gz
    mkdir -p "$repo/build/source"

    if curl -qsf --max-time 120 -o "$file.new" \
           "https://nginx.org/download/nginx-$1.tar.gz"
    then
        mv "$file.new" "$file"
        tarball=$file
    else
        rm -f "$file.new"
    fi
}


# Puts a source into $out/NAME/src; sets name.

unpack() {
    if [ -d "$1" ]; then
        name=$(basename "$(cd "$1" && pwd -P)")
        rm -rf "${out:?}/$name"
        mkdir -p "$out/$name"
        cp -R "$1" "$out/$name/src"
        return 0
    fi

    case $1 in
        *.tar.gz) tarball=$1; name=$(basename "$1" .tar.gz) ;;
        *)        find_tarball "$1"; name=nginx-$1 ;;
    esac

    [ -n "$tarball" ] && [ -f "$tarball" ] || return 1
    rm -rf "${out:?}/$name"
    mkdir -p "$out/$name/src"
    tar -xzf "$tarball" --strip-components=1 -C "$out/$name/src"
}


# The options that nginx.org builds its packages of Debian with, but for its
# directories.  QUIC came with 1.25.

packaged_options() {
    set -- file-aio threads http_addition_module http_auth_request_module \
        http_dav_module http_flv_module http_gunzip_module \
        http_gzip_static_module http_mp4_module http_random_index_module \
        http_realip_module http_secure_link_module http_slice_module \
        http_ssl_module http_stub_status_module http_sub_module \
        http_v2_module mail mail_ssl_module stream stream_realip_module \
        stream_ssl_module stream_ssl_preread_module
    [ ! -d src/http/v3 ] || set -- "$@" http_v3_module

    printf -- '--with-%s ' "$@"
}


# build KIND CC: in the source's directory.

build() {
    [ -e configure ] && configure=./configure || configure=auto/configure

    case $1 in
        dynamic)
            how="--with-compat --add-dynamic-module=$repo"
            cflags=-O1
            ldflags=
            ;;
        static)
            how="--add-module=$repo"
            cflags=-O1
            ldflags=
            ;;
        packaged)
            how="--with-compat --add-dynamic-module=$repo $(packaged_options)"
            cflags="-g -O2 -ffile-prefix-map=$PWD=. -fstack-protector-strong"
            cflags="$cflags -Wformat -Werror=format-security"
            cflags="$cflags -Wp,-D_FORTIFY_SOURCE=2 -fPIC"
            ldflags="-Wl,-z,relro -Wl,-z,now -Wl,--as-needed -pie"
            ;;
    esac

    # shellcheck disable=SC2086
    $configure --builddir="../$1-$2" --with-cc="$2" --with-cc-opt="$cflags" \
        --with-ld-opt="$ldflags" --with-http_ssl_module --with-http_v2_module \
        --with-http_auth_request_module --with-http_addition_module \
        --with-http_slice_module --with-http_sub_module --with-threads $how \
        && make -j2 -f "../$1-$2/Makefile"
}


# check KIND CC: in the repository.

check() {
    made=$out/$name/$1-$2
    RECS_NGINX=$made/nginx
    [ ! -e "$made/angie" ] || RECS_NGINX=$made/angie
    RECS_MODULE=$made/ngx_http_recs_module.so
    [ "$1" != static ] || RECS_MODULE=
    export RECS_NGINX RECS_MODULE

    mkdir -p "$made/run/logs"
    {
        [ -z "$RECS_MODULE" ] || say "load_module $RECS_MODULE;"
        say "pid $made/run/nginx.pid;"
        say "error_log $made/run/error.log;"
        say "events { }"
        say "http {"
        for temp in client_body proxy fastcgi uwsgi scgi; do
            say "${temp}_temp_path $made/run/$temp;"
        done
        sed "s|/var/log/nginx|$made/run|" conf/recs.conf
        say "}"
    } >"$made/run/nginx.conf"

    # shellcheck disable=SC2086
    "$RECS_NGINX" -V && "$RECS_NGINX" -t -e "$made/run/error.log" \
        -p "$made/run" -c "$made/run/nginx.conf" && prove $TESTS
}


try() {
    log=$out/$name/$1-$2.log
    start=$(date +%s)
    result=ok

    if ! (cd "$out/$name/src" && build "$1" "$2") >"$log" 2>&1; then
        result="not built"
    elif ! (cd "$repo" && check "$1" "$2") >>"$log" 2>&1; then
        result="fails"
    fi

    [ "$result" = ok ] || failures=$((failures + 1))
    printf '%-24s %-9s %-6s %-10s %4d s\n' "$name" "$1" "$2" "$result" \
        $(($(date +%s) - start)) | tee -a "$out/results"

    if [ "$result" != ok ]; then
        say "    $log"
        tail -n 15 "$log" | cut -c1-160 | sed 's/^/    /'
    fi

    [ -n "${KEEP:-}" ] || rm -rf "${out:?}/$name/$1-$2"
}


case $repo in
    *[[:space:]]*) die "nginx's build can't do with the space in $repo" ;;
esac

for cc in $CCS; do
    command -v "$cc" >/dev/null || die "$cc is missing: CCS=\"gcc\" sh $0"
done

mkdir -p "$out"
: >"$out/results"

# shellcheck disable=SC2086
[ $# != 0 ] || set -- $VERSIONS

for source; do
    if ! unpack "$source"; then
        say "$source: no source: neither in build/source nor from nginx.org"
        failures=$((failures + 1))
        continue
    fi

    for cc in $CCS; do
        for kind in $KINDS; do
            [ "$kind $cc" = "packaged clang" ] || try "$kind" "$cc"
        done
    done

    [ -n "${KEEP:-}" ] || rm -rf "${out:?}/$name/src"
done

say "$failures failed"
[ "$failures" = 0 ]
