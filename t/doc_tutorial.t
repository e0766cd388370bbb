use strict;
use warnings;

# Every command in docs/tutorial.md works, and prints what is shown there: on a
# machine of its own, whose /etc/nginx, /var/log/nginx and ports are others.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok shown);
use Recs::Mode;
use Recs::Test;

my $t = Recs::Test->new;
my $dir = $t->dir;

$t->redis(tcp => 1);

mkdir "$dir/etc" or die "$dir/etc: $!\n";
mkdir "$dir/etc/conf.d" or die "$dir/etc/conf.d: $!\n";
mkdir "$dir/log" or die "$dir/log: $!\n";

# A loaded machine's Redis may be late, and still is when it stands still.

my $nginx = $t->nginx(daemon => 1, http => <<'HTTP');
recs_lookup_timeout 800ms;
include %%TESTDIR%%/etc/conf.d/*.conf;
HTTP

my %env = Recs::Mode::environment('-t');
my $test = join ' ', 'env', map { "'$_'" }
           (map { "$_=$env{$_}" } sort keys %env), $nginx->arguments;
my $conf = $nginx->{dir} . '/nginx.conf';

document_ok($t, 'docs/tutorial.md', \&shown,
    places => {
        '127.0.0.1:8080'        => '127.0.0.1:' . $t->port('EDGE'),
        '127.0.0.1:9000'        => '127.0.0.1:' . $t->port('API'),
        '/etc/nginx/nginx.conf' => $conf,
        '/etc/nginx'            => "$dir/etc",
        '/var/log/nginx'        => "$dir/log",
    },
    scripts => {
        curl  => "exec /usr/bin/curl \"\$@\"",
        nginx => "exec $test \"\$@\"",

        # As the system does it, and waits until the old workers have gone.
        systemctl => <<"END",
[ "\$*" = "reload nginx" ] || exit 1
master=\$(cat '$nginx->{dir}/nginx.pid')
old=\$(grep -l "^PPid:[[:space:]]*\$master\$" /proc/[0-9]*/status 2>/dev/null \\
      | cut -d / -f 3)
[ "\$old" ] && kill -HUP "\$master" || exit 1
for n in \$(seq 600); do
    kill -0 \$old 2>/dev/null || exit 0
    sleep 0.05
done
exit 1
END
    });

$t->done;
