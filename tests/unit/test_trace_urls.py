"""A signed URL of a trace's data lets its holder do one thing with one trace, for a while."""

from urllib.parse import urlsplit

import pytest

from tracklog_contract.errors import Rejected
from tracklog_server.trace_urls import EXPIRES_S, PREFIX, TraceUrls


class Keys:
    """A pool that gives one key."""

    def __init__(self, key=b"k" * 32):
        self.key = key

    async def fetchval(self, _):
        return self.key


class Clock:
    now_s = 1000.5

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def urls(clock):
    return TraceUrls(Keys(), clock)


async def test_a_url_is_good_for_what_it_was_signed_for(urls):
    url = urlsplit(await urls.signed("PUT", "tr-1", "ada & eve", "default"))
    assert url.path == f"{PREFIX}tr-1"
    grant = await urls.granted("PUT", "tr-1", url.query)
    assert (grant.principal, grant.workspace, grant.expires_at_s) == (
        "ada & eve",
        "default",
        1000 + EXPIRES_S,
    )
    for method, trace_id, query in (
        ("GET", "tr-1", url.query),
        ("PUT", "tr-2", url.query),
        ("PUT", "tr-1", url.query.replace("ada", "bob")),
        ("PUT", "tr-1", url.query.replace("default", "other")),
        ("PUT", "tr-1", url.query.replace("expires=1", "expires=2")),
        ("PUT", "tr-1", url.query[:-1] + ("0" if url.query[-1] != "0" else "1")),
        ("PUT", "tr-1", f"{url.query}&expires=9999"),
        ("PUT", "tr-1", url.query.partition("&")[2]),
        ("PUT", "tr-1", f"{url.query[:-64]}\udcff"),
        ("PUT", "tr-1", ""),
    ):
        with pytest.raises(Rejected, match="not one that this server signed") as refusal:
            await urls.granted(method, trace_id, query)
        assert refusal.value.status == 403


async def test_a_url_of_another_installation_is_refused(urls, clock):
    other = TraceUrls(Keys(b"o" * 32), clock)
    url = urlsplit(await other.signed("PUT", "tr-1", "", "default"))
    with pytest.raises(Rejected, match="not one that this server signed"):
        await urls.granted("PUT", "tr-1", url.query)


async def test_a_url_expires(urls, clock):
    url = urlsplit(await urls.signed("GET", "tr-1", "", "default"))
    clock.now_s = 1000 + EXPIRES_S
    assert await urls.granted("GET", "tr-1", url.query)
    clock.now_s += 3
    with pytest.raises(Rejected, match="expired 3 s ago"):
        await urls.granted("GET", "tr-1", url.query)
