use strict;
use warnings;

# Passwords that change while nginx runs, as tokens of managed services do: the
# file is read again when it has changed, and AUTH is sent again before a
# password ends.  None is ever in the log, or stays in memory.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Process qw(spew);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;

my @password = map { "pass-$_-" . 'q' x 40 . int 1e8 + rand 1e8 } 0 .. 3;
my @users = qw(app token);

$redis->cmd('SADD', 'seen', 'a');
allow($_, $password[0]) for @users;
write_password($_, $password[0]) for @users;

my $page = '{"items":[{"id":"a"},{"id":"b"}]}';

my $nginx = $t->nginx(reloads => 0, http => <<"HTTP");
recs_redis app {
    server %%REDIS%%;
    auth user=app password_file=%%TESTDIR%%/app.password;
    timeout 60s;
}
recs_redis token {
    server %%REDIS%%;
    protocol 2;
    auth user=token password_file=%%TESTDIR%%/token.password refresh=300ms;
    timeout 60s;
}
recs_set app redis=app key=seen absent=empty;
recs_set token redis=token key=seen absent=empty;
recs_snapshots home redis=token prefix=home;

recs on;
default_type application/json;
recs_lookup_timeout 10s;

server {
    listen %%LISTEN%%;
    location = /app { recs_exclude app; return 200 '$page'; }
    location = /token { recs_exclude token; return 200 '$page'; }
    location = /status { recs off; recs_status; }
}
HTTP

sub allow {
    my ($user, @passwords) = @_;
    $redis->cmd('ACL', 'SETUSER', $user, 'on', 'resetpass', '~*', '&*', '+@all',
                map { ">$_" } @passwords);
}

sub write_password {
    my ($user, $password) = @_;

    chmod 0644, $t->write("$user.password.new", "$password\n");
    rename $t->dir . "/$user.password.new", $t->dir . "/$user.password"
        or die "rename: $!";
}

sub filtered {
    my ($user) = @_;
    return $t->get("/$user")->body eq '{"items":[{"id":"b"}]}';
}

sub logged { return $nginx->logged(qr/recs_redis "$_[0]".*$_[1]/) }

# Connections of a user end, and are opened anew: by another id.
sub hang_up { $redis->cmd('CLIENT', 'KILL', 'USER', $_[0]) }

sub clients {
    my ($user, $kind) = @_;
    return map { /^id=(\d+) /m } grep { / user=\Q$user\E / }
           split /\n/, $redis->cmd('CLIENT', 'LIST', 'TYPE', $kind);
}


subtest 'a password that was rotated' => sub {
    ok wait_until(sub { filtered('app') }), 'the first one';

    allow('app', $password[1]);
    hang_up('app');
    ok wait_until(sub { logged('app', 'Redis refused the user or the') }),
        'it does not hold any more';

    write_password('app', $password[1]);
    ok wait_until(sub { filtered('app') }), 'the next one is read';

    my $dir = $t->dir;
    allow('app', $password[2]);
    hang_up('app');
    open my $file, '+<', "$dir/app.password" or die "app.password: $!";
    print $file $password[2];
    close $file;
    ok wait_until(sub { filtered('app') }), 'also if it is written in place';
};


subtest 'a file that is of no use' => sub {
    my $file = $t->dir . '/app.password';

    for my $case (['is not there', sub { unlink $file }],
                  ['can.t be read',
                   sub { spew($file, 'x'); chmod 0600, $file }],
                  ['its first line is no password', sub { spew($file, "\n");
                                                          chmod 0644, $file }],
                  ['its first line is no', sub { spew($file, 'x' x 20_000) }]) {
        my ($says, $spoil) = @$case;

        if ($says =~ /read/ && $> != 0) {
            next;
        }

        my $lines = logged('app', $says);
        my $well = logged('app', 'is well again');
        $spoil->();

        for (1 .. 2) {
            my $id;
            wait_until(sub { ($id) = clients('app', 'normal') });
            hang_up('app');
            ok wait_until(sub {
                filtered('app')
                && ((clients('app', 'normal'))[0] // $id) ne $id
            }), 'the last one goes on being used';
        }

        is logged('app', $says), $lines + 1, "one line: $says";

        write_password('app', $password[2]);
        hang_up('app');
        ok wait_until(sub { logged('app', 'is well again') == $well + 1 }),
            'and one when it is over';
    }
};


subtest 'AUTH before a token ends' => sub {
    ok wait_until(sub { filtered('token') }), 'one connection';
    ok wait_until(sub { clients('token', 'pubsub') }), 'one that listens';

    my ($listener) = clients('token', 'pubsub');
    my @before = clients('token', 'normal');
    my $calls = $redis->calls('auth');

    ok wait_until(sub { $redis->calls('auth') > $calls + 5 }), 'it is repeated';
    ok wait_until(sub {
        my ($now) = clients('token', 'pubsub');
        defined $now && $now ne $listener;
    }), 'what listens is opened anew';

    allow('token', $password[3]);
    ok wait_until(sub { logged('token', 'AUTH was refused') }), 'a line';
    ok filtered('token'), 'a connection that is open stays';

    # The listener's may be opened again by now.
    my %still = map { $_ => 1 } clients('token', 'normal');
    is_deeply [grep { !$still{$_} } @before], [], 'likewise';

    write_password('token', $password[3]);
    ok wait_until(sub { logged('token', 'AUTH is accepted again') }),
        'until there is another one';
    is logged('token', 'AUTH was refused'), 1, 'one line, not more';
    ok filtered('token'), 'as before';
};


subtest 'what is left of passwords' => sub {
    unlike $nginx->error_log, qr/pass-\d-/, 'nothing in the log';

    plan skip_all => 'memory is not ours to read'
        if $> != 0 || Recs::Mode::asan() || Recs::Mode::valgrind();

    my ($worker) = $nginx->workers;
    my $memory = memory($worker);

    like $memory, qr/\Q$password[3]\E/, 'the last one is in memory';
    unlike $memory, qr/\Q$password[$_]\E/, "number $_ is not" for 1, 0;
};


# What a process may write to.
sub memory {
    my ($pid) = @_;

    open my $maps, '<', "/proc/$pid/maps" or die "maps: $!";
    open my $mem, '<:raw', "/proc/$pid/mem" or die "mem: $!";
    my $all = '';

    while (<$maps>) {
        my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) rw-p / or next;
        no warnings 'portable';     # of more than 32 bits
        sysseek $mem, hex $from, 0;
        my $left = hex($to) - hex $from;

        while ($left > 0) {
            my $n = sysread $mem, my $bytes, $left < 65536 ? $left : 65536;
            last if !$n;
            $all .= $bytes;
            $left -= $n;
        }
    }

    return $all;
}


$t->done;
