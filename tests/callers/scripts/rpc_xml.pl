# Perl's RPC::XML: makes the calls it reads from its standard input; see foreign.py.
use strict;
use warnings;
use JSON::PP ();
use RPC::XML;
use RPC::XML::Client;

$RPC::XML::ENCODING  = 'utf-8';
$RPC::XML::ALLOW_NIL = 1;
my $json = JSON::PP->new->utf8->allow_nonref->canonical;
$| = 1;

# What a Perl programmer hands over: the library guesses ints, doubles and strings from the look of a scalar.
sub to_perl {
    my ($value) = @_;
    return RPC::XML::nil->new unless defined $value;
    return [ map { to_perl($_) } @$value ] if ref $value eq 'ARRAY';
    return { map { $_ => to_perl( $value->{$_} ) } keys %$value } if ref $value eq 'HASH';
    return RPC::XML::boolean->new( $value ? 1 : 0 ) if JSON::PP::is_bool($value);
    return $value;
}

sub plain {
    my ($value) = @_;
    return [ map { plain($_) } @$value ] if $value->isa('RPC::XML::array');
    return { map { $_ => plain( $value->{$_} ) } keys %$value } if $value->isa('RPC::XML::struct');
    return { '@date' => $value->value } if $value->isa('RPC::XML::datetime_iso8601');
    return undef if $value->isa('RPC::XML::nil');
    return $value->value ? JSON::PP::true : JSON::PP::false if $value->isa('RPC::XML::boolean');
    return $value->value if $value->isa('RPC::XML::string');
    return 0 + $value->value;
}

while ( my $line = <STDIN> ) {
    my ( $url, $method, $params ) = @{ $json->decode($line) };
    my $answer = RPC::XML::Client->new($url)->send_request( $method, map { to_perl($_) } @$params );
    my $said =
       !ref $answer      ? { error => $answer }
      : $answer->is_fault ? { fault => [ 0 + $answer->code, $answer->string ] }
      :                     { value => plain($answer) };
    print $json->encode($said), "\n";
}
