# When the tide is high at the lighthouse: a page in plain Perl.
use strict;
use warnings;

my $days = ($ENV{QUERY_STRING} // "") =~ /(?:^|&)days=([1-7])(?:&|$)/ ? $1 : 3;
my $tide = 44_714;    # seconds from one high water to the next
my $first = 1_795_242_600;    # a high water on 21 November 2026

print "Content-Type: text/plain; charset=utf-8\n\n";
print "High water at the lighthouse (UTC)\n\n";
for my $number (0 .. $days * 2 - 1) {
    my ($minute, $hour, $day, $month, $year) = (gmtime($first + $number * $tide))[1 .. 5];
    printf "%04d-%02d-%02d %02d:%02d\n", $year + 1900, $month + 1, $day, $hour, $minute;
}
