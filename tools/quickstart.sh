#!/bin/sh
#
# Shows what the module does, with real book pages: a recommendation API, Redis
# and the edge in front of it, on this machine alone.
#
#     sh tools/quickstart.sh [--no-redis] [--once] [--build]
#
# Installs first (as root) what is missing, curl among it.  The module is that
# of the package libnginx-mod-http-recs, where it is installed in this version,
# and else built.  Then it stays until Ctrl-C, or until its standard input ends:
# with </dev/null, as with --once, it shows all that it has to show, and ends.
# What it started and wrote is gone then; build/ stays.
#
#     --no-redis      the sets are files
#     --build         builds the module, whatever is installed
#     PORT=8081       in the environment: another port than 8080; 0: a free one

set -eu
umask 022               # nginx's workers read what is written here

LC_ALL=C.UTF-8
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH

repo=$(cd "$(dirname "$0")/.." && pwd -P)
data=$repo/t/data
port=${PORT:-8080}
user=u10                # whose page is shown
rows=8                  # how much of it
snapshot=v124           # the version that is published

# Where a page says what it is.
facts="--model=/model_version --schema=/schema_version"
facts="$facts --features=/feature_schema --generated-at=/generated_at"

with_redis=yes
once=
package=yes             # the module of a package will do

module=                 # its file

dir=
redis=                  # pids
api=
edge=


say() {
    printf '%s\n' "$*"
}


die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}


# Whatever ends this script ends what it started.

clean_up() {
    trap '' HUP INT PIPE TERM
    trap - EXIT

    for pid in $edge $api $redis; do
        kill -TERM "$pid" 2>/dev/null || :
        kill -CONT "$pid" 2>/dev/null || :      # it may be stopped
    done

    wait

    if [ -n "$dir" ]; then
        rm -rf "$dir"
        say "Stopped. Nothing is left but build/." 2>/dev/null || :
    fi
}


# Ends with what is wrong, if nobody could listen on the port.  Asked before
# anything is installed, which takes minutes, and again just before nginx
# listens.

check_port() {
    [ "$port" != 0 ] || return 0

    fault=$(perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
        setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
        print $! if !bind($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK))
                    || !listen($s, 1);
    ' "$port")

    case $fault in
        '') ;;
        *in\ use) die "port $port is taken; for a free one: PORT=0 sh $0" ;;
        *) die "port $port can't be had: $fault;" \
                "for a free one: PORT=0 sh $0" ;;
    esac
}


# A port that nobody listens on, at this moment.

free_port() {
    perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
        bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or die "bind: $!\n";
        print +(sockaddr_in(getsockname($s)))[0];
    '
}


# Sets module: the installed package's, if it is of this version and can be
# loaded; else it is built.

find_module() {
    installed=/usr/lib/nginx/modules/ngx_http_recs_module.so
    version=$(sed -n 's/^#define NGX_HTTP_RECS_VERSION *"\(.*\)"$/\1/p' \
                  "$repo/src/http/tell/ngx_http_recs_version.h")
    has=$(dpkg-query -W -f '${Version}' libnginx-mod-http-recs 2>/dev/null) \
        || has=

    if [ -z "$package" ] || [ ! -f $installed ] \
        || [ "${has%%-*}" != "$version" ]
    then
        say "Preparing. The first time it takes some minutes: packages are" \
            "installed, and the module is compiled."
        sh "$repo/tools/build.sh" ${with_redis:+redis-server} curl
        module=$repo/build/ngx_http_recs_module.so
        return 0
    fi

    say "using the module of libnginx-mod-http-recs $has"
    sh "$repo/tools/build.sh" --install nginx ${with_redis:+redis-server} curl
    module=$installed
}


# wait_for NAME PID LOG COMMAND...: until the command succeeds.

wait_for() {
    name=$1
    pid=$2
    log=$3
    shift 3
    n=0

    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))

        if [ $n -gt 100 ] || ! kill -0 "$pid" 2>/dev/null; then
            cat "$log" >&2
            die "$name does not answer"
        fi

        sleep 0.1
    done
}


# Lets nginx's workers use it, and others than them and us not.

for_workers() {
    [ "$(id -u)" != 0 ] || chgrp www-data "$1"
}


