"""The frame that the pages made by scripts stand in."""

from html import escape

FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">{head}
<title>{title} · Halden Skerry Light</title>
<link rel="icon" href="lighthouse.svg" type="image/svg+xml">
<link rel="stylesheet" href="style.css">
</head>
<body>
<header class="bar">
<a class="name" href="./">Halden Skerry Light</a>
<nav>
<a href="about.html">The light</a>
<a href="counter.rpy">Landings</a>
<a href="guestbook.rpy">Guest book</a>
<a href="weblog.rpy">Sightings</a>
</nav>
</header>
<main>
<h1>{title}</h1>
{body}
</main>
<footer>Served by Perdure, which does not forget.</footer>
</body>
</html>
"""


def page(title: str, body: str, *, head: str = "") -> str:
    """A whole page: `title` is text, `body` and `head` are HTML already escaped."""
    return FRAME.format(title=escape(title), body=body, head=head)
