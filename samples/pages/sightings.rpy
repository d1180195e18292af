# A folder of plain files, one of which is written anew every five seconds:
# mkapp web --resource-script samples/pages/sightings.rpy --pythonpath samples/site
from pathlib import Path

from sightings import Sightings

from perdure.app.web.static import File

LOG = Path(__file__).resolve().parent.parent / "access.log"
FOLDER = Path("sightings")

sightings = registry.get_component(Sightings, default=lambda: Sightings(LOG, FOLDER))
sightings.begin(registry)

resource = File(FOLDER)
