"""A message board in Flask. What was posted is a component: there is no database, and nothing is lost.

Run by Perdure: ``mkapp web --wsgi board:app --pythonpath samples/flask_site``, then ``rundaemon``.
"""

import attrs
from flask import Flask, abort, redirect, render_template_string, request
from werkzeug.wrappers import Response

from perdure.app.web.gateways.gateway import current_registry

app = Flask(__name__)

PAGE = """\
<!doctype html>
<title>Board</title>
<h1>Board</h1>
{% for post in posts %}
<p><b>{{ post.author }}</b>: {{ post.text }}</p>
{% endfor %}
<form method="post">
<input name="author" placeholder="Your name" required>
<input name="text" placeholder="Your message" required>
<button>Post</button>
</form>
"""


@attrs.frozen
class Post:
    """What somebody said."""

    author: str
    text: str


@attrs.define
class Board:
    """The last so many posts, oldest first."""

    posts: list[Post] = attrs.field(factory=list[Post])
    room: int = 100

    def add(self, post: Post) -> None:
        """Put a post up; the oldest falls off a full board."""
        self.posts.append(post)
        del self.posts[: -self.room]


def board() -> Board:
    """The board of the application that answers."""
    return current_registry().get_component(Board, default=Board)


@app.get("/")
def show() -> str:
    return render_template_string(PAGE, posts=board().posts)


@app.post("/")
def post() -> Response:
    author, text = request.form["author"].strip(), request.form["text"].strip()
    if not author or not text:
        abort(400, "Who says what?")
    board().add(Post(author, text))
    return redirect(request.url, 303)
