"""Where the artifacts of a run or a model lie: below its experiment's location."""

from urllib.parse import urlsplit


def below(location: str, path: str) -> str:
    """The location with `path` added to it; the query of a URL stays at its end."""
    folder, mark, query = location.partition("?") if urlsplit(location).scheme else (location, "", "")
    return f"{folder.removesuffix('/')}/{path}{mark}{query}"
