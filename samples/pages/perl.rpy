# A folder of pages in Perl, as one page here: /perl.rpy/ and /perl.rpy/tides.pl?days=1
from pathlib import Path

from perdure.app.web.programs.cgi import FilteredScript
from perdure.app.web.static import File


class PerlScript(FilteredScript):
    interpreter = "/usr/bin/perl"


folder = Path(__file__).parents[1] / "cgi"
resource = File(folder, processors={".pl": PerlScript}, index_names=["tides.pl"], listing=False)
