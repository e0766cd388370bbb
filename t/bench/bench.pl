use strict;
use warnings;

# What the module costs: CPU seconds per 1000 requests, beside the same nginx
# that only proxies, in one run; or instructions per request.  run.sh starts
# this; usage() says the rest.

use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";

use Cwd ();
use File::Path ();
use File::Temp ();
use Getopt::Long qw(GetOptions);
use JSON::PP ();
use List::Util qw(sum0 max min);
use Recs::Callgrind;
use Recs::Certificate;
use Recs::HTTP1;
use Recs::Nginx;
use Recs::Process qw(slurp spew free_port);
use Recs::Redis;
use Recs::RedisCluster;
use Recs::Reference qw(filter difference);
use Time::HiRes qw(time sleep);

my $ROOT = Cwd::abs_path("$FindBin::Bin/../..");
my $PAGES = 10;             # different ones of a size, asked for in turn
my $ATTEMPTS = 4;           # for a sample that was disturbed
my $STEAL = 0.01;           # of the CPU: more disturbs a sample
my $FOREIGN = 0.10;         # likewise, by processes that aren't ours
my $DEARER = 0.03;          # in instructions: worth a look

# The same for all: a page fits into one buffer, connections stay, nothing is
# logged.

my $FRAME = <<'END';
    tcp_nodelay on;
    default_type application/json;

    upstream api {
        server 127.0.0.1:%%API%%;
        keepalive 64;
        keepalive_requests 1000000;
    }

    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffer_size 4k;

    server {
        listen unix:%%NGINX_DIR%%/status.sock;
        location = /requests { stub_status; }
        location = /recs { %%STATUS%% }
    }

    %%DEFINE%%

    server {
        listen 127.0.0.1:%%PORT%% backlog=1024;
        %%LOCATIONS%%
    }
END

my $PROXY = <<'END';
            proxy_pass http://api;
            proxy_buffers %%BUFFERS%%;
            proxy_busy_buffers_size %%BUFFER%%;
END

my $FILES = <<'END';
    sendfile on;
    tcp_nopush on;
    open_file_cache max=1000 inactive=600s;
    open_file_cache_valid 600s;
    root %%DIR%%/pages;
END

my $API = <<'END';
    default_type application/json;
    %%FILES%%

    server {
        listen 127.0.0.1:%%API%% backlog=1024;
    }
END

my $REDIS = <<'END';
    recs_redis main {
        server %%REDIS%%;
        connections %%CONNECTIONS%%;
        timeout 60s;
    }
END

my $SETS = $REDIS . <<'END';
    recs_set in_stock redis=main key=in_stock;
    recs_set watched redis=main key=watched:$arg_user;
END

my $TLS = $SETS =~ s/server %%REDIS%%;/%%TLS%%/r;
my $CLUSTER = $SETS =~ s/server %%REDIS%%;/%%CLUSTER%%/r;

my $ONE = $REDIS . <<'END';
    recs_set in_stock file=%%ROOT%%/t/data/in_stock.txt;
    recs_set watched redis=main key=watched:$arg_user;
END

# More than any user of up to 100 items has watched; of 1000, most have more.
my $PREFETCH = $ONE =~ s/arg_user\K;/ prefetch=1000;/r;

my $REPLICA = $REDIS . <<'END';
    recs_set in_stock redis=main key=in_stock replica=on feed=in_stock:feed;
    recs_set watched redis=main key=watched:$arg_user;
END

my $REPLICA_PREFETCH = $REPLICA =~ s/arg_user\K;/ prefetch=1000;/r;

my $POOL = <<'END';
    recs_pool fresh file=%%ROOT%%/t/data/pool-fresh.ndjson
              weight=/ratings_count category=/year;
END

my $ROWS = <<'END';
    recs_user $arg_user;
    recs_lookup_timeout 30s;
    recs_snapshots home redis=main prefix=home;
    recs_snapshots packed redis=main prefix=packed;
END

my $GUARD = <<'END';
    recs_guard home removed=99.99% empty=99.99% missing=99.99% errors=99.99%
               min=1;
END

my $ASK = <<'END';
            recs on;
            recs_user $arg_user;
            recs_require in_stock;
            recs_exclude watched;
            recs_lookup_timeout 30s;
END

my $ASK_STOCK = $ASK =~ s/^ *recs_exclude.*\n//mr;

my $LIMIT = $ASK . <<'END';
            recs_limit 20;
END

my $EXPLORE = $LIMIT . <<'END';
            recs_explore fresh rate=100% slots=3 panel=8 salt=bench;
END

# The usual share, of requests and not of users, of whom there are few here.

my $TENTH = $LIMIT . <<'END';
            recs_explore fresh rate=10% slots=3 key=$connection_requests
                         salt=bench;
END

my $WEIGHTED = $TENTH =~ s/rate/method=weighted rate/r;
my $DIVERSE = $TENTH =~ s/rate/method=diverse rate/r;
my $CAPPED = $TENTH =~ s{rate}{cap=1000000000/1h rate}r;

my $RECORDED = $LIMIT . <<'END';
            recs_record_shown redis=main key=shown:$arg_user within=7d max=1000;
END

my $LOGGED = $ASK . <<'END';
            access_log logged.log combined buffer=64k;
END

