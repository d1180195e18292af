"""A processor for pages written in Perl.

mkapp web --path samples/cgi --processor .pl=perlscript.PerlScript
"""

from perdure.app.web.programs.cgi import FilteredScript


class PerlScript(FilteredScript):
    """Has Perl run a script, whether or not it is executable."""

    interpreter = "/usr/bin/perl"
