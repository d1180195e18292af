"""Four releases of a shop, as packages: what it keeps is moved, renamed, split, and changes its fields.

Each release has a module ``day`` with the same two functions: ``pass_day`` does what happens on a day,
``picture`` tells what there is. `expected` says what the picture is, for days of whichever releases.
"""

import textwrap
from pathlib import Path
from typing import Any, Final

_DAY: Final = """
    from perdure.app.web.sessions import KeptSession

    def pass_day(application, number):
        registry = application.registry
        name = f"c{number}"
        item = make_item(number)
        registry.set_component(Item, item, name=str(number))
        customer = make_customer(number, name)
        registry.set_component(Customer, customer, name=name)
        visits = registry.get_component(Visits, default=Visits)
        visits.visit(customer)
        registry.get_component(Sales, default=Sales).sell(make_order(number, customer, item))
        registry.alarms.at(4e9 + number, visits, "visit", customer)
        kept = KeptSession(name, 900.0, 4e9)
        kept.components[f"{Customer.__module__}.{Customer.__qualname__}"] = customer
        registry.set_component(KeptSession, kept, name=name)
"""
_PICTURE: Final = """
    def picture(application):
        registry = application.registry
        visits = registry.get_component(Visits)
        if visits is None:
            return []
        orders = registry.get_component(Sales).orders
        assert visits.total == len(orders) == len(registry.alarms)
        found = []
        for number, (order, alarm) in enumerate(zip(orders, registry.alarms.all()), 1):
            name = f"c{number}"
            customer = registry.get_component(Customer, name=name)
            item = registry.get_component(Item, name=str(number))
            kept = registry.get_component(KeptSession, name=name)
            key = f"{Customer.__module__}.{Customer.__qualname__}"
            assert order.customer is customer is kept.components[key] is visits.seen[number - 1]
            assert alarm.component is visits and alarm.arguments == (customer,)
            assert order.items == [item] and order.items[0] is item
            assert {type(order), type(customer), type(item)} == {Order, Customer, Item}
            found.append(describe(number, order, customer, item))
        return found
"""

_FIRST: Final = {
    "shop/__init__.py": "",
    "shop/stock.py": """
        import dataclasses
        import attrs
        from perdure.app.mutations import mutation

        class Counter:
            def __init__(self):
                self.total = 0
                self.seen = []

            def visit(self, customer):
                self.total += 1
                self.seen.append(customer)

        @attrs.define
        class Item:
            name: str
            price: int

        @dataclasses.dataclass
        class Customer:
            name: str
            address: str

        @attrs.define
        class Order:
            customer: Customer
            items: list[Item]
            note: str = ""

        class Sales:
            def __init__(self):
                self.orders = []

            @mutation
            def sell(self, order):
                self.orders.append(order)
    """,
    "day.py": """
        from shop.stock import Counter as Visits, Customer, Item, Order, Sales

        make_item = lambda number: Item(f"item {number}", number * 100)
        make_customer = lambda number, name: Customer(name, f"street {number}, town")
        make_order = lambda number, customer, item: Order(customer, [item], f"note {number}")

        def describe(number, order, customer, item):
            return [item.name, item.price, customer.name, customer.address, order.note]
    """,
}

# The package has another name, the counter too, and customers have an e-mail address.
_SECOND: Final = {
    "store/__init__.py": """
        from perdure.persist.schema import moved

        moved("shop", "store")
    """,
    "store/stock.py": """
        import dataclasses
        import attrs
        from perdure.app.mutations import mutation
        from perdure.persist.schema import schema

        @schema(was=("shop.stock.Counter",))
        class Visits:
            def __init__(self):
                self.total = 0
                self.seen = []

            def visit(self, customer):
                self.total += 1
                self.seen.append(customer)

        @attrs.define
        class Item:
            name: str
            price: int

        @dataclasses.dataclass
        class Customer:
            name: str
            address: str
            email: str = ""

        @attrs.define
        class Order:
            customer: Customer
            items: list[Item]
            note: str = ""

        class Sales:
            def __init__(self):
                self.orders = []

            @mutation
            def sell(self, order):
                self.orders.append(order)
    """,
    "day.py": """
        from store.stock import Customer, Item, Order, Sales, Visits

        make_item = lambda number: Item(f"item {number}", number * 100)
        make_customer = lambda number, name: Customer(
            name, f"street {number}, town", f"{name}@x"
        )
        make_order = lambda number, customer, item: Order(customer, [item], f"note {number}")

        def describe(number, order, customer, item):
            return [
                item.name, item.price, customer.name, customer.address, order.note, customer.email
            ]
    """,
}

