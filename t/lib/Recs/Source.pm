package Recs::Source;

=head1 NAME

Recs::Source - nginx built from source, with the module linked into it

=head1 SYNOPSIS

    my $source = Recs::Source->new(name => 'static',
                                   configure => ['--add-module=...', ...]);

    $source->fetch or die $source->output;          # if it is not there yet
    $source->unpack or die $source->output;         # that, and unpacks it
    $source->configure or die $source->output;
    $source->make or die $source->output;
    my $nginx = $source->binary;

=head1 DESCRIPTION

The source is the tarball that Debian builds its nginx of.  F<t/run.sh> has it
downloaded where it installs packages, so that the tests themselves need no
network.  Debian's archive is asked through apt lists of our own, made from the
machine's list of archives, which stays as it is.

All is kept from one run to the next, in F<build/NAME>, and done again only as
far as the module's files, the options or the tarball are others.

=cut

use strict;
use warnings;

use Cwd ();
use Fcntl qw(LOCK_EX);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use Recs::Process qw(slurp spew);

my $ROOT = Cwd::abs_path(dirname(__FILE__) . '/../../..');


# Options: name, configure (an array).  One process at a time has a build.

sub new {
    my ($class, %opt) = @_;

    my $self = bless { %opt, dir => "$ROOT/build/$opt{name}" }, $class;

    make_path($self->{dir}, "$ROOT/build/source");
    open $self->{lock}, '>', "$self->{dir}/lock" or die "$self->{dir}: $!";
    flock $self->{lock}, LOCK_EX or die "$self->{dir}/lock: $!";

    return $self;
}


sub root   { return $ROOT }
sub dir    { return $_[0]{dir} }
sub binary { return "$_[0]{dir}/nginx/objs/nginx" }

# What the last command said.

sub output { return $_[0]{output} }


# True if the tarball is there, from before or now.

sub fetch {
    my ($self) = @_;

    return 1 if defined tarball() || $self->download;

    $self->{output} = <<"END" . $self->{output};
The source of nginx (nginx_VERSION.orig.tar.gz) is not in $ROOT/build/source,
and can't be downloaded from Debian's archive, which needs a network.  Put it
there, or run t/run.sh where there is one.  What was said:

END
    return 0;
}


sub unpack {
    my ($self) = @_;

    $self->fetch or return 0;
    my $tarball = tarball();
    my $stamp = "$self->{dir}/unpacked";

    return 1 if -e "$self->{dir}/nginx/configure"
                && -e $stamp && slurp($stamp) eq $tarball;

    remove_tree("$self->{dir}/nginx");
    make_path("$self->{dir}/nginx");

    my $ok = $self->run($self->{dir}, 'tar', '-xzf', $tarball,
                        '--strip-components=1', '-C', 'nginx');
    spew($stamp, $tarball) if $ok;
    return $ok;
}


sub tarball {
    my ($tarball) = glob "$ROOT/build/source/nginx_*.orig.tar.gz";
    return $tarball;
}


# Only the tarball of the authors is needed, none of Debian's changes.

sub download {
    my ($self) = @_;

    my $dir = "$ROOT/build/source";
    my $apt = "$dir/apt";
    make_path(map { "$apt/$_" } qw(lists/partial machine/partial
                                   cache/archives/partial));

    my $lists = $self->archives
                || $self->update("Dir::State::Lists=$apt/machine")
                   && $self->archives("Dir::State::Lists=$apt/machine")
        or return;
    spew("$apt/sources.list", $lists);

    my @options = (
        "Dir::Etc::SourceList=$apt/sources.list",
        'Dir::Etc::SourceParts=/dev/null',
        "Dir::State::Lists=$apt/lists",
        "Dir::Cache=$apt/cache",
    );

    $self->update(@options) or return;
    $self->apt(\@options, 'source', '--download-only', '--tar-only', 'nginx')
        or return;

    return tarball();
}


# An archive that does not answer is an error: what its lists have would be
# missed later, without a reason.

sub update {
    my ($self, @options) = @_;

    return $self->apt([@options, 'APT::Update::Error-Mode=any'], 'update');
}


sub apt {
    my ($self, $options, @command) = @_;

    return $self->run("$ROOT/build/source", 'apt-get',
                      (map { ('-o', $_) } 'APT::Sandbox::User=root',
                       'Acquire::Retries=3', @$options), @command);
}


# A deb-src line for each of the machine's archives that is Debian's; as far as
# they are known by lists.

sub archives {
    my ($self, @options) = @_;

    $self->apt(\@options, 'indextargets', '--format',
               '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)',
               'Created-By: Packages');

    my $keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
    my $option = -e $keys ? "[signed-by=$keys] " : '';
    my %lines;

    for (split /\n/, $self->output) {
        my ($origin, $uri, $release, $component) = split /\|/;
        next if ($origin // '') ne 'Debian' || ($component // '') ne 'main';
        $lines{"deb-src $option$uri $release $component\n"} = 1;
    }

    return join '', sort keys %lines;
}


# Anew if the module's set of files is another than the last time.

sub configure {
    my ($self) = @_;

    my $print = join "\n", @{ $self->{configure} }, slurp("$ROOT/config"),
                sort map { "$_\n" } glob "$ROOT/src/*/*.[ch]";

    my $stamp = "$self->{dir}/configured";
    my $old = -e $stamp ? slurp($stamp) : '';

    if ($old ne $print || !-e "$self->{dir}/nginx/objs/Makefile") {
        unlink $stamp;
        remove_tree("$self->{dir}/nginx/objs");
        $self->run("$self->{dir}/nginx", './configure',
                   @{ $self->{configure} }) or return 0;
        spew($stamp, $print);
    }

    $self->renew;
    return 1;
}


# make knows of no header unless config lists it.

sub renew {
    my ($self) = @_;

    my $headers = join '', map { slurp($_) } sort glob "$ROOT/src/*/*.h";
    my $stamp = "$self->{dir}/headers";
    my $seen = -e $stamp ? slurp($stamp) : '';

    unlink glob "$self->{dir}/nginx/objs/addon/*/*.o" if $headers ne $seen;
    spew($stamp, $headers);
}


sub make {
    my ($self) = @_;

    return $self->run($self->{dir}, qw(make -C nginx -j2));
}


# True if it ends well within ten minutes.

sub run {
    my ($self, $directory, @command) = @_;

    my $log = "$self->{dir}/log";
    unlink $log;

    my $p = Recs::Process->spawn(command => \@command, output => $log,
                                 directory => $directory);
    my $status = $p->wait(600);
    $p->stop('KILL') if !defined $status;

    $self->{output} = slurp($log);
    return defined $status && $status == 0 ? 1 : 0;
}


1;
