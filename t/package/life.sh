#!/bin/sh
#
# Installs, uses, upgrades, removes and purges the packages in build/package, as
# the documents say, in a Debian that is for this alone: tools/package.sh --test
# runs it there.  It changes /etc and listens on ports 80, 6379, 8080 and 9000,
# of a network of its own.
#
#     sh t/package/life.sh

set -eu
umask 022

LC_ALL=C.UTF-8
DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND

repo=$(cd "$(dirname "$0")/../.." && pwd -P)
work=/tmp/recs-life
module=libnginx-mod-http-recs
examples=/usr/share/doc/$module/examples
log=/var/log/nginx/exposure.log
page='http://127.0.0.1:8080/recommendations?user=u1'

PATH=$PATH:/usr/sbin:/sbin


say() {
    printf '%s\n' "$*"
}


die() {
    say "FAILED: $*" >&2
    tail -n 20 /var/log/nginx/error.log "$work/headers" >&2 || :
    exit 1
}


# is GOT WANTED WHAT

is() {
    [ "$1" = "$2" ] || die "$3: \"$1\", not \"$2\""
    say "ok: $3"
}


# within_10s COMMAND...

within_10s() {
    n=0
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        [ $n -le 100 ] || die "in vain: $*"
        sleep 0.1
    done
    say "ok: $*"
}


fetch() {
    curl -qsf --max-time 10 -D "$work/headers" "$@"
}


filtered() {
    fetch "$page" >"$work/page" \
        && grep -q '^Recs-Filter: filtered;total=3;kept=2' "$work/headers"
}


# What nginx's master has mapped is this file, and no older one of its name.

module_mapped() {
    inode=$(stat -c %i /usr/lib/nginx/modules/ngx_http_recs_module.so)
    grep "$inode .*ngx_http_recs_module.so$" /proc/"$(cat /run/nginx.pid)"/maps
}


# Of a package: the same with a higher version.

newer() {
    rm -rf "$work/newer"
    dpkg-deb -R "$1" "$work/newer"
    sed -i 's/^Version: .*/&+newer1/' "$work/newer/DEBIAN/control"
    dpkg-deb -b "$work/newer" "$work/newer.deb" >/dev/null
}


start_servers() {
    redis-server --daemonize yes --dir "$work" >/dev/null
    within_10s redis-cli ping
    redis-cli sadd in_stock b1 b3 >/dev/null

    cat >"$work/api.conf" <<'END'
pid /tmp/recs-life/api.pid;
error_log /tmp/recs-life/api.log;
events { }
http {
    access_log off;
    default_type application/json;
    server {
        listen 127.0.0.1:9000;
        location / {
            return 200 '{"schema_version":3,"items":[{"id":"b1"},{"id":"b2"},{"id":"b3"}]}';
        }
    }
}
END
    nginx -c "$work/api.conf"
    within_10s fetch http://127.0.0.1:9000/
}


installed() {
    say "== installed beside a running nginx"
    nginx
    within_10s fetch http://127.0.0.1/

    dpkg -i "$deb" "$tools"

    is "$(readlink /etc/nginx/modules-enabled/50-mod-http-recs.conf)" \
        /usr/share/nginx/modules-available/mod-http-recs.conf "enabled"
    is "$(stat -c '%a %U %G' $log)" "640 www-data adm" "the exposure log"
    within_10s module_mapped
    man -w ngx_http_recs_module recs-load-snapshot recs-replay-exposure
    recs-replay-exposure --help >/dev/null
    is "$(redis-cli -x function load </usr/share/recs-tools/recs.lua)" recs \
        "Redis takes recs.lua"
    printf '{"user":"u1","items":[{"id":"b1"}]}\n' >"$work/pages"
    recs-load-snapshot --model=m --schema=3 --features=f \
        --generated-at="$(date +%s)" --publish home v1 "$work/pages"
}


