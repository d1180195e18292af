"""A table of users of our own."""

import attrs

from perdure.app.web.routing.userfolder import Account


@attrs.frozen
class ListedAccounts:
    """The users in `accounts`, and no others."""

    accounts: tuple[Account, ...]

    @classmethod
    def of(cls, **users: tuple[int, str]) -> "ListedAccounts":
        """Of users' numbers and homes by name."""
        return cls(tuple(Account(name, *user) for name, user in users.items()))

    def find(self, name: str) -> Account | None:
        return next((each for each in self.accounts if each.name == name), None)

    def all(self) -> tuple[Account, ...]:
        return self.accounts
