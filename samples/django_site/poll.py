"""A poll in Django, all in one module. The votes are a component; Django's database is not used.

Run by Perdure: ``mkapp web --wsgi poll:application --pythonpath samples/django_site``, then
``rundaemon``; or ``--asgi poll:asgi``, where asynchronous views are at home.
"""

from collections import Counter
from html import escape

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from perdure.app.web.gateways.gateway import current_registry

CHOICES = ("tea", "coffee", "water")

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__,
        # Keep yours to yourself: it signs cookies.
        SECRET_KEY="of a sample, and known to everybody",
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=[
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
    )
    django.setup()


class Votes:
    """How many votes each choice has."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()


def votes() -> Votes:
    """The votes of the application that answers."""
    return current_registry().get_component(Votes, default=Votes)


@require_GET
def show(request: HttpRequest) -> HttpResponse:
    token = escape(get_token(request))
    counts = votes().counts
    lines = [
        f"<p><button name='choice' value='{each}'>{each}</button> {counts[each]}</p>"
        for each in CHOICES
    ]
    return HttpResponse(
        "<!doctype html>\n<title>Poll</title>\n<form method='post' action='vote'>\n"
        f"<input type='hidden' name='csrfmiddlewaretoken' value='{token}'>\n"
        + "\n".join(lines)
        + "\n</form>\n"
    )


@require_POST
def vote(request: HttpRequest) -> HttpResponse:
    choice = request.POST.get("choice")
    if choice not in CHOICES:
        return HttpResponseBadRequest("That is not among the choices.")
    votes().counts[choice] += 1
    return HttpResponseRedirect("./")


urlpatterns = [path("", show), path("vote", vote)]

application = get_wsgi_application()
asgi = get_asgi_application()
