"""An API in FastAPI: what is in stock. The stock is a component, and a plain dictionary.

Run by Perdure: ``mkapp web --asgi stock:app --pythonpath samples/fastapi_site``, then ``rundaemon``.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from perdure.app.web.gateways.gateway import current_registry


class Item(BaseModel):
    """What is told of an item, and asked for."""

    name: str
    count: int = Field(ge=0)


class Stock:
    """How many there are of each item."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}


def stock() -> Stock:
    """The stock of the application that answers."""
    return current_registry().get_component(Stock, default=Stock)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    stock().counts.setdefault("lamp oil", 12)
    yield


app = FastAPI(title="Stock", lifespan=lifespan)


@app.get("/items")
async def list_items() -> list[Item]:
    return [Item(name=name, count=count) for name, count in sorted(stock().counts.items())]


@app.put("/items/{name}")
async def put_item(name: str, item: Item) -> Item:
    if item.name != name:
        raise HTTPException(400, "The item has another name than its address.")
    stock().counts[name] = item.count
    return item


@app.post("/items/{name}/take")
async def take(name: str, count: int = 1) -> Item:
    counts = stock().counts
    if counts.get(name, 0) < count:
        raise HTTPException(409, f"There is not so much {name}.")
    # Nothing is awaited between the look and the change: so nobody can come between them.
    counts[name] -= count
    return Item(name=name, count=counts[name])
