"""The contract of artifact stores on Ceph, where it is installed, and what Swift cannot show."""

import asyncio

import pytest

from tests.conformance.test_s3_store import S3Contract
from tracklog_artifacts.s3_calls import S3Calls
from tracklog_server.make_bucket import make_ready


@pytest.mark.ceph
class TestCeph(S3Contract):
    payload_hash = True

    @pytest.fixture
    def server(self, ceph):
        return ceph

    async def test_pages_of_the_origins_may_use_the_bucket(self, store, config, server, send):
        make_ready(S3Calls(config, server.session), config, ["https://page.example"])
        signed = store.sign_put(("f",), expires_s=60, size_bytes=5)
        asking = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}
        asked = await send(signed, method="OPTIONS", headers=asking)
        assert asked.status == 200
        assert asked.headers["Access-Control-Allow-Origin"] == "https://page.example"
        assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
        other = await send(signed, method="OPTIONS", headers={**asking, "Origin": "https://other.example"})
        assert "Access-Control-Allow-Origin" not in other.headers
        answer = await send(signed, b"hello", headers={"Origin": "https://page.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]

    async def test_pages_of_a_thousand_are_listed(self, store, send):
        names = [f"{number:04}" for number in range(2_100)]
        waiting = iter(names)

        async def put():
            for name in waiting:
                answer = await send(store.sign_put(("d", name), expires_s=600, size_bytes=1), b"x")
                assert answer.status == 200

        await asyncio.gather(*(put() for _ in range(16)))
        assert [entry.name for entry in await store.entries(("d",))] == names
        assert [path async for path, _ in store.walk()] == [("d", name) for name in names]
        await store.delete(("d",))
        assert await store.entries(()) == []