start_redis() {
    say "starting redis-server"

    cat >"$dir/redis.conf" <<END
port 0
unixsocket $dir/redis.sock
unixsocketperm 660
save ""
dir $dir
END

    redis-server "$dir/redis.conf" >"$dir/redis.log" 2>&1 &
    redis=$!
    wait_for redis-server "$redis" "$dir/redis.log" \
        redis-cli -s "$dir/redis.sock" ping
    for_workers "$dir/redis.sock"

    say "loading what is in stock, and what each user has read"

    {
        sed 's/^/SADD in_stock /' "$data/in_stock.txt"
        sed -e 's/^{"user":"\(u[0-9]*\)","items":/SADD seen:\1 /' \
            -e 's/[]",}[]/ /g' "$data/seen.ndjson"
    } | redis-cli -s "$dir/redis.sock" --pipe >"$dir/load.log" 2>&1 || {
        cat "$dir/load.log" >&2
        die "Redis did not take the sets"
    }
}


# The batch job's pages, as if they had been made just now, and the one of users
# who have none: as a version that is shown.

publish() {
    say "publishing the pages as snapshot $snapshot"

    sed "s/\"generated_at\":[0-9]*/\"generated_at\":$(date +%s)/" \
        "$data/recs.ndjson" >"$dir/recs.ndjson"
    printf '{"items":[%s]}\n' "$(paste -s -d , "$data/pool-fresh.ndjson")" \
        >"$dir/default.json"

    # shellcheck disable=SC2086
    {
        redis-cli -s "$dir/redis.sock" -x FUNCTION LOAD REPLACE \
            <"$repo/conf/recs.lua" \
            && "$repo/tools/load-snapshot" --socket="$dir/redis.sock" \
                $facts --default="$dir/default.json" --publish \
                home "$snapshot" "$dir/recs.ndjson"
    } >"$dir/load.log" 2>&1 || {
        cat "$dir/load.log" >&2
        die "the pages could not be published"
    }
}


# A file holds one set: what the user whose page is shown has read.

write_sets() {
    say "writing what is in stock, and what $user has read"

    cp "$data/in_stock.txt" "$dir/in_stock.txt"
    grep "^{\"user\":\"$user\"," "$data/seen.ndjson" | grep -o 'b[0-9]*' \
        >"$dir/seen.txt"
}


# start_nginx NAME: with $dir/NAME.conf; sets pid.

start_nginx() {
    nginx -p "$dir" -c "$dir/$1.conf" -e "$dir/$1.log" -g 'daemon off;' \
        >/dev/null 2>&1 &
    pid=$!
}


# nginx's own working directories, and whom its workers run as.

write_common() {
    cat >"$dir/temp.conf" <<END
client_body_temp_path $dir/body;
proxy_temp_path $dir/proxy;
fastcgi_temp_path $dir/fastcgi;
uwsgi_temp_path $dir/uwsgi;
scgi_temp_path $dir/scgi;
END

    workers=
    [ "$(id -u)" != 0 ] || workers="user www-data;"
}


# A page for each user, as a batch job left it.

start_api() {
    say "starting the sample API"

    mkdir "$dir/pages"
    awk -v "dir=$dir/pages" -F '"' '{
        file = dir "/" $4 ".json"
        print >file
        close(file)
    }' "$data/recs.ndjson"

    cat >"$dir/api.conf" <<END
$workers
pid $dir/api.pid;
error_log $dir/api.log;

events { }

http {
    include $dir/temp.conf;
    access_log off;
    default_type application/json;

    # /recommendations?user=u1 is pages/u1.json

    map \$arg_user \$page {
        ~^u[0-9]+\$  /\$arg_user.json;
        default     /none;
    }

    server {
        listen unix:$dir/api.sock;
        root $dir/pages;

        location = /recommendations {
            try_files \$page =404;
        }
    }
}
END

    start_nginx api
    api=$pid
    wait_for "the sample API" "$api" "$dir/api.log" before
}


# conf/edge.conf, with the addresses and paths of this run.