used() {
    say "== conf.d/recs.conf, as it is"
    cp $examples/recs.conf /etc/nginx/conf.d/
    nginx -t
    nginx -s reload
    within_10s filtered
    is "$(cat "$work/page")" \
        '{"schema_version":3,"items":[{"id":"b1"},{"id":"b3"}]}' "a page"
    within_10s grep '"user":"u1"' $log
    is "$(stat -c '%a %U %G' $log)" "640 www-data adm" "the exposure log"
    is "$(fetch http://127.0.0.1:8080/recs_ready)" ready "ready"
}


rotated() {
    say "== logrotate"
    cp $examples/logrotate /etc/logrotate.d/recs
    install -d -m 751 -o root -g adm /var/log/recs
    install -m 640 -o www-data -g adm /dev/null /var/log/recs/exposure.log
    sed -i "s|$log|/var/log/recs/exposure.log|" /etc/nginx/conf.d/recs.conf
    nginx -s reload
    within_10s recorded
    logrotate -f /etc/logrotate.conf
    is "$(stat -c '%a %U %G' /var/log/recs/exposure.log)" "640 www-data adm" \
        "the next exposure log"
    within_10s recorded
    rm /etc/logrotate.d/recs
}


recorded() {
    filtered && grep -q '"user":"u1"' /var/log/recs/exposure.log
}


# Each file of conf/ that is a whole nginx.conf; only the first has all servers
# that it asks.

whole() {
    say "== edge.conf, as it is"
    nginx -s quit
    within_10s test ! -e /run/nginx.pid
    cp /etc/nginx/nginx.conf "$work/nginx.conf"
    cp $examples/edge.conf /etc/nginx/nginx.conf
    cp $examples/pool-fresh.ndjson /etc/nginx/
    nginx -t
    nginx
    within_10s filtered
    within_10s fetch 'http://127.0.0.1:8080/home?user=u1'
    nginx -s quit
    within_10s test ! -e /run/nginx.pid
    nginx -t -c $examples/canary.conf
    nginx -t -c $examples/sentinel.conf
    cp "$work/nginx.conf" /etc/nginx/nginx.conf
    rm /etc/nginx/pool-fresh.ndjson
}


upgraded() {
    say "== upgraded under a running nginx"
    nginx
    within_10s filtered
    newer "$deb"
    dpkg -i "$work/newer.deb"
    within_10s module_mapped
    filtered || die "no page after the upgrade"
    is "$(stat -c %a $log)" 640 "the exposure log"
}


removed() {
    say "== removed, installed again, disabled, purged"
    rm /etc/nginx/conf.d/recs.conf
    dpkg -r $module
    [ ! -e /usr/lib/nginx/modules/ngx_http_recs_module.so ] || die "not removed"
    [ ! -e /etc/nginx/modules-enabled/50-mod-http-recs.conf ] || die "enabled"
    nginx -t
    fetch http://127.0.0.1/ >/dev/null || die "nginx ended with the module"

    dpkg -i "$deb"
    [ -e /etc/nginx/modules-enabled/50-mod-http-recs.conf ] || die "not enabled"

    rm /etc/nginx/modules-enabled/50-mod-http-recs.conf
    dpkg -i "$work/newer.deb"
    [ ! -e /etc/nginx/modules-enabled/50-mod-http-recs.conf ] \
        || die "an upgrade enabled what somebody had disabled"

    dpkg -P $module recs-tools
    nginx -t
    is "$(find /etc /usr /var -xdev -name '*recs*' ! -path '/var/log/recs*' \
              ! -path '/var/lib/nginx/recs*')" "" "nothing is left"
    [ ! -e $log ] || die "the log is left"
}


if [ "${1:-}" != alone ]; then
    apt-get update
    apt-get -y --no-install-recommends install nginx redis-server redis-tools \
        curl logrotate man-db iproute2 python3-xxhash
    # From here on packages may reload what runs: it is this script's.
    printf '#!/bin/sh\nexit 0\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    exec unshare --net sh "$0" alone
fi

deb=$(ls "$repo/build/package/$module"_*.deb)
tools=$(ls "$repo/build/package"/recs-tools_*.deb)

ip link set lo up
rm -rf "$work"
mkdir "$work"
start_servers

installed
used
rotated
whole
upgraded
removed

say "all well"
