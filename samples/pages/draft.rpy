# A page whose code is in a module that is being written: every visit sees its newest version.
from importlib import reload

import drafts

# When it is done, these two go, and the module is loaded once, as any other.
run_every_request = True
reload(drafts)

resource = drafts.Draft()