write_edge() {
    sed -e "s|modules/ngx_http_recs_module.so|$module|" \
        -e "s|^user www-data;|$workers|" \
        -e "s|/run/nginx.pid|$dir/edge.pid|" \
        -e "s|/var/log/nginx/error.log|$dir/edge.log|" \
        -e "s|/var/log/nginx|$dir|" \
        -e "s|/var/lib/nginx|$dir|" \
        -e "s|127.0.0.1:8080|127.0.0.1:$port|" \
        -e "s|127.0.0.1:9000|unix:$dir/api.sock|" \
        -e "s|redis://127.0.0.1:6379|unix:$dir/redis.sock|" \
        -e "/^http {/a include $dir/temp.conf;" \
        "$repo/conf/edge.conf" >"$dir/edge.conf"

    if [ -z "$with_redis" ]; then
        # shellcheck disable=SC2016
        sed -i -e '/recs_redis main {/,/}/d' \
            -e 's|redis=main key=in_stock|file=in_stock.txt|' \
            -e 's|redis=main key=seen:$recs_user|file=seen.txt|' \
            -e '/# The batch job.s pages/,/recs_snapshots/d' \
            -e '/# Which version the pages/,/X-Snapshot/d' \
            -e 's|&snapshot=$recs_active_home||' \
            -e '/# Without one:/,/^        }/d' \
            "$dir/edge.conf"
    fi
}


# Whoever takes a free port before nginx does: there are others.

start_edge() {
    cp "$data/pool-fresh.ndjson" "$dir"
    wanted=$port
    tries=0

    while :; do
        check_port
        [ "$wanted" != 0 ] || port=$(free_port)
        url=http://127.0.0.1:$port/recommendations
        home=http://127.0.0.1:$port/home

        say "starting the edge on 127.0.0.1:$port"
        write_edge
        start_nginx edge
        edge=$pid

        until [ -s "$dir/edge.pid" ] || ! kill -0 "$edge" 2>/dev/null; do
            sleep 0.1
        done

        [ ! -s "$dir/edge.pid" ] || break
        tries=$((tries + 1))

        if [ "$wanted" != 0 ] || [ $tries -gt 5 ] \
            || ! grep -q 'bind() .* failed (98' "$dir/edge.log"
        then
            cat "$dir/edge.log" >&2
            die "the edge does not start"
        fi
    done

    wait_for "the edge" "$edge" "$dir/edge.log" page
}


fetch() {
    curl -qsf --noproxy '*' "$@"
}


before() {
    fetch --unix-socket "$dir/api.sock" "http://api/recommendations?user=$user"
}


# page [ARGUMENTS [URL]]: from the edge, into $dir/page and $dir/headers.  Fails
# if the sets were not asked in time.

page() {
    fetch -D "$dir/headers" -o "$dir/page" "${2:-$url}?user=$user${1:-}" \
        && grep -q '^Recs-Filter: filtered' "$dir/headers"
}


# Of a page: its items as "ID TITLE".  Made for these books; programs read
# JSON with a JSON reader.

items() {
    grep -oE '"id":"[^"]*",("score":[^,]*,)?"title":"([^"\\]|\\.)*"' \
        | sed -E -e 's/^"id":"([^"]*)".*"title":"(.*)"$/\1 \2/' \
                 -e 's/\\(.)/\1/g'
}


# Of a page with ?explain=1: what was removed, as "ID SET".

removed() {
    grep -oE '"id":"[^"]*","set":"[^"]*"' \
        | sed -E 's/^"id":"([^"]*)","set":"([^"]*)"$/\1 \2/'
}


# table REMOVED ITEMS: the first items, those that go with the reason.

table() {
    awk -v "rows=$rows" '
        BEGIN { say["in_stock"] = "sold out"; say["seen"] = "has been read" }
        FILENAME == ARGV[1] { why[$1] = say[$2]; next }
        FNR <= rows {
            id = $1
            sub(/^[^ ]* /, "")
            printf "  %2d  %-6s %-14s %s\n", FNR, id, why[id], $0
        }' "$1" "$2"
}


show() {
    before | items >"$dir/before"
    wait_for "the edge" "$edge" "$dir/edge.log" page "&explain=1"
    removed <"$dir/page" >"$dir/removed"
    wait_for "the edge" "$edge" "$dir/edge.log" page
    items <"$dir/page" >"$dir/after"

    say
    say "What the API recommends to $user, computed last night" \
        "($rows of $(wc -l <"$dir/before")):"
    say
    table "$dir/removed" "$dir/before"
    say
    say "What the edge shows ($rows of $(wc -l <"$dir/after")):"
    say
    table /dev/null "$dir/after"
    say
    recs_headers

    [ -n "$with_redis" ] || return 0

    wait_for "the edge" "$edge" "$dir/edge.log" page "" "$home"
    items <"$dir/page" >"$dir/served"

    say
    say "What it shows without the API, from snapshot $snapshot in Redis" \
        "($rows of $(wc -l <"$dir/served")):"
    say
    table /dev/null "$dir/served"
    say
    recs_headers
}


