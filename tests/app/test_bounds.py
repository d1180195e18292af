"""Fields of records that say how much, how many or how long."""

import math

import attrs
import pytest

from perdure.app.bounds import bound


@attrs.frozen
class Sizes:
    some: float = bound(1)
    any: int = bound(0, least=0)
    factor: float = bound(2.0, least=1)
    perhaps: float | None = bound(5.0, optional=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("some", 0.001), ("some", 10**30), ("any", 0), ("factor", 1), ("perhaps", None)],
)
def test_a_number_within_its_bounds_is_taken(field: str, value: float | None) -> None:
    assert getattr(Sizes(**{field: value}), field) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "1", -1, -0.5, [], 1j])
@pytest.mark.parametrize("field", ["some", "any", "factor", "perhaps"])
def test_what_is_no_number_of_anything_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{field} of Sizes must be .* or more|more than 0, and"):
        Sizes(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "value"), [("some", 0), ("factor", 0.9), ("any", None)])
def test_each_has_bounds_of_its_own(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        Sizes(**{field: value})  # type: ignore[arg-type]
