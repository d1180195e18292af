"""The body of a reply that an application gives piece by piece, from its own task or thread."""

import asyncio
from collections.abc import Callable


class GoneError(OSError):
    """The client is gone, or takes no more: what is sent reaches nobody."""

    def __init__(self) -> None:
        super().__init__("the client is gone")


class Flow:
    """What is between who gives the pieces and who sends them; in the event loop.

    `taken` is called whenever one has been, and when no more are
    wanted, which is when the `body` is closed or nobody has it any more. `prepare` is called before
    each piece is handed on.
    """

    __slots__ = (
        "_ended",
        "_error",
        "_given",
        "_pieces",
        "_prepare",
        "_taken",
        "_waiter",
        "is_closed",
    )

    def __init__(self, prepare: Callable[[], None], taken: Callable[[], None]) -> None:
        self._pieces: list[bytes] = []
        self._prepare = prepare
        self._taken = taken
        self._given = False
        self._ended = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.is_closed = False

    def body(self) -> "FlowBody":
        """The pieces, for a `Response`; to be asked for once."""
        return FlowBody(self)

    def put(self, piece: bytes) -> None:
        """Have a piece sent; dropped if no more are wanted."""
        if not self.is_closed:
            self._pieces.append(piece)
            self._wake()

    def end(self) -> None:
        """There are no more."""
        self._ended = True
        self._wake()

    def fail(self, error: BaseException) -> None:
        """There will not be the rest: the reply is broken off."""
        self._error = error
        self._wake()

    def close(self) -> None:
        """No more are wanted."""
        if not self.is_closed:
            self.is_closed = True
            self._pieces.clear()
            self._taken()

    async def next(self) -> bytes | None:
        """The next piece, when the one before has left; None at the end."""
        if self._given:
            self._given = False
            self._taken()
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._ended:
                self._prepare()
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._given = True
        self._prepare()
        return self._pieces.pop(0)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class FlowBody:
    """The end of a `Flow` where pieces come out. Whoever drops it wants no more."""

    __slots__ = ("_flow",)

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    def __aiter__(self) -> "FlowBody":
        return self

    async def __anext__(self) -> bytes:
        piece = await self._flow.next()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """No more are wanted."""
        self._flow.close()

    def __del__(self) -> None:
        self._flow.close()