my $EXPOSURE = $ASK . <<'END';
            access_log logged.log exposure buffer=64k;
END

# What can be measured, in the order of the table.  define is for the server,
# use for the location; from is where pages come from, if not from the API;
# redis is how Redis is deployed, if it is not one server.

my @KINDS = (
    { name => 'static', title => 'static file', define => $FILES, from => '' },
    { name => 'plain', title => 'plain proxy' },
    { name => 'unset', title => 'no set', use => 'recs on;' },
    { name => 'redis', title => 'two Redis sets', define => $SETS,
      use => $ASK },
    { name => 'tls', title => 'two Redis sets, over TLS', define => $TLS,
      use => $ASK, redis => 'tls' },
    { name => 'cluster', title => 'two Redis sets, a cluster of three',
      define => $CLUSTER, use => $ASK, redis => 'cluster' },
    { name => 'logged', title => 'two Redis sets, an access log',
      define => $SETS, use => $LOGGED },
    { name => 'exposure', title => 'two Redis sets, the exposure log',
      define => $SETS . "log_format exposure escape=none '\$recs_exposure';",
      use => $EXPOSURE },
    { name => 'one', title => 'a Redis set, a file set', use => $ASK,
      define => $ONE },
    { name => 'prefetch', title => 'a prefetched Redis set, a file set',
      define => $PREFETCH, use => $ASK },
    { name => 'file', title => 'two file sets', use => $ASK,
      define => <<'END' },
    recs_set in_stock file=%%ROOT%%/t/data/in_stock.txt;
    recs_set watched file=%%DIR%%/watched.txt;
END
    { name => 'replica-alone', title => 'a replica', define => $REPLICA,
      use => $ASK_STOCK },
    { name => 'replica', title => 'a replica, a Redis set',
      define => $REPLICA, use => $ASK },
    { name => 'replica-prefetch', define => $REPLICA_PREFETCH, use => $ASK,
      title => 'a replica, a prefetched Redis set' },
    { name => 'limit', define => $SETS, use => $LIMIT,
      title => 'two Redis sets, limit 20' },
    { name => 'explore', define => $SETS . $POOL, use => $EXPLORE,
      title => 'two Redis sets, limit 20, one exploration slot' },
    { name => 'tenth', define => $SETS . $POOL, use => $TENTH,
      title => 'a tenth of them explores, a panel of 20' },
    { name => 'weighted', define => $SETS . $POOL, use => $WEIGHTED,
      title => 'a tenth explores, weighted' },
    { name => 'diverse', define => $SETS . $POOL, use => $DIVERSE,
      title => 'a tenth explores, diverse' },
    { name => 'capped', define => $SETS . $POOL, use => $CAPPED,
      title => 'a tenth explores, capped' },
    { name => 'recorded', define => $SETS, use => $RECORDED,
      title => 'two Redis sets, limit 20, recorded' },
    { name => 'pass-off', title => '`recs_pass`, `recs off`',
      define => $REDIS . $ROWS, from => 'recs_pass home;' },
    { name => 'pass-unset', title => '`recs_pass`, no set',
      define => $REDIS . $ROWS, from => 'recs_pass home;', use => 'recs on;' },
    { name => 'pass-redis', title => '`recs_pass`, two Redis sets',
      define => $SETS . $ROWS, from => 'recs_pass home;', use => $ASK },
    { name => 'guarded', title => 'the same, with a guard',
      define => $SETS . $ROWS . $GUARD, from => 'recs_pass home;',
      use => $ASK },
    { name => 'packed', title => '`recs_pass` of MessagePack, two Redis sets',
      define => $SETS . $ROWS, from => 'recs_pass packed;', use => $ASK },
    { name => 'unpacked', define => $SETS . $ROWS, use => $ASK,
      title => '`recs_pass` of MessagePack as JSON, two Redis sets',
      from => 'recs_pass packed format=json;' },
);

my %KINDS = map { $_->{name} => $_ } @KINDS;

# --with=pass
my @PASS = qw(static plain unset redis pass-off pass-unset pass-redis
              packed unpacked);

# --with=replica
my @REPLICA = qw(replica-alone replica replica-prefetch);

my %opt = (
    cpu => undef, seconds => 2, rounds => 5, connections => 16,
    sizes => '10,100,1000', with => undef, beside => 'plain', redis => 'unix',
    redis_connections => 1, buffers => undef, against => [], requests => 20,
);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh [instructions] [OPTION...]

  --with=file,explore   measure these, too: the sets from files; a limit of 20
                        items and one exploration slot
  --beside=limit --with=tenth,weighted,diverse
                        what exploration costs where a tenth of the requests
                        explore
  --beside=limit --with=tenth,capped,recorded
                        what a cap costs, and to record what was shown
  --beside=logged --with=exposure
                        what the exposure log costs, beside nginx's own
  --with=pass-redis,guarded
                        what the guard of a channel costs
  --with=one,prefetch   and these: only what a user has watched is in Redis,
                        asked about by id or prefetched
  --with=replica        and these: stock in a replica; alone, and with what a
                        user has watched in Redis, asked about or prefetched
  --redis=tcp --with=tls,cluster
                        and these: Redis over TLS, and a cluster, in plain
                        text; beside one server over TCP
  --with=pass           and these: pages from snapshots in Redis; a static file;
                        no set
  --beside=plain|static|limit|logged
                        what the others are divided by
  --sizes=$opt{sizes}  items of a page
  --rounds=$opt{rounds}  --seconds=$opt{seconds}
                        each round starts each program anew, and takes a
                        sample of it, so long
  --connections=$opt{connections}      of the load generator: requests under way
  --redis=unix|tcp      how Redis is reached
  --redis-connections=$opt{redis_connections}   recs_redis' connections
  --cpu=N               where everything runs; default: the last one
  --nginx-cpu=N  --redis-cpu=N  --api-cpu=N  --load-cpu=N
                        ...but for this
  --buffers="8 4k"      proxy_buffers; default: 4, each of which holds a page
  --against=FILE        another build of the module, in the same run
  --json=FILE           every sample, for further use

