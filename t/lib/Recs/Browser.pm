package Recs::Browser;

=head1 NAME

Recs::Browser - a page in a headless Chromium, if there is one

=head1 SYNOPSIS

    my $browser = Recs::Browser->new or skip 'chromium is missing', 1;

    $browser->open("http://127.0.0.1:$port/", width => 390, dark => 1);
    $browser->eval('document.title');       # of JSON's types
    $browser->key('Tab');
    $browser->shot('/tmp/a.png');           # the whole page
    $browser->complaints;                   # of its console

It is spoken to by the DevTools protocol over a pipe: messages of JSON, each
followed by a zero byte.

=cut

use strict;
use warnings;

use File::Temp ();
use IO::Handle ();
use IO::Select ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX ();
use Recs::Process ();

my $JSON = JSON::PP->new->utf8->allow_nonref;


# undef: there is none, or it doesn't start

sub new {
    my ($class) = @_;

    my ($program) = grep { -x } map { ("$_/chromium", "$_/chromium-browser",
                                       "$_/google-chrome") }
                    split /:/, $ENV{PATH};

    return if !$program;

    pipe my $his_in, my $out or die "pipe: $!";
    pipe my $in, my $his_out or die "pipe: $!";

    my $self = bless { dir => File::Temp->newdir, in => $in, out => $out,
                       id => 0, buffer => '', complaints => [] }, $class;

    $self->{process} = Recs::Process->fork(sub {
        my ($r, $w) = (POSIX::dup(fileno $his_in), POSIX::dup(fileno $his_out));

        POSIX::dup2($r, 3);
        POSIX::dup2($w, 4);
        open STDERR, '>', '/dev/null';

        # what Perl opened is closed by exec(), these two are not

        no warnings 'exec';
        exec $program, '--headless=new', '--no-sandbox', '--disable-gpu',
            '--disable-dev-shm-usage', '--no-first-run',
            '--remote-debugging-pipe', "--user-data-dir=$self->{dir}/profile",
            'about:blank';
        POSIX::_exit(127);
    }, keep => [$his_in, $his_out], name => 'chromium');

    close $his_in;
    close $his_out;
    $out->autoflush(1);

    my $started = eval {
        my $target = $self->call('Target.createTarget', url => 'about:blank');
        $self->{session} = $self->call('Target.attachToTarget',
            targetId => $target->{targetId}, flatten => JSON::PP::true)
            ->{sessionId};
        $self->call("$_.enable") for 'Page', 'Runtime', 'Log';
        1;
    };

    return $started ? $self : undef;
}


# Waits until the page is loaded.

sub open {
    my ($self, $url, %o) = @_;

    $self->call('Emulation.setDeviceMetricsOverride',
                width => $o{width} || 1440, height => $o{height} || 900,
                deviceScaleFactor => 1, mobile => JSON::PP::false);
    $self->call('Emulation.setEmulatedMedia', features => [
        { name => 'prefers-color-scheme',
          value => $o{dark} ? 'dark' : 'light' },
    ]);

    $self->{loaded} = 0;
    $self->call('Page.navigate', url => $url);
    $self->message while !$self->{loaded};

    return;
}


sub eval {
    my ($self, $code) = @_;

    my $r = $self->call('Runtime.evaluate', expression => $code,
                        returnByValue => JSON::PP::true,
                        awaitPromise => JSON::PP::true);

    die "$code: $r->{exceptionDetails}{text}" if $r->{exceptionDetails};
    return $r->{result}{value};
}


sub key {
    my ($self, $key) = @_;

    my %code = (Tab => 9, Enter => 13);

    $self->call('Input.dispatchKeyEvent', type => $_, key => $key,
                code => $key, windowsVirtualKeyCode => $code{$key},
                $key eq 'Enter' && $_ eq 'keyDown' ? (text => "\r") : ())
        for 'keyDown', 'keyUp';

    return;
}


sub shot {
    my ($self, $path) = @_;

    my $r = $self->call('Page.captureScreenshot', format => 'png',
                        captureBeyondViewport => JSON::PP::true);

    CORE::open my $fh, '>:raw', $path or die "$path: $!";
    print $fh decode_base64($r->{data});
    close $fh or die "$path: $!";

    return;
}


sub complaints { return @{ $_[0]{complaints} } }


sub call {
    my ($self, $method, %params) = @_;

    my $id = ++$self->{id};

    print { $self->{out} } $JSON->encode({
        id => $id, method => $method, params => \%params,
        $self->{session} ? (sessionId => $self->{session}) : (),
    }), "\0";

    while (1) {
        my $message = $self->message;
        next if ($message->{id} || 0) != $id;

        die "$method: $message->{error}{message}" if $message->{error};
        return $message->{result};
    }
}


# The next message; events are noted.

sub message {
    my ($self) = @_;

    my $until = time + 60;
    my $len;

    while (($len = index $self->{buffer}, "\0") < 0) {
        die 'the browser says nothing'
            if !IO::Select->new($self->{in})->can_read($until - time);

        sysread $self->{in}, $self->{buffer}, 65536, length $self->{buffer}
            or die 'the browser is gone';
    }

    my $message = $JSON->decode(substr $self->{buffer}, 0, $len);
    substr $self->{buffer}, 0, $len + 1, '';

    my $method = $message->{method} || '';
    my $params = $message->{params};

    $self->{loaded} = 1 if $method eq 'Page.loadEventFired';

    push @{ $self->{complaints} }, $params->{entry}{text}
        if $method eq 'Log.entryAdded' && $params->{entry}{level} eq 'error';
    push @{ $self->{complaints} }, $params->{exceptionDetails}{text}
        if $method eq 'Runtime.exceptionThrown';

    return $message;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $@);

    $self->{process}->stop if $self->{process};

    return;
}


1;
