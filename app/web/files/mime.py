"""Types of files, from a table that is the same on every host."""

import mimetypes
from collections.abc import Mapping
from functools import cache
from typing import Final

# The library's own list changes from one Python to the next, and lacks some of these in all.
_SURE: Final = {
    ".7z": "application/x-7z-compressed",
    ".apk": "application/vnd.android.package-archive",
    ".atom": "application/atom+xml",
    ".avif": "image/avif",
    ".bz2": "application/x-bzip2",
    ".cjs": "text/javascript",
    ".deb": "application/vnd.debian.binary-package",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".geojson": "application/geo+json",
    ".gz": "application/gzip",
    ".ics": "text/calendar",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".log": "text/plain",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".map": "application/json",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mkv": "video/matroska",
    ".mp3": "audio/mpeg",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".rar": "application/vnd.rar",
    ".rss": "application/rss+xml",
    ".rst": "text/x-rst",
    ".svg": "image/svg+xml",
    ".svgz": "image/svg+xml",
    ".tgz": "application/gzip",
    ".toml": "application/toml",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
}

# A compressed file is sent as the archive it is: a browser told of an encoding would unpack it and save
# a tar under the name of a gz. An SVG has no other way.
_ENCODINGS: Final = {".svgz": "gzip"}


@cache
def _table() -> Mapping[str, str]:
    # A fresh instance holds the library's list alone, without what the host's own files add.
    return {**mimetypes.MimeTypes().types_map[True], **_SURE}


def extension_of(name: str) -> str:
    """The last extension of a file's name, in lower case with its dot; empty if there is none."""
    stem, dot, extension = name.rpartition(".")
    return dot + extension.lower() if stem else ""


def content_type(name: str, overrides: Mapping[str, str], default: str) -> tuple[str, str | None]:
    """Content-Type and Content-Encoding (or None) for a file of this name.

    `overrides` are types by extension (``.ext``, lower case) that come before the table; `default`
    is for unknown extensions. Text without a charset is said to be UTF-8.

    >>> content_type("a.b.HTML", {}, "application/octet-stream")
    ('text/html; charset=utf-8', None)
    """
    extension = extension_of(name)
    known = overrides.get(extension) or _table().get(extension, default)
    if known.startswith("text/") and "charset" not in known.lower():
        known += "; charset=utf-8"
    return known, _ENCODINGS.get(extension)