instructions: how many of them, in user space, nginx needs for a request,
counted by valgrind's callgrind.  About the same number comes each time, also
beside other work.  Without --with: of all that can be measured.  Of the options
above it has --with, --sizes, --rounds, --redis, --redis-connections, --buffers,
--against and --json, and

  --requests=$opt{requests}         of a round, at least; more of small pages
END
    exit 0;
}

GetOptions(
    'help' => \&usage, 'with=s' => \$opt{with}, 'sizes=s' => \$opt{sizes},
    'beside=s' => \$opt{beside},
    'rounds=i' => \$opt{rounds}, 'seconds=i' => \$opt{seconds},
    'connections=i' => \$opt{connections}, 'redis=s' => \$opt{redis},
    'redis-connections=i' => \$opt{redis_connections}, 'cpu=i' => \$opt{cpu},
    'nginx-cpu=i' => \$opt{nginx_cpu}, 'redis-cpu=i' => \$opt{redis_cpu},
    'api-cpu=i' => \$opt{api_cpu}, 'load-cpu=i' => \$opt{load_cpu},
    'buffers=s' => \$opt{buffers}, 'against=s' => $opt{against},
    'json=s' => \$opt{json}, 'instructions' => \$opt{instructions},
    'requests=i' => \$opt{requests},
) or die "--help says what can be said\n";

my @cpus = map { $_->{cpu} } cpu_times();
$opt{cpu} //= $cpus[-1];
$opt{$_} //= $opt{cpu} for qw(nginx_cpu redis_cpu api_cpu load_cpu);

my %measured_cpus = map { $opt{$_} => 1 } qw(nginx_cpu redis_cpu);
my @sizes = split /,/, $opt{sizes};

my $dir = File::Temp::tempdir('recs-bench-XXXXXXXX', TMPDIR => 1);
chmod 0755, $dir;

my $owner = $$;
my (@nginxes, %redis);      # by how it is deployed: one, tls, cluster
$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);

my $failed = eval { main(); 1 } ? undef : $@;
print STDERR "$0: $failed" if defined $failed;
exit(defined $failed ? 1 : 0);


