"""Random and mutated credentials and requests on every route: nothing fails, and nobody sees another's data.

ACCESS_FUZZ says how many requests, ACCESS_FUZZ_SEED which; both have defaults that suit every run.
"""

import base64
import copy
import os
import random
import re
import string
from urllib.parse import quote

import pytest

from tests.support.access import OTHER_WORKSPACE, PASSWORD, World, basic, bearer, make_world, running_access
from tests.support.access_requests import REQUESTS, Asked
from tests.support.api import LOST, Api
from tracklog_contract.caller import Need
from tracklog_server.access.needs import NEEDS

REQUESTS_MADE = int(os.environ.get("ACCESS_FUZZ", "1000"))
SEED = int(os.environ.get("ACCESS_FUZZ_SEED", "20261124"))
ROUTES = [(method, path) for method, path in NEEDS if NEEDS[method, path] is not Need.OPEN]
# What would end the fuzzer's own being there.
SPARED = {("DELETE", "/2.0/mlflow/users/delete"), ("PATCH", "/2.0/mlflow/users/update-password")}
QUERY = ("next", "code", "state", "expires", "signature", "size", "upload", "principal", "workspace")
PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "


@pytest.fixture(scope="module")
def access():
    """A server of its own: so many wrong guesses lock their address out, which others share."""
    with running_access() as access:
        yield access


class Attacker:
    """Somebody of another workspace, and somebody of the same one without rights; seeded."""

    def __init__(self, access, victim: World, own: World) -> None:
        self.random = random.Random(SEED)
        self._access = access
        self._victim, self._own = victim, own

    def credential(self) -> dict[str, str]:
        """A header that shows something, good or bad."""
        pick = self.random
        token = self._access.tokens[pick.choice(["outsider", "stranger"])]
        # Of those of whom more is known than they would like: never the whole.
        other = self._access.tokens[pick.choice(["root", "manager", "reader"])]
        kind = pick.randrange(10)
        if kind < 4:
            return bearer(token)
        if kind == 4:
            return basic("outsider", pick.choice([PASSWORD, token, ""]))
        if kind == 5:
            return bearer(self.mutated(other))
        if kind == 6:
            return basic(
                pick.choice(["root", "", "root\0", "o" * 300]), pick.choice([token, other[:20], "\0"])
            )
        if kind == 7:
            junk = base64.b64encode(pick.randbytes(pick.randrange(60))).decode()
            return {"Authorization": f"{pick.choice(['Basic', 'bearer', 'Digest', ''])} {junk}"}
        if kind == 8:
            return {"Authorization": self.text()}
        return {}

    def mutated(self, text: str) -> str:
        """`text` with one thing about it changed."""
        place = self.random.randrange(len(text))
        changed = text[:place] + self.random.choice(["", "A", "_", "-", "%00", " "]) + text[place + 1 :]
        return changed if changed != text else text[:-1]

    def text(self) -> str:
        """Some printable characters."""
        return "".join(self.random.choices(PRINTABLE, k=self.random.randrange(80)))

    def headers(self) -> dict[str, str]:
        """A workspace that is asked for, or not."""
        workspace = self.random.choice([None, None, "default", OTHER_WORKSPACE, "nowhere", self.text()])
        return {} if workspace is None else {"X-MLFLOW-WORKSPACE": workspace}

    def request(self) -> tuple[str, Asked]:
        """A request to any route, about the victim's things or the attacker's own, maybe with a mutation."""
        while True:
            method, path = self.random.choice(ROUTES)
            if (method, path) not in SPARED:
                break
        mixed = {
            name: getattr(self.random.choice([self._victim, self._victim, self._own]), name)
            for name in vars(self._victim)
        }
        # In a run of its own the attacker may keep whatever names it knows: they would be no leak there.
        place = self._victim if mixed["run_id"] == self._victim.run_id else self._own
        asked = REQUESTS[f"{method} {path}"](World(**{**mixed, "secret": place.secret}))
        fields = copy.deepcopy(asked.fields)
        if isinstance(fields, dict) and fields and self.random.random() < 0.3:
            name = self.random.choice(sorted(fields))
            values = (None, "", "*", ["*"], -1, {}, [{}], self.text(), "\0", "x" * 5000)
            fields[name] = self.random.choice(values)
        elif isinstance(fields, bytes) and fields and self.random.random() < 0.3:
            place = self.random.randrange(len(fields))
            fields = fields[:place] + self.random.randbytes(2) + fields[place + 1 :]
        return method, Asked(asked.path, fields, asked.headers)


