"""Who may have the server look for uploads that came without a word: only who may read there."""

import time
from types import SimpleNamespace

import pytest

from tests.support.memory_ledger import MemoryLedger
from tracklog_artifacts.config import ArtifactConfig
from tracklog_artifacts.ledger import Intent
from tracklog_artifacts.settle import Settler
from tracklog_artifacts.store import Stat
from tracklog_contract.caller import ANYONE, CALLER, Caller, Need
from tracklog_contract.errors import NOT_FOUND, Rejected
from tracklog_server.access.authenticator import NOTHING

PATH = ("7", "a")


class GuardedLedger(MemoryLedger):
    """Refuses whoever has rights, as those of one who may read nothing."""

    async def intents_below(self, path, **page):
        if CALLER.get().rights is not None:
            raise Rejected(NOT_FOUND, "not here")
        return await super().intents_below(path, **page)


async def test_for_whoever_may_not_read_nothing_is_looked_for():
    looked_for = []

    async def stat(path):
        looked_for.append(path)
        return Stat(1, "etag", 0.0)

    ledger = GuardedLedger()
    await ledger.intended([Intent(PATH, None, time.time() + 60)])
    settler = Settler(SimpleNamespace(stat=stat), ledger, ArtifactConfig())
    token = CALLER.set(Caller("eve", "elsewhere", Need.READ, NOTHING))
    try:
        for below in (PATH, ()):
            with pytest.raises(Rejected, match="not here"):
                await settler.settle(below)
    finally:
        CALLER.reset(token)
    assert looked_for == []
    assert CALLER.get() is ANYONE
    await settler.settle(PATH)
    assert looked_for == [PATH]
    assert (await ledger.file(PATH)).size_bytes == 1