# An address is an object of its own, prices are decimal numbers, and orders have no notes.
_THIRD: Final = {
    "store/__init__.py": _SECOND["store/__init__.py"],
    "store/stock.py": """
        import dataclasses
        from decimal import Decimal
        import attrs
        from perdure.app.mutations import mutation
        from perdure.persist.schema import schema, upgrades

        @schema(was=("shop.stock.Counter",))
        class Visits:
            def __init__(self):
                self.total = 0
                self.seen = []

            def visit(self, customer):
                self.total += 1
                self.seen.append(customer)

        @schema(version=2)
        @attrs.define
        class Item:
            name: str
            price: Decimal

        @upgrades(Item, to=2)
        def count_in_whole(state):
            return {**state, "price": Decimal(state["price"]) / 100}

        @attrs.define
        class Address:
            street: str
            city: str

        @schema(version=2)
        @dataclasses.dataclass
        class Customer:
            name: str
            address: Address
            email: str = ""

        @upgrades(Customer, to=2)
        def split(state):
            street, city = state["address"].split(", ")
            return {**state, "address": Address(street, city)}

        @attrs.define
        class Order:
            customer: Customer
            items: list[Item]

        class Sales:
            def __init__(self):
                self.orders = []

            @mutation
            def sell(self, order):
                self.orders.append(order)
    """,
    "day.py": """
        from decimal import Decimal
        from store.stock import Address, Customer, Item, Order, Sales, Visits

        make_item = lambda number: Item(f"item {number}", Decimal(number))
        make_customer = lambda number, name: Customer(
            name, Address(f"street {number}", "town"), f"{name}@x"
        )
        make_order = lambda number, customer, item: Order(customer, [item])

        def describe(number, order, customer, item):
            assert type(item.price) is Decimal
            address = f"{customer.address.street}, {customer.address.city}"
            return [item.name, int(item.price * 100), customer.name, address, None, customer.email]
    """,
}

# Customers are in a module of their own and called clients, items have a title, things that are
# numbered have a base class, orders have notes again, and visits know the first of all.
_FOURTH: Final = {
    "store/__init__.py": _SECOND["store/__init__.py"],
    "store/people.py": """
        import dataclasses
        import attrs
        from perdure.persist.schema import schema, upgrades

        @schema(was=("store.stock.Address",))
        @attrs.define
        class Address:
            street: str
            city: str

        @schema(version=2, was=("shop.stock.Customer", "store.stock.Customer"))
        @dataclasses.dataclass
        class Client:
            name: str
            address: Address
            email: str = ""

        @upgrades(Client, to=2)
        def split(state):
            street, city = state["address"].split(", ")
            return {**state, "address": Address(street, city)}
    """,
    "store/stock.py": """
        from decimal import Decimal
        import attrs
        from perdure.app.mutations import mutation
        from perdure.persist.schema import schema, upgrades
        from store.people import Client

        @schema(version=2, was=("shop.stock.Counter",))
        class Visits:
            def __init__(self):
                self.total = 0
                self.seen = []
                self.first = None

            def visit(self, customer):
                self.total += 1
                self.seen.append(customer)
                self.first = self.seen[0]

        @upgrades(Visits, to=2)
        def find_first(state):
            return {**state, "first": state["seen"][0]}

        @schema(version=2)
        @attrs.define
        class Numbered:
            number: int = attrs.field(default=0, kw_only=True)

        @upgrades(Numbered, to=2)
        def is_new_to_all(state):
            raise AssertionError("nothing was ever below it in its first version")

        @schema(version=3)
        @attrs.define
        class Item(Numbered):
            title: str
            price: Decimal

        @upgrades(Item, to=2)
        def count_in_whole(state):
            return {**state, "price": Decimal(state["price"]) / 100}

        @upgrades(Item, to=3)
        def rename(state):
            return {"title": state["name"], "price": state["price"]}

        @attrs.define
        class Order(Numbered):
            customer: Client
            items: list[Item]
            note: str = ""

        class Sales:
            def __init__(self):
                self.orders = []

            @mutation
            def sell(self, order):
                self.orders.append(order)
    """,
    "day.py": """
        from decimal import Decimal
        from store.people import Address, Client as Customer
        from store.stock import Item, Order, Sales, Visits

        make_item = lambda number: Item(f"item {number}", Decimal(number), number=number)
        make_customer = lambda number, name: Customer(
            name, Address(f"street {number}", "town"), f"{name}@x"
        )
        make_order = lambda number, customer, item: Order(
            customer, [item], f"note {number}", number=number
        )

        def describe(number, order, customer, item):
            assert type(item.price) is Decimal
            assert order.number == item.number and order.number in (0, number)
            address = f"{customer.address.street}, {customer.address.city}"
            return [
                item.title, int(item.price * 100), customer.name, address, order.note,
                customer.email, order.number
            ]
    """,
}
RELEASES: Final = {1: _FIRST, 2: _SECOND, 3: _THIRD, 4: _FOURTH}


def install(release: int, folder: Path) -> Path:
    """Put a copy of the packages into `folder`; that is where they are then found."""
    for name, text in RELEASES[release].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [text, _DAY, _PICTURE] if name == "day.py" else [text]
        path.write_text("\n".join(map(textwrap.dedent, parts)))
    return folder


def expected(days: list[int], reader: int) -> list[list[Any]]:
    """The picture in the release `reader`, where each of the `days` was one of the release it says."""
    found: list[list[Any]] = []
    for number, writer in enumerate(days, 1):
        name = f"c{number}"
        note = "" if writer == 3 else f"note {number}"
        row: list[Any] = [f"item {number}", number * 100, name, f"street {number}, town"]
        row.append(None if reader == 3 else note)
        if reader >= 2:
            row.append(f"{name}@x" if writer >= 2 else "")
        if reader == 4:
            row.append(number if writer == 4 else 0)
        found.append(row)
    return found
