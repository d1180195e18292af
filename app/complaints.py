"""What the log says of components that cannot be saved as others are: once per class, not per visitor."""

import logging

_log = logging.getLogger(__name__)


class Complaints:
    """Says of a class what is wrong with it at its first component, at the tenth, the hundredth..."""

    def __init__(self) -> None:
        self._told: dict[tuple[type, str], set[str]] = {}

    def too_large(self, key: str, component: object) -> None:
        """It is not looked at any more."""
        self._say(
            logging.WARNING,
            key,
            component,
            "too large",
            "is too large to be saved after each change; it is saved at checkpoints only, unless"
            " its methods that change it are @mutation",
        )

    def unsavable(self, key: str, component: object, error: Exception) -> None:
        """Its state cannot be taken."""
        reason = type(error).__name__
        self._say(logging.ERROR, key, component, reason, f"cannot be saved: {reason}: {error}")

    def _say(self, level: int, key: str, component: object, kind: str, sentence: str) -> None:
        told = self._told.setdefault((type(component), kind), set())
        if key in told:
            return
        told.add(key)
        others = len(told) - 1
        if not others:
            _log.log(level, "registry[%s] %s", key, sentence)
        elif str(others + 1).strip("0") == "1":
            _log.log(level, "registry[%s], like %d others of its class, %s", key, others, sentence)
