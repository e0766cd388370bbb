use strict;
use warnings;

# What packages are made of is in step with the rest: one version everywhere,
# files that debian/ and the Dockerfile name, man pages, shell scripts, and
# conf/recs.conf as it stands.  The packages themselves are built and installed
# by tools/package.sh --test, which takes longer (docs/development.md).

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use Recs::Process qw(run slurp spew);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $root = $t->root;

my ($version) = slurp("$root/src/http/tell/ngx_http_recs_version.h")
                =~ /^#define NGX_HTTP_RECS_VERSION +"(\d+\.\d+\.\d+)"$/m;
isnt $version, undef, 'the header has a version' or BAIL_OUT('no version');


subtest 'one version' => sub {
    my ($changes) = slurp("$root/CHANGELOG.md") =~ /^## (\S+)/m;
    is $changes, $version, 'CHANGELOG.md begins with it';

    my ($source, $debian, $revision) = slurp("$root/debian/changelog")
        =~ /\A(\S+) \(([^)-]+)-(\d+)\) /;
    is $debian, $version, 'so does debian/changelog';
    is $source, 'libnginx-mod-http-recs', 'of this source package';
    like $revision, qr/^[1-9]\d*$/, 'with a revision';
};


subtest 'the log says which module this is' => sub {
    my $redis = $t->redis(kind => 'plain');      # as the file says
    $redis->cmd('SADD', 'in_stock', 'b1', 'b3');

    $t->upstream('{"items":[{"id":"b1"},{"id":"b2"},{"id":"b3"}]}',
                 name => 'api');

    # conf/recs.conf as it stands, but for addresses and paths.

    my $conf = slurp("$root/conf/recs.conf");
    my %places = (
        '127.0.0.1:8080'         => '%%LISTEN%%',
        '127.0.0.1:9000'         => '%%API%%',
        'redis://127.0.0.1:6379' => '%%REDIS%%',
        '/var/log/nginx'         => '%%NGINX_DIR%%',
        'lookup_timeout 15ms'    => 'lookup_timeout 10s',
    );
    for my $place (keys %places) {
        $conf =~ s/\Q$place\E(?!\d)/$places{$place}/g
            or die "conf/recs.conf has no $place\n";
    }

    my $nginx = $t->nginx(http => $conf, reloads => 0);
    my $line = qr/\[notice\] .*: ngx_http_recs_module \Q$version\E /;

    is $nginx->logged($line), 1, 'at the start';
    $nginx->reload;
    is $nginx->logged($line), 2, 'and at a reload';
    is $nginx->logged(qr/$line\(build [\w.+~:-]+, for \w+\/[\d.]+\)$/), 2,
        'with its build, and the nginx that it was built for';

    my $r = $t->get('/recommendations?user=u1');
    is $r->body, '{"items":[{"id":"b1"},{"id":"b3"}]}', 'a page is filtered';
    like $r->header('Recs-Sets'), qr/^in_stock;removed=1, seen;/, 'by both';

    my $record = qr/"user":"u1"/;
    ok wait_until(sub {
        grep { /$record/ } $nginx->access_log(0, 'exposure.log')
    }), 'and recorded';

    is $t->get('/recs_ready')->body, "ready\n", 'ready';
    is $t->get('/recs_status')->status, 200, 'status';
};


subtest 'examples are where Debian\'s nginx is' => sub {
    for my $file (glob "$root/conf/*.conf") {
        my $conf = slurp($file) =~ s/^\s*#.*//mgr;
        my $name = $file =~ s{.*/}{}r;

        is_deeply [grep { !m{^/var/(?:log|lib)/nginx/} }
                   $conf =~ m{(/var/[^\s;]*)}g],
            [], "$name: its directories under /var are there";

        my @files = $conf =~ /^\s*recs_pool .*\bfile=([^\s;\/]+)/mg;
        ok -e "$root/conf/$_", "$name: conf/$_ is there" for @files;

        unlike $conf, qr{/(?!nginx\b)[\w.]*nginx/(?:logs|cache)},
            "$name: no directory of another nginx";
    }
};


