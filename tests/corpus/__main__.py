"""``python -m tests.corpus VERSION``: write the set of a release, which there must not be yet."""

import sys

from .writing import ReleasedError, write


def main() -> int:
    """The command."""
    if len(sys.argv) != 2 or not sys.argv[1][:1].isdigit():
        print("say which release: python -m tests.corpus 0.1.0", file=sys.stderr)
        return 64
    try:
        print(write(sys.argv[1]))
    except ReleasedError as error:
        print(error, file=sys.stderr)
        return 73
    return 0


if __name__ == "__main__":
    sys.exit(main())
