"""Keeps a resource in a file: ``python samples/configurations/keep.py`` writes ``tides.trp``.

Among pages, such a file answers itself; `websetroot` makes it what a server serves.
"""

from pathlib import Path

from perdure.app.web.data import Data
from perdure.app.web.resource import Resource
from perdure.app.web.scripts.pickled import keep_resource

tides = Resource()
tides.put_child("", Data("The tide tables of Halden Skerry\n", "text/plain"))
tides.put_child("today", Data("High at six, and again at half past\n", "text/plain"))

keep_resource(Path("tides.trp"), tides)
