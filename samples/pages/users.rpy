# The pages of the users of this machine, made once and kept: another page can get this very object.
from perdure.app.web.routing.userfolder import UserFolder

resource = registry.get_component(UserFolder, default=UserFolder)