recs_headers() {
    tr -d '\r' <"$dir/headers" | sed -n 's/^Recs-/  &/p'
}


# The first user who explores.  (Each response has one such header.)

explorer() {
    fetch -o /dev/null -D - "$url?user=u[1-300]" \
        | grep '^Recs-Filter' \
        | awk '/explored=[1-9]/ && !n { n = NR } END { print "u" n }'
}


nth_id() {
    sed -n "$1s/ .*//p" "$dir/after"
}


# What to try.  Commands, and nothing else, are indented by four.

suggest() {
    sold=$(nth_id 1)
    read=$(nth_id 2)
    ids="grep -o '\"id\":\"[^\"]*\"' | head -n 3"
    explorer=$(explorer)

    if [ -n "$with_redis" ]; then
        sell="redis-cli -s $dir/redis.sock SREM in_stock $sold"
        note="redis-cli -s $dir/redis.sock SADD seen:$user $read"
    else
        sell="sed -i '/^$sold\$/d' $dir/in_stock.txt
    kill -HUP $edge; sleep 1"
        note="echo $read >>$dir/seen.txt
    kill -HUP $edge; sleep 1"
    fi

    cat <<END

It is running. Try, in another terminal:

A flash sale. $sold, the first of the page, sells out:

    $sell
    curl -s '$url?user=$user' | $ids

$user has just read $read, which came next:

    $note
    curl -s '$url?user=$user' | $ids

What goes, and why:

    curl -s '$url?user=$user&explain=1' | grep -o '"_recs":.*'

Exploration. One user in twenty is shown new books, others each time, with the
probability of each; $explorer is one:

    curl -s '$url?user=$explorer' | grep -o '{[^{}]*"_recs":{"explore[^}]*}}'

END

    [ -z "$with_redis" ] || cat <<END
The same without the API, straight from Redis:

    curl -s '$home?user=$user' | $ids

The batch job's next version is loaded, and shown at once:

    $repo/tools/load-snapshot --socket=$dir/redis.sock \\
        $facts \\
        --publish home v125 $dir/recs.ndjson
    curl -si '$home?user=$user' | grep Recs-

It was not better. The one before, again:

    redis-cli -s $dir/redis.sock FCALL recs_rollback 3 \\
        '{home}:channel:active' '{home}:history' '{home}:rolled_back'
    curl -si '$home?user=$user' | grep Recs-

Redis hangs. The page comes all the same, 15 ms later, and says what it lacks:

    kill -STOP $redis
    curl -si '$url?user=$user' | grep Recs-
    kill -CONT $redis

Somebody deletes what is in stock. Nothing has sold out: the page stays, and
says that it doesn't know. It is filtered again with the first page after that:

    redis-cli -s $dir/redis.sock COPY in_stock kept
    redis-cli -s $dir/redis.sock DEL in_stock
    curl -si '$url?user=$user' | grep Recs-
    redis-cli -s $dir/redis.sock RENAME kept in_stock
    curl -si '$url?user=$user' | grep Recs-

END

    cat <<END
What all workers have counted, and what the log says:

    curl -s http://127.0.0.1:$port/recs_status
    tail -n 3 $dir/access.log

The edge's configuration, conf/edge.conf with the addresses of this run:

    cat $dir/edge.conf

END
}


for arg; do
    case $arg in
        --no-redis) with_redis= ;;
        --once)     once=yes ;;
        --build)    package= ;;
        *)          die "usage: sh tools/quickstart.sh [--no-redis] [--once]" \
                        "[--build]" ;;
    esac
done

case $port in
    0) ;;
    *[!0-9]* | '' | 0* | ??????*) fault=yes ;;
    *) [ "$port" -le 65535 ] || fault=yes ;;
esac

[ -z "${fault:-}" ] \
    || die "PORT must be a number from 1 to 65535, or 0 for a free one," \
           "not \"$port\""

check_port
find_module
check_port

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

say "Starting, which takes some seconds."

dir=$(mktemp -d "${TMPDIR:-/tmp}/recs.XXXXXX")
chmod 750 "$dir"
for_workers "$dir"
write_common

if [ -n "$with_redis" ]; then
    start_redis
    publish
else
    write_sets
fi

start_api
start_edge
show
suggest

if [ -z "$once" ]; then
    say "Ctrl-C stops everything."
    while read -r _; do
        :
    done
fi
