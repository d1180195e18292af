from html import escape

from layout import page
from visits import Entry, EntryError, GuestBook

from perdure.app.web.request import Request
from perdure.app.web.resource import Resource
from perdure.app.web.response import Response

book = registry.get_component(GuestBook, default=GuestBook)

FORM = """\
{warning}<form method="post" action="guestbook.rpy">
<label>Your name
<input name="name" required maxlength="{longest_name}" value="{name}"></label>
<label>Your message
<textarea name="message" required maxlength="{longest_message}" rows="4">
{message}</textarea></label>
<button>Sign the book</button>
</form>
"""


def form(name: str = "", message: str = "", warning: str = "") -> str:
    return FORM.format(
        name=escape(name),
        message=escape(message),
        warning=f'<p class="warning" role="alert">{escape(warning)}</p>\n' if warning else "",
        longest_name=book.longest_name,
        longest_message=book.longest_message,
    )


def article(entry: Entry) -> str:
    return (
        f"<article><header><strong>{escape(entry.name)}</strong> "
        f'<time datetime="{entry.written.isoformat()}">{entry.written:%d %B %Y, %H:%M} UTC</time>'
        f'</header><p class="message">{escape(entry.message)}</p></article>\n'
    )


def whole(form_html: str) -> str:
    entries = "".join(map(article, book.newest_first()))
    return page("Guest book", form_html + (entries or "<p>Nobody has signed yet.</p>"))


class GuestBookPage(Resource):
    is_leaf = True

    def render_GET(self, request: Request) -> str:
        return whole(form())

    async def render_POST(self, request: Request) -> Response:
        # Both fields at their longest, every character escaped, fit in this; more is refused.
        await request.read(limit=16_384)
        fields = (await request.form()).fields
        name, message = fields.get("name", ""), fields.get("message", "")
        # Browsers send every line end as CR LF, and count it as one character.
        message = message.replace("\r\n", "\n")
        try:
            book.sign(name, message)
        except EntryError as error:
            body = whole(form(name[:200], message[:2000], str(error)))
            return Response(body, status=422)
        # See Other: reloading the page that follows does not sign twice.
        return Response(status=303, headers=[("Location", "guestbook.rpy")])


resource = GuestBookPage()
