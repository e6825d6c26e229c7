"""What is remembered of callers, and for how long: never longer than nothing has changed."""

import asyncio
import base64
import contextlib
from types import SimpleNamespace

import pytest

from tracklog_contract.caller import Level, Need
from tracklog_contract.errors import Rejected, TooMany
from tracklog_server.access import passwords, tokens
from tracklog_server.access.authenticator import SQL, TRUSTED_S, Authenticator
from tracklog_server.access.throttle import NAME_FAILURES_MAX

TOKEN = tokens.new_token()
IDENTITY = {
    "principal_id": 1, "name": "ada", "admin": False, "disabled": False, "home": "lab", "password": None,
    "token_id": TOKEN.token_id, "digest": TOKEN.digest, "workspace": None, "expires_at": None,
}  # fmt: skip
RIGHTS = {
    "principal_id": 1, "admin": False, "default_level": 1, "of_workspace": 2, "of_experiments": None,
    "denied": None, "has_denials": None, "has_any": True,
}  # fmt: skip
REQUEST = SimpleNamespace(
    headers={"Authorization": f"Bearer {TOKEN.text}"}, cookies={}, remote="10.0.0.1", method="GET"
)


class Database:
    """Answers as the tables of access would; `asked` counts identities, `during` happens meanwhile."""

    def __init__(self):
        self.version, self.asked, self.identity = 1, 0, IDENTITY
        self.during = lambda: None

    async def fetchval(self, statement, **_):
        assert statement == SQL["get_access_version"]
        return self.version

    async def fetchrow(self, statement, *_):
        if statement == SQL["get_rights"]:
            return RIGHTS
        self.asked += 1
        found = self.identity
        self.during()
        return found

    async def fetch(self, statement, *_):
        assert statement == SQL["get_levels"]
        return [{"experiment_id": 7, "lowest": None, "highest": 3}]


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def clock():
    return SimpleNamespace(now=100.0)


@pytest.fixture
def authenticator(database, clock):
    return Authenticator(database, lambda: clock.now)


async def poll(authenticator):
    """One round of asking for changes."""
    task = asyncio.create_task(authenticator.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_credential_is_asked_for_once_until_something_changes(authenticator, database):
    await poll(authenticator)
    for _ in range(5):
        assert (await authenticator.caller(REQUEST, Need.READ)).principal == "ada"
    assert database.asked == 1
    await poll(authenticator)
    await authenticator.caller(REQUEST, Need.READ)
    assert database.asked == 1
    database.version, database.identity = 2, None
    await poll(authenticator)
    with pytest.raises(Rejected, match="not known, or revoked"):
        await authenticator.caller(REQUEST, Need.READ)


async def test_nothing_is_trusted_when_changes_could_not_be_asked_for(authenticator, database, clock):
    await poll(authenticator)
    await authenticator.caller(REQUEST, Need.READ)
    database.identity = None
    clock.now += TRUSTED_S + 0.01
    with pytest.raises(Rejected, match="not known, or revoked"):
        await authenticator.caller(REQUEST, Need.READ)


async def test_nor_is_it_for_the_url_of_somebody(authenticator, database, clock):
    await poll(authenticator)
    before = (await authenticator.on_behalf_of("ada", "lab", Need.READ)).rights
    assert (await authenticator.on_behalf_of("ada", "lab", Need.READ)).rights is before
    clock.now += TRUSTED_S + 0.01
    assert (await authenticator.on_behalf_of("ada", "lab", Need.READ)).rights is not before
    database.identity = {**IDENTITY, "disabled": True}
    with pytest.raises(Rejected, match="not known any more"):
        await authenticator.on_behalf_of("ada", "lab", Need.READ)


async def test_an_answer_from_before_a_change_is_not_remembered(authenticator, database):
    await poll(authenticator)

    def revoked():
        database.identity = None
        authenticator.forget()

    database.during = revoked
    await authenticator.caller(REQUEST, Need.READ)
    database.during = lambda: None
    with pytest.raises(Rejected, match="not known, or revoked"):
        await authenticator.caller(REQUEST, Need.READ)


async def test_levels_are_remembered_with_the_rights_and_refusals_never(authenticator):
    await poll(authenticator)
    rights = (await authenticator.caller(REQUEST, Need.EDIT)).rights
    assert await rights.levels([7, 8]) == {7: Level.EDIT}
    assert (rights.known(7), rights.known(8)) == (Level.EDIT, None)
    authenticator.forget()
    assert (await authenticator.caller(REQUEST, Need.EDIT)).rights.known(7) is None


async def test_who_may_not_sign_in_is_guessed_at_as_long_and_as_often_as_anybody(
    authenticator, database, monkeypatch
):
    guessed = []
    monkeypatch.setattr(passwords, "matches", lambda password, kept: guessed.append(kept) or True)
    kept = b"salt and digest"
    for row in (None, {**IDENTITY, "password": None}, {**IDENTITY, "password": kept, "disabled": True}):
        database.identity = row
        assert not await authenticator.password_is("ada", "right", "10.0.0.1")
    assert guessed == [passwords.NOBODYS] * 3
    database.identity = {**IDENTITY, "password": kept}
    assert await authenticator.password_is("ada", "right", "10.0.0.1")
    # The database would take this for "ada", the count of guesses for another name.
    assert not await authenticator.password_is("a\0da", "right", "10.0.0.1")
    basic = base64.b64encode(b"ad\0a:right").decode()
    request = SimpleNamespace(**{**vars(REQUEST), "headers": {"Authorization": f"Basic {basic}"}})
    with pytest.raises(Rejected, match="name or password is wrong"):
        await authenticator.caller(request, Need.READ)
    database.identity = None
    for _ in range(NAME_FAILURES_MAX - 3):
        assert not await authenticator.password_is("ada", "wrong", "10.0.0.1")
    with pytest.raises(TooMany):
        await authenticator.password_is("ada", "wrong", "10.0.0.1")


async def test_no_secret_is_kept(authenticator):
    await poll(authenticator)
    await authenticator.caller(REQUEST, Need.READ)
    assert TOKEN.text not in repr(vars(authenticator))
