"""What was once secret stays so when a later release of its class says nothing of it any more."""

from pathlib import Path

import pytest

from .conftest import Workshop
from .releases import Shop

WORD = "hunter2"
FIRST = f"""
    @attrs.define
    class Box:
        number: int = 0
        word: str = attrs.field(default="{WORD}", metadata={{"secret": True}})

    @persistent(secret=("word",))
    class Bag:
        def __init__(self):
            self.word = "{WORD}"

    def visit(registry):
        registry.get_component(Bag, default=Bag)
        box = registry.get_component(Box, default=Box)
        box.number += 1
        return str(box.number)
"""
VISIT = """

    def visit(registry):
        box = registry.get_component(Box)
        registry.get_component(Bag).seen = True
        box.number += 1
        return str(box.number)
"""
GONE = [
    "    @attrs.define\n    class Box:\n        number: int = 0\n",
    "    @attrs.define(slots=False)\n    class Box:\n        number: int = 0\n",
    (
        '    @schema(was=("shop.Box",))\n    @attrs.define\n    class Case:\n        number: int = 0\n'
        "    Box = Case\n"
    ),
]
BAG = "    class Bag: ...\n"
BACK = FIRST.replace(', metadata={"secret": True}', "").replace(f'default="{WORD}"', 'default=""')


@pytest.fixture
def shop(workshop: Workshop) -> Shop:
    made = Shop(workshop)
    made.release(FIRST)
    made.build()
    return made


def says_nothing(shop: Shop, state: str | Path) -> None:
    workshop = shop.workshop
    for syntax in ("xml", "source", "html"):
        result = workshop.run("appconvert", "--to", syntax, state, "-o", "text", "--force")
        assert result.status == 0, result
        assert WORD not in (shop.folder / "text").read_text()
    for arguments in (["--show", state], ["--diff", "shop.snap", state]):
        result = workshop.run("appconvert", *arguments)
        assert "hidden" in result.out
        assert WORD not in result.out + result.err
    assert WORD in workshop.run("appconvert", "--reveal", "--show", state).out


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "killed"])
def test_a_secret_field_that_is_gone_is_kept_and_stays_secret(
    shop: Shop, gone: str, *, stopped: bool
) -> None:
    shop.visited(stopped=stopped)
    shop.release(gone + BAG + VISIT)
    for number in (2, 3):
        server = shop.start()
        assert server.get("") == str(number)
        log = shop.workshop.run("appstore", "log", "shop")
        assert WORD not in log.out + log.err
        assert server.stop().status == 0
        says_nothing(shop, "shop-shutdown.snap")


def test_what_was_parked_comes_back_as_secret_as_it_was(shop: Shop) -> None:
    shop.visited()
    shop.release("    def visit(registry):\n        return 'none'\n")
    shop.visited()
    shop.release(GONE[0] + BAG + VISIT)
    shop.visited()
    says_nothing(shop, "shop-shutdown.snap")


def test_a_class_that_has_the_field_again_says_itself_whether_it_is_secret(shop: Shop) -> None:
    shop.visited()
    shop.release(GONE[0] + BAG + VISIT)
    shop.visited()
    shop.release(BACK)
    shop.visited()
    shown = shop.workshop.run("appconvert", "--show", "registry[shop.Box]", "shop-shutdown.snap")
    assert f"word: '{WORD}'" in shown.out


def test_a_step_that_raises_does_not_tell_what_was_in_the_field(shop: Shop) -> None:
    shop.visited()
    shop.release(
        "    @schema(version=2)\n    @attrs.define\n    class Box:\n        number: int = 0\n"
        "    @upgrades(Box, to=2)\n    def convert(state):\n"
        "        return {'number': int(state['word'])}\n" + BAG + VISIT
    )
    for option in ("-n", "--rehearse"):
        refused = shop.workshop.run("rundaemon", option, "-f", "shop.snap")
        assert refused.status == 65
        assert "shop.Box: its step to version 2 raised ValueError" in refused.err
        assert WORD not in refused.out + refused.err
