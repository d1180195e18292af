"""Loads a set of the corpus, in a process that has none of its modules yet: prints what it holds.

``python -m tests.corpus.reading FOLDER``, where FOLDER has a copy of the set that may be written.
"""

import json
import sys
from pathlib import Path
from typing import Any

from perdure.app.loader import Loader
from perdure.app.recovery import begin
from perdure.persist.keyring import Keyring, passphrase
from perdure.persist.snapshot import read
from perdure.persist.store import FolderStore
from perdure.persist.trust import Signer

from . import neutral


def held(folder: Path, case: Any, ring: Keyring) -> dict[str, Any]:
    """What the case of the manifest begins with."""
    loader = Loader(Signer.of_user(), folders=[str(folder / "site")], keyring=ring)
    path = folder / case["name"] / case["start"]
    built = loader.load(path)
    own, services = built.own, neutral.services(built.application.services)
    store = FolderStore(path.parent, built.application.name)
    store.keyring = ring
    beginning = begin(built.application, built, store, loader)
    return {
        "own": own,
        "sealed": built.seal is not None,
        "holds": built.passport.holds,
        "services": services,
        "syntax": read(path, keyring=ring).syntax,
        "warnings": list(beginning.warnings),
        "recovered": beginning.is_recovery,
        "state": neutral.registry(beginning.application.registry),
    }


def main() -> None:
    """Print it all, a line for each case."""
    folder = Path(sys.argv[1])
    manifest = json.loads((folder / "manifest.json").read_text())
    ring = Keyring([passphrase(manifest["passphrase"].encode())])
    for case in manifest["cases"]:
        print(json.dumps({"name": case["name"], **held(folder, case, ring)}))


if __name__ == "__main__":
    main()
