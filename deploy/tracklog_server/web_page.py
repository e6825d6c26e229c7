"""MLflow's own web page, served from the mlflow package where that is installed beside the server."""

import re
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# These names hold a hash of their content: what a browser has, it never needs to ask for again.
HASHED: Final = re.compile(r"\.[0-9a-f]{8,}\.")
FOR_EVER: Final = "public, max-age=31536000, immutable"
# The page itself names the hashed files of its version.
ASK_AGAIN: Final = "no-cache"
# Not by the system's table, which differs between machines.
TYPES: Final = {
    ".cjs": "text/javascript",
    ".css": "text/css",
    ".eot": "application/vnd.ms-fontobject",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
# No other site may frame the page.
PAGE_HEADERS: Final = {"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "same-origin"}
WITHOUT_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>tracklog</title>
<p>tracklog is running, and MLflow clients can log to it. To see runs here, install MLflow's web page
beside it and start the server again:
<pre>pip install 'tracklog[mlflow-ui]'</pre>
"""


def find_build() -> Path | None:
    """The folder of the page's files in the installed mlflow package; None without them.

    The package is found, not imported: an import takes seconds and a hundred megabytes.
    """
    spec = find_spec("mlflow")
    if spec is None or spec.origin is None:
        return None
    build = Path(spec.origin).parent / "server" / "js" / "build"
    return build if (build / "index.html").is_file() else None


def routes(build: Path | None) -> list[tuple[str, str, Handler]]:
    """The page's routes, to mount without a prefix: of the files in `build`, or of a hint what to install."""
    if build is None:
        return [("GET", "/", _without_page)]
    # Only what is there now can be asked for, so that no path leads out of the folder.
    files = {path.relative_to(build).as_posix(): path for path in build.rglob("*") if path.is_file()}

    async def page(_: web.Request) -> web.StreamResponse:
        return _file(files["index.html"], PAGE_HEADERS)

    async def static(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in files:
            raise web.HTTPNotFound
        return _file(files[name], {})

    return [("GET", "/", page), ("GET", "/static-files/{name:.+}", static)]


def _file(path: Path, headers: dict[str, str]) -> web.StreamResponse:
    return web.FileResponse(
        path,
        headers={
            **headers,
            "Content-Type": TYPES.get(path.suffix, "application/octet-stream"),
            "Cache-Control": FOR_EVER if HASHED.search(path.name) else ASK_AGAIN,
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _without_page(_: web.Request) -> web.StreamResponse:
    return web.Response(text=WITHOUT_PAGE, content_type="text/html")
