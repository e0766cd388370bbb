package Recs::HTTP2;

=head1 NAME

Recs::HTTP2 - an HTTP/2 client (prior knowledge, without TLS)

=head1 SYNOPSIS

    my $c = Recs::HTTP2->new(port => $port);    # listen ... http2

    my $r = $c->get('/page', 'if-none-match' => '"x"');
    my $r = $c->request('HEAD', '/page');

    my @streams = map { $c->send('GET', "/$_") } 1 .. 20;   # all at once
    my @responses = map { $c->response($_) } @streams;

    my $s = $c->send('GET', '/slow');
    $c->reset_stream($s);           # RST_STREAM, CANCEL
    $c->close;                      # or reset: of the connection

    Recs::HTTP2->new(port => $port, window => 1000);    # per stream; grows
                                                        # only as it is read

Responses are L<Recs::Response>s; of one that the server has reset,
C<complete> is false and C<error> names the code.

=cut

use strict;
use warnings;

use parent 'Recs::Stream';

use Protocol::HTTP2::Client;
use Protocol::HTTP2::Constants qw(const_name :errors :settings);
use Recs::Response;
use Scalar::Util qw(weaken);
use Time::HiRes qw(time);


sub new {
    my ($class, %opt) = @_;

    my $window = delete $opt{window};
    my $self = $class->SUPER::new(%opt);

    $self->{streams} = {};
    weaken(my $weak = $self);

    $self->{proto} = Protocol::HTTP2::Client->new(
        keepalive => 1,
        on_error => sub { $weak->fail('connection: ' . error_name($_[0])) },
        $window ? (settings => { &SETTINGS_INITIAL_WINDOW_SIZE => $window })
                : ());

    return $self;
}


sub error_name {
    my ($code) = @_;

    return const_name('errors', $code) || $code;
}


sub get {
    my ($self, $target, @fields) = @_;

    return $self->request('GET', $target, @fields);
}


sub request {
    my ($self, $method, $target, @fields) = @_;

    return $self->response($self->send($method, $target, @fields));
}


# Returns the stream's number.  An optional hash before the fields: body.

sub send {
    my ($self, $method, $target, @fields) = @_;

    my %opt = ref $fields[0] ? %{ shift @fields } : ();
    my $authority = 'localhost';
    my @lower;

    while (my ($name, $value) = splice @fields, 0, 2) {
        if (lc $name eq 'host') { $authority = $value }
        else                    { push @lower, lc $name, $value }
    }

    my $r = Recs::Response->new(version => 2);
    my $connection = $self->{proto}{con};

    $self->{proto}->request(
        ':scheme' => 'http', ':authority' => $authority,
        ':path' => $target, ':method' => $method,
        headers => \@lower,
        defined $opt{body} ? (data => $opt{body}) : (),
        on_headers => sub { take_headers($r, @{ $_[0] }); 1 },
        on_data => sub { $r->{body} .= $_[0]; 1 },
        on_error => sub { $r->{error} //= 'reset: ' . error_name($_[0]) },
        on_done => sub { $r->{ended} = 1 },
    );

    my $id = $connection->{last_stream};

    if ($self->{sent}{$id}++) {
        $r->{error} = $self->{ended} // 'the connection takes no more streams';
        $id = -++$self->{refused};
    }

    $self->{streams}{$id} = { response => $r, method => $method };
    $self->flush;
    return $id;
}


sub take_headers {
    my ($r, @fields) = @_;

    while (my ($name, $value) = splice @fields, 0, 2) {
        if ($name eq ':status') {
            $r->{status} = $value;
        } else {
            push @{ $r->{fields} }, [$name, $value];
        }
    }
}


# The response of a stream, whole.  A timeout counts from the last bytes that
# came for any stream.

sub response {
    my ($self, $id, $seconds) = @_;

    my $stream = $self->{streams}{$id};
    my $r = $stream->{response};

    while (!$r->{ended} && !$r->{error}) {
        $r->{error} = $self->{ended} // 'timeout' if !$self->pump($seconds);
    }

    delete $self->{streams}{$id};
    return $r if $r->{error};

    my $length = $r->header('content-length');

    if (defined $length && $stream->{method} ne 'HEAD' && $r->status != 304
        && $length != length $r->{body})
    {
        $r->{error} = "content-length is $length, not " . length $r->{body};
        return $r;
    }

    $r->{complete} = 1;
    return $r;
}


# Waits until a stream's header is there; what came of the body is in it.

sub head {
    my ($self, $id, $seconds) = @_;

    my $r = $self->{streams}{$id}{response};

    while (!$r->{status} && !$r->{error}) {
        $r->{error} = $self->{ended} // 'timeout' if !$self->pump($seconds);
    }

    return $r;
}


sub reset_stream {
    my ($self, $id) = @_;

    $self->{streams}{$id}{response}{error} = 'cancelled';
    return if $id < 0;
    $self->{proto}{con}->stream_error($id, CANCEL);
    $self->flush;
}


# Reads and answers (settings, windows) once; false if nothing came.

sub pump {
    my ($self, $seconds) = @_;

    $self->fill($seconds // 10) or return 0;

    my $bytes = $self->{in};
    $self->{in} = '';
    $self->{proto}->feed($bytes);
    $self->flush;
    return 1;
}


sub flush {
    my ($self) = @_;

    while (my $frame = $self->{proto}->next_frame) {
        $self->write($frame) or last;
    }
}


sub fail {
    my ($self, $why) = @_;

    $_->{response}{error} //= $why for values %{ $self->{streams} };
}


1;
