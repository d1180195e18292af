"""What did not come out of a replay as it was when the records were written."""

import attrs


@attrs.frozen
class Divergence:
    """A mutation ended otherwise than when it was called first, `then` and `now` say how.

    Then it depends on something that is not recorded, and what it made may differ, too.
    """

    sequence: int
    key: str
    name: str
    then: str
    now: str

    def __str__(self) -> str:
        return (
            f"record {self.sequence}: {self.name} of registry[{self.key}] {self.now}, and"
            f" {self.then} when it was called first; it depends on more than is recorded"
        )


@attrs.define
class Loss:
    """What the record of `holder` needs, `key`, cannot be had; so it is in `others` of their classes.

    A component that could never be saved is in no record, but the records of others refer to it.
    """

    key: str
    holder: str
    others: int = 0

    def __str__(self) -> str:
        more = f", and so in {self.others:,} others of their classes" if self.others else ""
        if self.key.startswith("/"):
            return (
                f"{self.holder} refers to the service {self.key}, which is not there: None is in its"
                f" place{more}; add the service to the blueprint, and give it to what needs it"
            )
        return (
            f"{self.holder} refers to registry[{self.key}], which could not be saved and is not"
            f" there: None is in its place{more}; set it anew, and have its class name the fields"
            " that cannot be saved: @persistent(transient=...)"
        )


@attrs.frozen
class Uncalled:
    """There is no component of this key, so that `calls` of its mutations were left out.

    The first was that of `name`, in the record number `sequence`.
    """

    sequence: int
    key: str
    name: str
    calls: int

    def __str__(self) -> str:
        return (
            f"record {self.sequence}: there is no registry[{self.key}] to call {self.name} of, since"
            f" it could not be saved; {self.calls:,} of its calls are left out: set it anew, and"
            " have its class name the fields that cannot be saved: @persistent(transient=...)"
        )