END {
    if ($$ == ($owner // 0)) {
        my $code = $?;
        $_->stop for grep { $_ } @nginxes, redis_servers();
        Recs::Process::dismiss_warden();
        File::Path::remove_tree($dir);
        $? = $code;
    }
}


sub main {
    my %pages = map { $_ => make_pages($_) } @sizes;
    my @pages = map { @{ $pages{$_} } } @sizes;

    start_api();

    my @programs = programs();
    start_redis(\@pages, map { $_->{kind}{redis} // () } @programs);
    write_rows(@pages) if grep { $_->{kind}{from} } @programs;
    return count_all(\%pages, @programs) if $opt{instructions};

    start_program($_, \%pages) for @programs;

    for my $program (@programs) {
        check($program, $_) for @pages;
    }

    print header(), "\n", table_head();

    my @samples;

    for my $size (@sizes) {
        my @of_size = measure($size, $pages{$size}, @programs);
        push @samples, @of_size;
        print rows($size, $pages{$size}, \@of_size, @programs);
    }

    print notes(@samples);
    spew($opt{json}, JSON::PP->new->canonical->encode(\@samples))
        if defined $opt{json};
}


# Pages of so many items: those of several users one after the other, none
# twice.  Each has a user of its own, who has watched what those have.

sub make_pages {
    my ($size) = @_;

    my @users = map { JSON::PP::decode_json($_)->{items} } data('seen.ndjson');
    my @recs = data('recs.ndjson');
    my @pages;

    while (@pages < $PAGES) {
        my (@items, @watched, %had, $head);

        while (@items < $size) {
            my $page = shift @recs // die "too few books for $size items\n";
            my ($start, $shelf) = $page =~ /\A(.*"items":\[)(.*)\]\}\z/
                or die "recs.ndjson is not what this expects\n";

            $head //= $start;
            push @watched, @{ shift @users };
            push @items, grep { /\A\{"id":"(\w+)"/ && !$had{$1}++ }
                         split /(?<=\}),(?=\{"id")/, $shelf;
        }

        $#items = $size - 1;
        my $user = "s$size-" . @pages;
        my $body = $head . join(',', @items) . ']}';

        File::Path::make_path("$dir/pages/$size");
        spew("$dir/pages/$size/$user", $body);
        push @pages, { user => $user, body => $body, size => $size,
                       watched => \@watched,
                       path => "/$size/$user?user=$user" };
    }

    return \@pages;
}


sub data {
    my ($name) = @_;

    return split /\n/, slurp("$ROOT/t/data/$name");
}


my %names;

sub fill {
    my ($text, %more) = @_;

    my %known = (%names, %more);
    for (1 .. 3) {
        $text =~ s/%%([A-Z_]+)%%/$known{$1} \/\/ die "%%$1%% is not known\n"/ge;
    }
    return $text;
}


sub start_nginx {
    my ($name, %option) = @_;

    my $nginx = Recs::Nginx->new(
        name => $name, dir => "$dir/$name", module => '', fill => \&fill,
        access_log => 'off', error_level => 'warn', %option);

    push @nginxes, $nginx;
    return $nginx->start;
}


sub start_api {
    %names = (
        ROOT => $ROOT, DIR => $dir, API => free_port(), FILES => $FILES,
        CONNECTIONS => $opt{redis_connections},
    );

    my $api = start_nginx('api', http => $API);
    pin($opt{api_cpu}, $api->{process});
}


sub start_redis {
    my ($pages, @deployments) = @_;

    my $one = $redis{one} = Recs::Redis->new(dir => "$dir/redis", tcp => 1)
                            ->start;
    $names{REDIS} = $opt{redis} eq 'tcp' ? $one->tcp_url : $one->url;

    for my $how (grep { !$redis{$_} } @deployments) {
        $redis{$how} = $how eq 'tls' ? start_tls() : start_cluster();
        $names{uc $how} = $redis{$how}->settings;
    }

    pin($opt{redis_cpu}, $_->{process}) for redis_servers();
    fill_sets($_, @$pages) for values %redis;

    # A file knows no users: all of the first page's have watched the same.
    spew("$dir/watched.txt", join "\n", @{ $pages->[0]{watched} }, '');
}


sub start_tls {
    my $ca = Recs::Certificate->authority("$dir/certificates", 'ca');

    return Recs::Redis->new(
        dir => "$dir/redis-tls", tls => 1, authority => $ca,
        certificate => $ca->issue('redis'))->start;
}


sub start_cluster {
    my $make = sub {
        my (%node) = @_;
        my $class = delete $node{class};
        return $class->new(dir => "$dir/" . delete $node{name}, %node)->start;
    };

    return Recs::RedisCluster->new(name => 'cluster', make => $make);
}


sub redis_servers { return map { $_->masters } values %redis }


sub fill_sets {
    my ($to, @pages) = @_;

    $to->pipeline(map { ['SADD', 'in_stock', $_] } data('in_stock.txt'));

    for my $page (@pages) {
        $to->pipeline(map { ['SADD', "watched:$page->{user}", $_] }
                      @{ $page->{watched} });
    }
}


# The same pages as rows of two snapshots, one in JSON, one in MessagePack.

sub write_rows {
    my (@pages) = @_;

    require Data::MessagePack;
    my $packer = Data::MessagePack->new->canonical->utf8;

    for my $page (@pages) {
        my $packed = $packer->pack(JSON::PP::decode_json($page->{body}));

        $redis{one}->pipeline(
            ['SET', "home:v1:u:$page->{user}", $page->{body}],
            ['SET', "packed:v1:u:$page->{user}", $packed]);
    }

    $redis{one}->pipeline(map { (
        ['HSET', "{$_}:v1:meta", model => 'm', schema => 1, features => 'f',
         generated_at => int time, expected => scalar @pages,
         written => scalar @pages, state => 'complete'],
        ['SET', "{$_}:channel:active", 'v1'],
    ) } qw(home packed));
}


# The first is what the others are divided by.

sub programs {
    my $beside = $opt{beside};
    my %groups = (pass => \@PASS, replica => \@REPLICA);
    my $with = $opt{with} // ($opt{instructions} ? join ',', keys %KINDS : '');
    my %wanted = map { $_ => 1 } 'redis', map { @{ $groups{$_} // [$_] } }
                 split /,/, $with;

    for my $name ($beside, keys %wanted) {
        die "$name is not known\n" if !$KINDS{$name};
    }

    my @builds = ('', @{ $opt{against} });
    my @programs;

    # Whoever builds meanwhile changes nothing here.
    File::Path::make_path("$dir/modules");
    my @copies = map {
        my $from = $builds[$_] || "$ROOT/build/ngx_http_recs_module.so";
        spew("$dir/modules/$_.so", slurp($from));
    } 0 .. $#builds;

    for my $kind ($KINDS{$beside}, grep { $wanted{ $_->{name} }
                                          && $_->{name} ne $beside } @KINDS)
    {
        my $alone = $kind->{name} =~ /\A(?:plain|static)\z/;

        for my $i (0 .. ($alone ? 0 : $#builds)) {
            push @programs, {
                kind => $kind, module => $alone ? undef : $copies[$i],
                build => $i,
                title => $kind->{title} . ($builds[$i] && " ($builds[$i])"),
            };
        }
    }

    return @programs;
}


sub start_program {
    my ($program, $pages) = @_;

    my $kind = $program->{kind};
    my $module = $program->{module} // '';
    my $port = free_port();

    my $http = fill($FRAME, PORT => $port, NGINX_DIR => '%%NGINX_DIR%%',
        STATUS => $module ? 'recs_status;' : 'return 404;',
        DEFINE => $kind->{define} // '',
        LOCATIONS => join '', map {
            my $buffers = $opt{buffers} // buffers_for(@{ $pages->{$_} });
            my ($buffer) = $buffers =~ /(\S+)\z/;
            my $inside = ($kind->{from} // $PROXY) . ($kind->{use} // '');
            fill("location /%%SIZE%%/ { $inside }\n", SIZE => $_,
                 BUFFERS => $buffers, BUFFER => $buffer);
        } @sizes);

    my $name = 'nginx-' . @nginxes;
    my $counter = $opt{instructions} && Recs::Callgrind->new("$dir/$name");
    my $nginx = start_nginx($name, http => $http, module => $module,
                            $counter ? $counter->options : ());
    pin($opt{nginx_cpu}, $nginx->{process});

    @$program{qw(nginx port counter)} = ($nginx, $port, $counter);

    ready($program);
}


# Buffers of which one, a power of two, holds the largest of the pages.

sub buffers_for {
    my (@pages) = @_;

    my $largest = max(map { length $_->{body} } @pages);
    my $k = 4;
    $k *= 2 while $k * 1024 < $largest;
    return "4 ${k}k";
}


# Redis' connections are opened at nginx's start, which does not wait for them,
# nor for a snapshot, nor for a replica.

sub ready {
    my ($program) = @_;

    return if !asks_redis($program);

    Recs::Process::wait_until(sub {
        my $status = recs_status($program);
        my @waiting = (
            grep({ !$_->{adopted} } values %{ $status->{snapshots} }),
            grep({ $_->{replica} && $_->{replica}{state} ne 'following' }
                 values %{ $status->{sets} }));

        return $status->{redis}{main}{ready} && !@waiting;
    }, 60) or die "$program->{title}: Redis, the snapshot or the replica is "
                . "not there\n";
}


sub asks_redis {
    my ($program) = @_;

    return ($program->{kind}{define} // '') =~ /recs_redis/;
}


# Pins all threads of a process and of its children.

sub pin {
    my ($cpu, $process) = @_;

    return if $opt{instructions};

    for my $p ($process->group) {
        system("taskset -a -p -c $cpu $p->{pid} >/dev/null") == 0
            or die "taskset does not work\n";
    }
}


# Is the answer right?  Remembers how many bytes and removed items a page
# means.

sub check {
    my ($program, $page) = @_;

    my $client = Recs::HTTP1->new(port => $program->{port});
    my $r = $client->get($page->{path});
    $client->close;

    my $why = $r->error // ($r->status != 200 ? 'status ' . $r->status
                            : wrong($program, $page, $r));
    die "$program->{title}, $page->{path}: $why\n" if defined $why;

    $program->{expected}{ $page->{path} } = {
        bytes => length $r->raw,
        gone  => length($page->{body}) - length $r->body,
    };
}


sub wrong {
    my ($program, $page, $r) = @_;

    my $kind = $program->{kind}{name};

    if (!filters($program)) {
        return $r->body eq $page->{body} ? undef : 'the body is another';
    }

    my $state = $r->header('Recs-Filter') // 'nothing';
    return "Recs-Filter says $state" if $state !~ /\Afiltered;/;

    my $want = wanted($program->{kind}, $page);
    my $explored = $state =~ /explored=[1-9]/;

    return "it does not explore" if $kind eq 'explore' && !$explored;

    return $explored ? wrong_explored($r->body, $want)
           : $kind =~ /packed/ ? wrong_values($kind, $page, $r->body, $want)
                               : difference($r->body, $want);
}


sub filters {
    my ($program) = @_;

    return ($program->{kind}{use} // '') =~ /recs on/;
}


sub wanted {
    my ($program, $page) = @_;

    my $kind = $program->{name};

    return filter($page->{body}) if $kind =~ /unset/;

    my @watched = $kind eq 'file' ? split /\n/, slurp("$dir/watched.txt")
                                  : @{ $page->{watched} };

    return filter($page->{body},
        require => [in_stock => { map { $_ => 1 } data('in_stock.txt') }],
        $kind eq 'replica-alone' ? ()
            : (exclude => [watched => { map { $_ => 1 } @watched }]),
        $program->{use} =~ /recs_limit/ ? (limit => 20) : ());
}


# Of a page that was MessagePack the bytes are others, not the values.

sub wrong_values {
    my ($kind, $page, $body, $want) = @_;

    my $json = JSON::PP->new->utf8->canonical;
    my $value = $json->decode($page->{body});
    $value->{items} = [map { $json->decode($_) } @{ $want->{items} }];

    my $got = $kind eq 'packed' ? Data::MessagePack->new->utf8->unpack($body)
                                : $json->decode($body);

    return $json->encode($got) eq $json->encode($value)
           ? undef : 'the values are others';
}


# The third is new, and says so.  The last of the others has gone for it if
# there was no room for one more (in builds of the past: always).

sub wrong_explored {
    my ($body, $want) = @_;

    my @want = @{ $want->{items} };
    my @got = @{ filter($body)->{items} // [] };

    my $limit = 20;
    my $past = @got == @want && @want < $limit && @{ $opt{against} };

    pop @want if @want == $limit || $past;
    return scalar(@got) . ' items, not ' . (@want + 1) if @got != @want + 1;

    my ($new) = splice @got, 2, 1;

    return "the third is $new" if $new !~ /"_recs":\{"explore":true/;
    return 'the others are not those that stay' if "@got" ne "@want";
    return;
}


sub measure {
    my ($size, $pages, @programs) = @_;

    my @samples;

    for my $round (1 .. $opt{rounds}) {
        restart($_) for @programs;
        push @samples, map { sample($_, $size, $pages) } @programs;
    }

    # So that the last ones have one of the first on either side.
    push @samples, sample($programs[0], $size, $pages);

    pair(@samples);
    return @samples;
}


# How a process happens to lie in memory and caches can weigh 20%, as long as
# it lives: each round has new ones.

sub restart {
    my ($program) = @_;

    $program->{nginx}->stop;
    $program->{nginx}->start;
    pin($opt{nginx_cpu}, $program->{nginx}{process});
    ready($program);
}


# Again, some times, if something else took part of the CPU.

sub sample {
    my ($program, $size, $pages) = @_;

    my ($best, $tries);

    for (1 .. $ATTEMPTS) {
        my $s = load($program, $pages, $opt{seconds});
        $tries++;
        $best = $s if !$best
                      || $s->{steal} + $s->{foreign}
                         < $best->{steal} + $best->{foreign};
        last if !disturbed($s);
    }

    @$best{qw(title size tries)} = ($program->{title}, $size, $tries);
    return $best;
}


sub disturbed {
    my ($s) = @_;

    return $s->{steal} > $STEAL || $s->{foreign} > $FOREIGN;
}


# Requests for so long, and what they cost.

sub load {
    my ($program, $pages, $seconds) = @_;

    my $before = counters($program);
    my %cpu = cpu($program);
    my $start = time;

    my $wrk = run_wrk($program, $pages, $seconds);

    my $end = time;
    my %now = cpu($program);
    my $after = counters($program);

    $cpu{$_} = $now{$_} - $cpu{$_} for keys %cpu;

    # Asking for counters takes requests, too.
    my $requests = $after->{requests} - $before->{requests}
                   - ($program->{module} ? 2 : 1);

    check_load($program, $pages, $wrk, $requests);
    check_states($program, $requests, $before->{states}, $after->{states})
        if $program->{module};

    return {
        when     => ($start + $end) / 2,
        requests => $requests,
        nginx    => $cpu{nginx} / $requests * 1000,
        redis    => $cpu{redis} / $requests * 1000,
        steal    => $cpu{steal} / ($cpu{total} || 1),
        foreign  => max(0, $cpu{busy} - $cpu{ours}) / ($cpu{total} || 1),
    };
}


sub counters {
    my ($program) = @_;

    my $states = $program->{module} ? recs_status($program)->{responses}
                                    : undef;
    my ($requests) = status($program, '/requests')
                     =~ /requests\s+\d+\s+\d+\s+(\d+)/;

    return { requests => $requests, states => $states };
}


# CPU seconds so far: of the program, of Redis, of all that is ours; and what
# the CPUs of the first two say of themselves.

sub cpu {
    my ($program) = @_;

    my @redis = map { $_->{process} } $redis{ $program->{kind}{redis} // 'one' }
                                      ->masters;
    my @ours = map { $_->{process} } redis_servers(), @nginxes;

    return (
        nginx => cpu_seconds($program->{nginx}{process}),
        redis => sum0(map { cpu_seconds($_) } @redis),
        ours  => sum0((times)[2, 3], map { cpu_seconds($_) } @ours),
        busy_seconds(),
    );
}


sub status {
    my ($program, $path) = @_;

    my $client = Recs::HTTP1->new(
        path => "$program->{nginx}{dir}/status.sock");
    my $r = $client->get($path, Connection => 'close');
    $client->close;

    die "$program->{title}: $path: " . ($r->error // $r->status) . "\n"
        if $r->error || $r->status != 200;
    return $r->body;
}


sub recs_status {
    my ($program) = @_;

    return JSON::PP::decode_json(status($program, '/recs'));
}


# All threads of all the processes that it consists of.

sub cpu_seconds {
    my ($process) = @_;

    my $ns = 0;

    for my $p ($process->group) {
        for my $file (glob "/proc/$p->{pid}/task/*/schedstat") {
            $ns += (split ' ', slurp($file))[0];
        }
    }

    return $ns / 1e9;
}


sub cpu_times {
    return map {
        my ($cpu, @t) = /\Acpu(\d+) (.+)/ ? ($1, split ' ', $2) : ();
        defined $cpu ? { cpu => $cpu, times => \@t } : ();
    } split /\n/, slurp('/proc/stat');
}


# Of the CPUs of nginx and Redis together; the unit is 10 ms everywhere.

sub busy_seconds {
    my %sum = (total => 0, busy => 0, steal => 0);

    for my $c (grep { $measured_cpus{ $_->{cpu} } } cpu_times()) {
        my ($user, $nice, $system, $idle, $wait, $irq, $soft, $steal)
            = map { $_ / 100 } @{ $c->{times} };

        $sum{busy} += $user + $nice + $system + $irq + $soft;
        $sum{steal} += $steal;
        $sum{total} += $user + $nice + $system + $idle + $wait + $irq + $soft
                       + $steal;
    }

    return %sum;
}


sub run_wrk {
    my ($program, $pages, $seconds) = @_;

    my $paths = join ', ', map { qq("$_->{path}") } @$pages;
    my $script = spew("$dir/load.lua", <<"END");
local paths = { $paths }
local requests = {}
local n = 0

function init()
    for i, path in ipairs(paths) do
        requests[i] = wrk.format("GET", path)
    end
end

function request()
    n = n % #requests + 1
    return requests[n]
end

function done(summary)
    local e = summary.errors
    print("requests=" .. summary.requests .. " bytes=" .. summary.bytes
          .. " errors=" .. e.connect + e.read + e.write + e.status + e.timeout)
end
END

    my $output = "$dir/load.out";
    unlink $output;

    my $p = Recs::Process->spawn(
        output => $output,
        command => ['taskset', '-c', $opt{load_cpu}, 'wrk', '-t1',
                    "-c$opt{connections}", '-d' . $seconds . 's',
                    '-s', $script, "http://127.0.0.1:$program->{port}"]);

    sleep $seconds;
    my $status = $p->wait(30);
    $p->stop('KILL') if !defined $status;

    my $text = slurp($output);
    $text =~ /requests=(\d+) bytes=(\d+) errors=(\d+)/
        or die "wrk failed:\n$text";
    return { requests => $1, bytes => $2, errors => $3 };
}


# Was all that was answered under load answered as before?

sub check_load {
    my ($program, $pages, $wrk, $requests) = @_;

    my $title = $program->{title};
    die "$title: wrk had $wrk->{errors} errors\n" if $wrk->{errors};

    # Those that were under way at the end are not in wrk's count.
    my $more = $requests - $wrk->{requests};
    die "$title: nginx counts $requests requests, wrk $wrk->{requests}\n"
        if $more < 0 || $more > 2 * $opt{connections};

    my @expected = @{ $program->{expected} }{ map { $_->{path} } @$pages };
    my $mean = sum0(map { $_->{bytes} } @expected) / @expected;
    my $gone = sum0(map { $_->{gone} } @expected) / @expected;
    my $bytes = $wrk->{bytes} / $wrk->{requests};
    my $margin = abs($gone) / 4 || $mean / 50;

    # What had come of the unfinished ones is in wrk's bytes.
    $margin += 2 * $opt{connections} * $mean / $wrk->{requests};

    die sprintf "%s: answers have %.0f bytes, not %.0f\n", $title, $bytes, $mean
        if abs($bytes - $mean) > $margin;
}


sub check_states {
    my ($program, $requests, $before, $after) = @_;

    for my $state (sort keys %$after) {
        my $n = $after->{$state} - $before->{$state};
        my $expected = $state eq 'filtered' && filters($program);
        my $most = $expected ? $requests : 0;
        my $least = $expected ? $requests - 2 * $opt{connections} : 0;

        die "$program->{title}: $n of $requests responses were $state\n"
            if $n < $least || $n > $most;
    }
}


# Each sample with the one of plain, or what is in its place, that is nearest
# in time.

sub pair {
    my (@samples) = @_;

    my $title = $KINDS{ $opt{beside} }{title};
    my @plain = grep { $_->{title} eq $title } @samples;

    for my $s (@samples) {
        my ($near) = sort { abs($a->{when} - $s->{when})
                            <=> abs($b->{when} - $s->{when}) } @plain;
        $s->{ratio} = $s->{nginx} / $near->{nginx};
        $s->{ratio_all} = ($s->{nginx} + $s->{redis}) / $near->{nginx};
    }
}


# Instructions per request: one program after the other, each at all sizes.

sub count_all {
    my ($pages, @programs) = @_;

    for my $program (@programs) {
        start_program($program, $pages);
        check($program, $_) for map { @{ $pages->{$_} } } @sizes;

        $program->{counts}{$_} = [count($program, $pages->{$_})] for @sizes;
        $program->{nginx}->stop;
    }

    print count_header(), "\n", count_table($pages, @programs);
    spew($opt{json}, JSON::PP->new->canonical->encode([
        map { +{ title => $_->{title}, counts => $_->{counts} } } @programs
    ])) if defined $opt{json};
}


# Of each round.  One connection for all, one request at a time: what comes with
# what in one turn of the event loop is no matter of luck.

sub count {
    my ($program, $pages) = @_;

    # What nginx does from time to time counts for little among many requests.
    my $requests = max($opt{requests}, int(4000 / $pages->[0]{size}));
    my @targets = map { $pages->[$_ % @$pages]{path} } 1 .. $requests;
    my $client = Recs::HTTP1->new(port => $program->{port});
    my @counts;

    ask($program, $client, $_) for @targets;

    for my $round (1 .. $opt{rounds}) {
        $program->{counter}->begin($program->{nginx}->master);
        ask($program, $client, $_) for @targets;
        push @counts, $program->{counter}->end / @targets;
    }

    $client->close;
    return @counts;
}


sub ask {
    my ($program, $client, $target) = @_;

    my $r = $client->get($target);
    my $state = $r->header('Recs-Filter') // 'nothing';
    my $want = filters($program) ? qr/\Afiltered;/ : qr/\Anothing\z/;

    die "$program->{title}, $target: ", $r->error // $r->status,
        ", Recs-Filter says $state\n"
        if $r->error || $r->status != 200 || $state !~ $want;
}


sub count_header {
    my ($version) = `/usr/sbin/nginx -v 2>&1` =~ m{nginx/([\d.]+)};
    my ($valgrind) = `valgrind --version` =~ /valgrind-(\S+)/;

    return sprintf "nginx %s (one process), callgrind %s; medians of %d rounds "
        . "of at least %d requests, one at a time.\n",
        $version // '?', $valgrind // '?', $opt{rounds}, $opt{requests};
}


# A row a program; with --against a ratio for each other build, and then the
# rows that are dearer than they were.

sub count_table {
    my ($pages, @programs) = @_;

    my @others = @{ $opt{against} };
    my $table = "Thousands of instructions per request:\n\n"
        . '| items (bytes) | program | nginx (min–max) |'
        . join('', map { " $_ | × that |" } @others) . "\n"
        . '|---' x (3 + 2 * @others) . "|\n";
    my @dearer;

    for my $size (@sizes) {
        my $page = $pages->{$size};
        my $bytes = sum0(map { length $_->{body} } @$page) / @$page;

        for my $program (grep { !$_->{build} } @programs) {
            my $now = median(@{ $program->{counts}{$size} });
            my @builds = grep { $_->{kind} == $program->{kind}
                                && $_->{build} } @programs;

            $table .= sprintf '| %d (%.0f) | %s | %.1f (%.1f–%.1f) |', $size,
                $bytes, $program->{title}, $now / 1000,
                map { $_ / 1000 } min(@{ $program->{counts}{$size} }),
                                  max(@{ $program->{counts}{$size} });

            for my $build (@builds) {
                my $was = median(@{ $build->{counts}{$size} });
                $table .= sprintf ' %.1f | %.3f |', $was / 1000, $now / $was;
                push @dearer, sprintf "%d items, %s: %+.1f%%\n", $size,
                    $build->{title}, 100 * ($now / $was - 1)
                    if $now / $was > 1 + $DEARER;
            }

            $table .= ' | |' x (@others - @builds) . "\n";
        }
    }

    $table .= sprintf "\nDearer by over %d%%: %s\n", 100 * $DEARER,
        @dearer ? "\n\n" . join '', map { "- $_" } @dearer : 'none.'
        if @others;
    return $table;
}


sub median {
    my @sorted = sort { $a <=> $b } @_;

    my $half = int(@sorted / 2);
    return @sorted % 2 ? $sorted[$half]
                       : ($sorted[$half - 1] + $sorted[$half]) / 2;
}


sub header {
    my ($version) = `/usr/sbin/nginx -v 2>&1` =~ m{nginx/([\d.]+)};
    my ($redis_version) = `redis-server --version` =~ /v=([\d.]+)/;
    my ($model) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)/m;
    my $where = join ', ', map { "$_ on $opt{\"${_}_cpu\"}" }
                           qw(nginx redis api load);
    my %places = map { $opt{"${_}_cpu"} => 1 } qw(nginx redis api load);
    $where = "everything on CPU $opt{cpu}" if keys %places == 1;

    return sprintf "nginx %s (one worker), Redis %s (%s, %d connection%s); "
        . "%d CPUs (%s), %s; %d requests under way; medians of %d × %d s.\n",
        $version // '?', $redis_version // '?',
        $opt{redis} eq 'tcp' ? 'TCP' : 'unix socket',
        $opt{redis_connections}, $opt{redis_connections} == 1 ? '' : 's',
        scalar @cpus, $model // '?', $where, $opt{connections}, $opt{rounds},
        $opt{seconds};
}


sub table_head {
    my $beside = $opt{beside};

    my @columns = ('items (bytes)', 'program', 'nginx',
                   "× $beside (min–max)", 'Redis', "both, × $beside");

    return "CPU seconds per 1000 requests:\n\n"
        . '| ' . join(' | ', @columns) . " |\n"
        . '|---' x @columns . "|\n";
}


sub rows {
    my ($size, $pages, $samples, @programs) = @_;

    my $bytes = sum0(map { length $_->{body} } @$pages) / @$pages;
    my $rows = '';

    for my $program (@programs) {
        my @s = grep { $_->{title} eq $program->{title} } @$samples;
        my %m = map { my $k = $_; $k => median(map { $_->{$k} } @s) }
                qw(nginx redis ratio ratio_all);
        my @ratios = sort { $a <=> $b } map { $_->{ratio} } @s;
        my $asks = asks_redis($program);

        $rows .= sprintf "| %d (%.0f) | %s | %.4f | %s | %s | %s |\n",
            $size, $bytes, $program->{title}, $m{nginx},
            $program == $programs[0]
                ? 1 : sprintf('%.2f (%.2f–%.2f)', $m{ratio}, @ratios[0, -1]),
            $asks ? sprintf('%.4f', $m{redis}) : '',
            $asks ? sprintf('%.2f', $m{ratio_all}) : '';
    }

    return $rows;
}


sub notes {
    my (@samples) = @_;

    my $repeated = grep { $_->{tries} > 1 } @samples;
    my $left = grep { disturbed($_) } @samples;

    return sprintf "\n%d samples; %d were repeated because other work took "
        . "more than %d%% of the CPU (or the host %d%%), "
        . "%d stayed disturbed.\n",
        scalar @samples, $repeated, $FOREIGN * 100, $STEAL * 100, $left;
}
