"""The certificates of a TLS endpoint while it is served: chosen by name, renewed without a restart."""

import asyncio
import datetime
import logging
import ssl
import weakref
from collections.abc import Mapping, Sequence
from typing import Final

from .certificates import CertificateError, Credential, Pair, find_pairs, read_credential

_INTERVAL: Final = 5.0
_SOON: Final = datetime.timedelta(days=14)
_DAY: Final = datetime.timedelta(days=1)

_report = logging.getLogger(__name__)

Signature = tuple[tuple[int, int, int], ...]


class Certificates:
    """What is in `pair`, shown to whoever asks for no name or an unknown one, and in `folder`.

    Without `pair` it is the first of the folder that is shown then. All is read when this is made:
    before privileges are dropped. `endpoint` is for messages. Raises `CertificateError`.

    While `watch` runs, files that change are read again. What cannot be used is said once and
    changes nothing: the certificate there was is shown on. One that is gone from the folder is
    shown no more, unless it is the last.
    """

    def __init__(
        self,
        endpoint: str,
        pair: Pair | None = None,
        folder: str | None = None,
        protocols: Sequence[str] = (),
    ) -> None:
        self._endpoint = endpoint
        self._pair = pair
        self._folder = folder
        self._protocols = tuple(protocols)
        self._wake = asyncio.Event()
        self._signatures: dict[Pair, Signature | None] = {}
        self._suspects: set[Pair] = set()
        self._complaints: dict[str, str] = {}
        self._warned: dict[Pair, datetime.datetime] = {}
        self._held: dict[Pair, Credential] = {}
        # What is replaced while it is read is read again: so the files are looked at before.
        for each, signature in self._look().items():
            self._held[each] = read_credential(endpoint, each, protocols)
            self._signatures[each] = signature
        self._names = _by_name(self._held)
        self.context = next(iter(self._held.values())).context
        """The context for serving; it shows each client what it asks for, as it is by then."""
        self.context.sni_callback = self._show
        _watched.add(self)

    def choose(self, name: str | None) -> Credential:
        """What is shown to a client that asks for `name`: the certificate that vouches for it, by
        the whole name or a wildcard in place of its first part (RFC 9525, 6.3)."""
        if name:
            name = name.lower()
            for each in (name, "*." + name.partition(".")[2]):
                if each in self._names:
                    return self._names[each]
        return next(iter(self._held.values()))

    def _show(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self.choose(name).context

    # Renewal.

    async def watch(self) -> None:
        """Read what changes, and say what expires; never returns."""
        while True:
            self.warn(datetime.datetime.now(datetime.UTC))
            try:
                async with asyncio.timeout(_INTERVAL):
                    await self._wake.wait()
            except TimeoutError:
                pass
            else:
                self._wake.clear()
            try:
                await self.renew()
            except Exception as error:  # noqa: BLE001 - the server goes on with what it has
                _report.error("%s: certificates: %s", self._endpoint, error, exc_info=error)

    def renew_soon(self) -> None:
        """Have `watch` look at the files at once."""
        self._wake.set()

    async def renew(self) -> None:
        """Read what has changed since it was read last."""
        try:
            # Only looked at in the thread: a fork in the midst of OpenSSL could leave it locked.
            found = await asyncio.to_thread(self._look)
        except CertificateError as error:
            self._complain(self._folder or "", error)
            return
        self._recover(self._folder or "", "can be read again")
        held: dict[Pair, Credential] = {}
        for pair, signature in found.items():
            credential = self._renewed(pair, signature)
            if credential is not None:
                held[pair] = credential
        for pair in self._held.keys() - held.keys():
            if held:
                _report.info("%s: %s is gone, and shown no more", self._endpoint, pair.cert)
        if held:
            self._held = held
            self._names = _by_name(held)

    def _pairs(self) -> list[Pair]:
        pairs = [] if self._pair is None else [self._pair]
        if self._folder is not None:
            pairs += find_pairs(self._endpoint, self._folder)
        return pairs

    def _look(self) -> dict[Pair, Signature | None]:
        found: dict[Pair, Signature | None] = {}
        for pair in self._pairs():
            try:
                found[pair] = pair.signature()
            except OSError:
                found[pair] = None  # reading it will say why
        return found

    def _renewed(self, pair: Pair, signature: Signature | None) -> Credential | None:
        """What is to be shown of `pair` from now on; None if nothing can be."""
        former = self._held.get(pair)
        if former is not None and signature is not None and self._signatures[pair] == signature:
            return former
        try:
            credential = read_credential(self._endpoint, pair, self._protocols)
        except CertificateError as error:
            # Two files are never replaced at one instant: what is wrong gets a second look.
            if pair in self._suspects:
                self._complain(pair.cert, error)
            self._suspects.add(pair)
            return former
        self._suspects.discard(pair)
        self._recover(pair.cert, "can be used again")
        self._signatures[pair] = signature
        if former is None or former.expires != credential.expires:
            until = credential.expires.date().isoformat()
            _report.info("%s: %s is shown, valid until %s", self._endpoint, pair.cert, until)
        return credential

    def _complain(self, about: str, error: CertificateError) -> None:
        said = str(error)
        if self._complaints.get(about) != said:
            self._complaints[about] = said
            _report.error("%s; what was read before is shown on", said)

    def _recover(self, about: str, how: str) -> None:
        if self._complaints.pop(about, None) is not None:
            _report.info("%s: %s %s", self._endpoint, about, how)

    def warn(self, now: datetime.datetime) -> None:
        """Say, once a day each, what has expired or will within two weeks of `now`."""
        for pair, credential in self._held.items():
            left = credential.expires - now
            if left > _SOON:
                self._warned.pop(pair, None)
                continue
            warned = self._warned.get(pair)
            if warned is not None and now - warned < _DAY:
                continue
            self._warned[pair] = now
            until = credential.expires.date().isoformat()
            if left <= datetime.timedelta():
                _report.error(
                    "%s: %s has expired (%s), and clients refuse it; renew it",
                    self._endpoint,
                    pair.cert,
                    until,
                )
            else:
                _report.warning(
                    "%s: %s expires in %d days (%s); renew it",
                    self._endpoint,
                    pair.cert,
                    left.days,
                    until,
                )


_watched: "weakref.WeakSet[Certificates]" = weakref.WeakSet()


def renew_all() -> None:
    """Have all certificates that are watched looked at now: what a SIGHUP asks for."""
    for each in list(_watched):
        each.renew_soon()


def _by_name(held: Mapping[Pair, Credential]) -> dict[str, Credential]:
    """Of several for one name, the first is shown."""
    names: dict[str, Credential] = {}
    for credential in held.values():
        for name in credential.names:
            names.setdefault(name, credential)
    return names
