"""Files of a folder that answer by a class of one's own."""

import subprocess
import sys
from pathlib import Path

import httpx2

from .conftest import Workshop

PERL = """\
from perdure.app.web.resource import Resource


class PerlScript(Resource):
    is_leaf = True

    def __init__(self, path, registry):
        self.path = path

    def render_GET(self, request):
        with open(self.path) as script:
            return f"{script.readline().strip()} {request.postpath}"
"""

KEEP = """\
from perdure.app.web.data import Data
from perdure.app.web.static import File

File("site").create_snapshot_child("tide.trp", Data("high"))
"""


def test_a_class_answers_for_the_files_of_its_extension(workshop: Workshop, site: Path) -> None:
    (workshop.folder / "perlscript.py").write_text(PERL)
    (site / "tides.pl").write_text("#!/usr/bin/perl\nprint 'secret';\n")
    (site / "tides.pl.bak").write_text("secret")
    options = ("--processor", ".pl=perlscript.PerlScript", "--index", "tides.pl")
    workshop.mkapp("web", "--path", site, "--port", "0", *options)
    server = workshop.start("-f", "web.snap")
    assert server.get("tides.pl/a") == "#!/usr/bin/perl ['a']"
    assert server.get("") == "#!/usr/bin/perl []"
    assert httpx2.get(server.url + "tides.pl.bak").status_code == 404
    (site / "tides.pl").write_text("#!/usr/bin/perl -w\n")
    assert server.get("tides.pl") == "#!/usr/bin/perl -w []"


def test_a_page_script_and_a_kept_resource_survive_a_restart(
    workshop: Workshop, site: Path
) -> None:
    (site / "visits.epy").write_text(
        "from collections import Counter\n"
        "visits = registry.get_component(Counter, default=Counter)\n"
        "visits['all'] += 1\nwrite(str(visits['all']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", KEEP], cwd=workshop.folder, env=workshop.environment, check=False
    )
    assert done.returncode == 0
    workshop.mkapp("web", "--path", site, "--port", "0")
    for number in (1, 2):
        server = workshop.start("-f", "web.snap")
        assert server.get("visits.epy") == str(number)
        assert server.get("tide.trp") == "high"
        assert server.stop().status == 0
