"""``appstore recover``: an earlier moment becomes the newest state, or a snapshot elsewhere."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import attrs

from ..app import privileges
from ..app.loader import Loaded, Loader
from ..app.privileges import Identity
from ..app.rewind import BaseError, Moment, Rewound, install, rewind, shown
from ..convert import convert
from ..persist import snapshot
from ..persist.errors import PerdureError
from .command import complain
from .storetext import count
from .subject import Subject, identity_of


@attrs.frozen
class Recovery:
    """The state of the application at a `moment`; its code is loaded as a start would."""

    subject: Subject
    loader: Loader
    moment: Moment

    def install(self) -> Iterator[str]:
        """Make it what the next start takes; gives what was done, for a person.

        Raises LockedError, AccessError, and as `rewind` and `install` do; nothing has changed then.
        """
        store = self.subject.store()
        identity = identity_of(store)
        blueprints = self._blueprints(identity)
        with store.lock():
            privileges.drop(identity)
            store.check_writable()
            rewound = self._rewound(*blueprints)
            source = rewound.blueprint or rewound.base
            if source:
                store.syntax, store.seal = source.syntax, source.seal
            path = install(rewound, store, self.loader)
        yield f"{path}: {_origin(rewound)}"
        yield (
            "the next start takes it; what was newer is kept among the generations and in the"
            " journal, and does not count any more"
        )

    def write(self, output: Path) -> Iterator[str]:
        """Write it to `output`, and leave the store as it is; gives what was done.

        Raises as `rewind` and `snapshot.write` do.
        """
        store = self.subject.store()
        identity = identity_of(store)
        blueprints = self._blueprints(identity)
        privileges.drop(identity)
        rewound = self._rewound(*blueprints)
        source = rewound.base
        store.stay_sealed()
        snapshot.write(
            output,
            rewound.application,
            application=rewound.application.name,
            holds="state",
            paths=rewound.application.paths,
            origin=None if source is None else source.digest.hex(),
            signer=self.loader.signer if rewound.own else None,
            syntax=convert.form_of(output) or "pickle",
            sequence=rewound.sequence,
            seal=(source and source.seal) or store.seal,
        )
        yield f"{output}: {_origin(rewound)}"

    def _blueprints(self, identity: Identity) -> tuple[Loaded | None, Loaded | None]:
        """What was named, if it is no state, and what there is besides: for where it takes one.

        They are read before this becomes somebody who may not.
        """
        subject = self.subject
        if subject.file is not None:
            loaded = self.loader.load(subject.file)
            if loaded.passport.holds == "blueprint":
                return loaded, None
        beside = subject.blueprint_beside()
        if beside is None or identity.current:
            return None, None
        with suppress(PerdureError):
            return None, self.loader.load(beside)
        return None, None

    def _rewound(self, blueprint: Loaded | None, other: Loaded | None) -> Rewound:
        store = self.subject.store()
        try:
            rewound = rewind(store, self.loader, self.moment, blueprint)
        except BaseError:
            beside = self.subject.blueprint_beside()
            if other is None and beside is not None:
                other = self.loader.load(beside)
            if other is None:
                raise
            rewound = rewind(store, self.loader, self.moment, other)
        for warning in rewound.warnings:
            complain("appstore", warning)
        return rewound


def _origin(rewound: Rewound) -> str:
    source = rewound.base or rewound.blueprint
    path = "" if source is None else f": {source.path}"
    when = "" if rewound.time is None else f" of {shown(rewound.time)}"
    line = f"the state after record {rewound.sequence}{when}{path}"
    if rewound.replayed:
        line += f" and {count(rewound.replayed, 'record')} that came after"
    return line if rewound.own else f"{line}; not signed, as not all of it is yours"
