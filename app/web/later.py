"""A reply that is being made elsewhere: by a task or thread that goes on when its client is gone."""

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .resource import Rendered


class Later:
    """What a render returns to be told its reply later; in the event loop alone.

    Other than a future it costs no round of the loop. Whoever renders may await it as well.
    The first of `set` and `fail` counts.
    """

    __slots__ = ("_context", "_failure", "_rendered", "_tell", "is_done")

    def __init__(self) -> None:
        self._context: Context | None = None
        self._failure: BaseException | None = None
        self._rendered: Rendered = b""
        self._tell: Callable[[Later], None] | None = None
        self.is_done = False

    def set(self, rendered: "Rendered") -> None:
        """This is the reply."""
        if not self.is_done:
            self._rendered = rendered
            self._finish()

    def fail(self, error: BaseException) -> None:
        """There is no reply, because of this."""
        if not self.is_done:
            self._failure = error
            self._finish()

    def result(self) -> "Rendered":
        """The reply, once: nothing here keeps it longer than who sends it. Raises what made it fail."""
        if self._failure is not None:
            raise self._failure
        rendered, self._rendered = self._rendered, b""
        return rendered

    def when_done(self, tell: "Callable[[Later], None]") -> None:
        """Have `tell` called with this, in the present context; at once if it is done."""
        if self.is_done:
            tell(self)
        else:
            self._tell = tell
            self._context = copy_context()

    def __await__(self) -> "Generator[Any, None, Rendered]":
        if not self.is_done:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def tell(_: Later) -> None:
                if not waiter.done():
                    waiter.set_result(None)

            self.when_done(tell)
            yield from waiter
        return self.result()

    def _finish(self) -> None:
        self.is_done = True
        tell, self._tell = self._tell, None
        context, self._context = self._context, None
        if tell is not None and context is not None:
            context.run(tell, self)
