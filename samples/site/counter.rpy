from layout import page
from visits import Counter

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource

counter = registry.get_component(Counter, default=Counter)


class CounterPage(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        counter.increment()
        return page(
            "Landings",
            f'<p class="count">You are visitor {counter.get_value()}.</p>\n'
            "<p>Stop the server, start it again, and reload this page: the count goes on. "
            "Nothing in the class that counts knows that it will be saved.</p>",
        )


resource = CounterPage()
