# Perl's Frontier::Client, which knows no nil: makes the calls it reads from its standard input; see foreign.py.
use strict;
use warnings;
use Frontier::Client;
use JSON::PP ();

my $json = JSON::PP->new->utf8->allow_nonref->canonical;
$| = 1;

sub to_perl {
    my ($value) = @_;
    return [ map { to_perl($_) } @$value ] if ref $value eq 'ARRAY';
    return { map { $_ => to_perl( $value->{$_} ) } keys %$value } if ref $value eq 'HASH';
    return Frontier::RPC2->boolean( $value ? 1 : 0 ) if JSON::PP::is_bool($value);
    return $value;
}

# The library keeps no difference between the string "5" and the number 5.
sub plain {
    my ($value) = @_;
    return [ map { plain($_) } @$value ] if ref $value eq 'ARRAY';
    return { map { $_ => plain( $value->{$_} ) } keys %$value } if ref $value eq 'HASH';
    return { '@date' => $value->value } if ref $value eq 'Frontier::RPC2::DateTime::ISO8601';
    return $value->value ? JSON::PP::true : JSON::PP::false if ref $value eq 'Frontier::RPC2::Boolean';
    return $value =~ /\A-?\d+(\.\d+)?\z/ ? 0 + $value : $value;
}

while ( my $line = <STDIN> ) {
    my ( $url, $method, $params ) = @{ $json->decode($line) };
    my $client = Frontier::Client->new( url => $url );
    my $value  = eval { $client->call( $method, map { to_perl($_) } @$params ) };
    my $said =
      !$@                                       ? { value => plain($value) }
      : $@ =~ /\AFault returned from XML RPC Server, fault code (-?\d+): (.*?)\n?\z/s ? { fault => [ 0 + $1, $2 ] }
      :                                           { error => "$@" };
    print $json->encode($said), "\n";
}