def test_no_credential_and_no_request_gives_what_is_anothers(access):
    with Api(access.server.url) as api:
        victim = make_world(api, access.headers("root"))
        own = make_world(api, access.headers("outsider"))
        attacker = Attacker(access, victim, own)
        entries = "select count(*) from tracklog_log.entry where experiment_id = $1"
        before = access.value(entries, int(victim.experiment_id))
        statuses: dict[int, int] = {}
        for number in range(REQUESTS_MADE):
            method, asked = attacker.request()
            headers = {**asked.headers, **attacker.headers(), **attacker.credential()}
            try:
                answer = api.call(method, asked.path, asked.fields, headers)
            except (*LOST, ValueError, UnicodeError):
                continue  # what http.client does not send, or the server closed on a malformed head
            what = (SEED, number, method, asked, headers, answer.status, answer.body[:500])
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            assert answer.status < 500 or answer.status == 501, what
            assert victim.hidden.encode() not in answer.body, what
            if victim.secret not in str(asked):
                assert victim.secret.encode() not in answer.body, what
        assert access.value(entries, int(victim.experiment_id)) == before
    # The fuzzer is no fuzzer when it never gets in, or always does.
    assert statuses.get(200, 0) > REQUESTS_MADE / 50
    assert statuses.get(401, 0) > REQUESTS_MADE / 5
    assert statuses.get(404, 0) + statuses.get(403, 0) > REQUESTS_MADE / 10


def test_what_is_open_to_all_breaks_for_nobody(access):
    pick = random.Random(SEED)
    odd = ["", "a", "%00", "%ff", "..%2f", "experiments/1", "x" * 3000, "1/../2", "%0d%0aA:b", "*"]
    kinds = [
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=b",
        "\xff",
    ]
    with Api(access.server.url) as api:
        for _ in range(max(300, REQUESTS_MADE // 10)):
            method, path = pick.choice([route for route in NEEDS if NEEDS[route] is Need.OPEN])
            path = re.sub(r"{\w+}", lambda _: quote(pick.choice(odd), safe="%/*"), path)
            prefix = "/api" if path.startswith("/3.0") else ""
            query = "&".join(f"{name}={quote(pick.choice(odd), safe='%')}" for name in pick.sample(QUERY, 3))
            body = pick.choice([b"", b"{}", b"grant_type=client_credentials", b"--b\r\n", pick.randbytes(40)])
            headers = {
                "Content-Type": pick.choice(kinds),
                "Accept": pick.choice(["text/html", "*/*"]),
                "Cookie": pick.choice(
                    ["", "tracklog_session=x", "tracklog_attempt=00", "tracklog_attempt=5b5d"]
                ),
                "Authorization": pick.choice(["", "Basic Og==", "Bearer x", "Basic AABB", "\xff"]),
                "X-MLFLOW-WORKSPACE": pick.choice(["", "\xff", OTHER_WORKSPACE]),
            }
            what = (SEED, method, prefix + path, query, body, headers)
            answer = api.call(method, f"{prefix}{path}?{query}", None if method == "GET" else body, headers)
            assert answer.status < 500, (what, answer.status, answer.body)
            assert not {"a", "A"} & set(answer.headers), what


@pytest.mark.parametrize(
    "header", ["X" * 9000, "Basic " + "A" * 9000, "Bearer \xff\xfe", "Bearer  ", "Basic Og=="]
)
def test_an_absurd_credential_is_no_more_than_wrong(access, header):
    with Api(access.server.url) as api:
        answer = api.call("GET", "experiments/search", {"max_results": 1}, {"Authorization": header})
    assert answer.status in {400, 401, 429}