subtest 'debian/ names what is there' => sub {
    my @lists = grep { /\.(?:install|docs|examples)\z/ }
                glob "$root/debian/*";
    cmp_ok scalar @lists, '>=', 4, 'lists';

    for my $list (@lists) {
        my $name = $list =~ s{.*/}{}r;
        my @wanted = map { (split)[0] } grep { /\S/ } split /\n/, slurp($list);

        # What is built stands in usr/, debian/bin and debian/man.
        my @missing = grep { !grep { -e } glob "$root/$_" }
                      grep { !m{^(?:usr|debian/(?:bin|man))/} } @wanted;
        is_deeply \@missing, [], $name;
    }

    my %packages = map { $_ => 1 }
                   slurp("$root/debian/control") =~ /^Package: (\S+)/mg;
    for my $file (glob "$root/debian/*.*") {
        my ($package) = $file =~ m{.*/(.+)\.\w+\z};
        ok $packages{$package}, "$file is of a package";
    }

    for my $file (glob("$root/debian/*.post*"), glob("$root/tools/*.sh"),
                  glob("$root/t/package/*.sh"))
    {
        my ($status, $said) = run('sh', '-n', $file);
        is "$status $said", '0 ', "sh -n $file";
    }
};


subtest 'man pages' => sub {
    my @programs = grep { !/\./ } map { s{.*/}{}r } glob "$root/tools/*";
    cmp_ok scalar @programs, '>=', 2, 'programs';

    my ($status, $man) = run('sh', '-c', 'command -v man');

    for my $page ('ngx_http_recs_module.7', map { "recs-$_.1" } @programs) {
        my ($code, $text) = run('perl', "$root/tools/man.pl", $page);
        is $code, 0, $page or next;
        like $text, qr/^\.TH .*\Q$version\E"$/m, "$page: version";

        SKIP: {
            skip 'no man', 1 if $status != 0;
            spew($t->dir . "/$page", $text);
            my (undef, $said) = run('sh', '-c',
                'LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings'
                . " -E UTF-8 -l -Tutf8 -Z $t->{dir}/$page 2>&1 >/dev/null");
            is $said, '', "$page: roff takes it";
        }
    }

    my (undef, $text) = run('perl', "$root/tools/man.pl",
                            'ngx_http_recs_module.7');
    my @directives = slurp("$root/src/http/conf/ngx_http_recs_directives.c")
                     =~ /ngx_string\("(recs\w*)"\)/g;
    cmp_ok scalar @directives, '>', 30, 'directives';
    my %headings = map { $_ => 1 } map { split /, / } $text =~ /^\.SS (.*)/mg;
    is_deeply [grep { !$headings{$_} } @directives], [],
        'all directives have an entry';
};


subtest 'conf/systemd' => sub {
    my ($status) = run('sh', '-c', 'command -v systemd-analyze');
    plan skip_all => 'no systemd-analyze' if $status != 0;

    my $dir = $t->dir . '/units';
    my $verify = sub {
        my ($text) = @_;

        spew("$dir/nginx.service.d/recs.conf", $text);
        return (run('sh', '-c', "SYSTEMD_UNIT_PATH=$dir: systemd-analyze"
                    . " verify $dir/nginx.service 2>&1"
                    . ' | grep nginx.service.d'))[1];
    };

    make_path("$dir/nginx.service.d");
    spew("$dir/nginx.service", "[Service]\nExecStart=/bin/true\n");

    my $text = slurp("$root/conf/systemd");
    is $verify->($text), '', 'systemd knows all of it';
    like $verify->("${text}Unknown=1\n"), qr/Unknown/, 'and else says so';
};


# What docker would say of it: that is not here to be asked.

subtest 'Dockerfile' => sub {
    my $text = slurp("$root/Dockerfile") =~ s/^#.*\n//mgr =~ s/\\\n/ /gr;
    my (@stages, $user);

    for my $line (grep { /\S/ } split /\n/, $text) {
        my ($word, $rest) = $line =~ /^(\w+)\s+(.*)/ or fail($line), next;

        if ($word eq 'FROM') {
            push @stages, $rest =~ /\bAS (\w+)$/ ? $1 : '';
            undef $user;

        } elsif ($word eq 'COPY') {
            my ($from) = $rest =~ s/^--from=(\w+)\s+// ? $1 : undef;
            my @paths = split ' ', $rest;
            pop @paths;
            ok((grep { $_ eq $from } @stages), "a stage $from"), next
                if defined $from;
            ok -e "$root/$_", "COPY $_" for @paths;

        } elsif ($word eq 'RUN') {
            my ($status, $said) = run('sh', '-nc', $rest);
            is "$status $said", '0 ', "RUN $rest";

        } elsif ($word =~ /^(?:CMD|ENTRYPOINT)$/) {
            ok eval { ref decode_json($rest) eq 'ARRAY' }, $line;

        } else {
            like $word, qr/^(?:USER|EXPOSE|WORKDIR|STOPSIGNAL|LABEL|ENV)$/,
                $line;
            $user = $rest if $word eq 'USER';
        }
    }

    cmp_ok scalar @stages, '>=', 2, 'stages';
    isnt $user // 'root', 'root', 'who runs it';
};


$t->done;
