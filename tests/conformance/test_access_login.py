"""Signing in by browser: by password and by a real OpenID provider, and what a session's cookie may do."""

import base64
import contextlib
import hashlib
import hmac
import html
import http.client
import json
import re
import secrets
import socket
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.support.access import PASSWORD, running_access
from tracklog_contract.errors import Rejected
from tracklog_server.access.login_http import _next
from tracklog_server.access.oidc import Attempt, Provider
from tracklog_server.task import OidcSettings

CLIENT_ID = "tracklog-tests"


class Browser:
    """Keeps cookies by host, follows nothing by itself, and says where it comes from as browsers do."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.cookies: dict[tuple[str, str], str] = {}
        self.flags: dict[str, str] = {}

    def ask(self, method, url, form=None, headers=None):
        """(status, headers, body) of one request; a form, as a page of the same site posts it."""
        parts = urlsplit(url if "://" in url else self.home + url)
        body, sent = None, {"Accept": "text/html", **(headers or {})}
        if form is not None:
            body = urlencode(form)
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{parts.netloc}"}
        cookies = [f"{name}={value}" for (host, name), value in self.cookies.items() if host == parts.netloc]
        if cookies:
            sent["Cookie"] = "; ".join(cookies)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body, sent)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for header in answer.headers.get_all("Set-Cookie", []):
            pair, _, flags = header.partition(";")
            name, _, value = pair.partition("=")
            self.flags[name] = flags
            if "Max-Age=0" in flags:
                self.cookies.pop((parts.netloc, name), None)
            else:
                self.cookies[parts.netloc, name] = value.strip('"')
        return answer.status, answer.headers, text

    def cookie(self, name):
        """The value of a cookie of the tracklog server."""
        return self.cookies.get((urlsplit(self.home).netloc, name))


PEOPLE = (
    {"sub": "ada", "email": "ada@lab.example", "email_verified": True},
    {"sub": "eve", "email": "ada@lab.example", "email_verified": False},
    {"sub": "new", "email": "new@lab.example", "email_verified": True},
)


@pytest.fixture(scope="module")
def provider():
    """The issuer of a provider that is running, and knows PEOPLE."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    claims = [word for person in PEOPLE for word in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *claims]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def signing_in(provider):
    """A server whose people sign in by the provider."""
    options = ("--oidc-issuer", provider, "--oidc-client-id", CLIENT_ID, "--oidc-client-secret", "s3cret")
    with running_access(*options) as access:
        access.make_principal("ada@lab.example")
        yield access


@pytest.fixture
def browser(signing_in):
    return Browser(signing_in.server.url)


def through_the_provider(browser, subject, path="/login/oidc"):
    """What the server answers to a browser that comes back from the provider as `subject`."""
    status, headers, _ = browser.ask("GET", path)
    assert status == 303
    there = headers["Location"]
    asked = parse_qs(urlsplit(there).query)
    assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
    status, headers, _ = browser.ask("POST", there, {"sub": subject})
    assert status == 302
    return browser.ask("GET", headers["Location"])


def test_a_person_signs_in_by_the_provider_works_and_leaves(browser, signing_in):
    status, headers, _ = browser.ask("GET", "/")
    assert (status, headers["Location"]) == (303, "/login")
    status, headers, page = browser.ask("GET", "/login?next=%2F%23%2Fexperiments")
    assert status == 200
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    link = html.unescape(re.search(r'href="(/login/oidc[^"]*)"', page)[1])
    status, headers, _ = through_the_provider(browser, "ada", link)
    assert (status, headers["Location"]) == (303, "/#/experiments")
    flags = browser.flags["tracklog_session"].split(";")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {flag.strip() for flag in flags}
    assert browser.ask("GET", "/")[0] == 200
    current = browser.ask("GET", "/ajax-api/2.0/mlflow/users/current")
    assert json.loads(current[2])["user"]["username"] == "ada@lab.example"
    # The page's own writes say where they come from; those of another page cannot say it was here.
    create = ("POST", "/ajax-api/2.0/mlflow/experiments/create")
    fields = json.dumps({"name": secrets.token_hex(8)})

    def write(**headers):
        connection = http.client.HTTPConnection(urlsplit(browser.home).netloc, timeout=30)
        cookie = f"tracklog_session={browser.cookie('tracklog_session')}"
        connection.request(*create, fields, {"Content-Type": "application/json", "Cookie": cookie, **headers})
        status = connection.getresponse().status
        connection.close()
        return status

    assert write() == 403
    assert write(Origin="https://elsewhere.example") == 403
    assert write(Origin="null") == 403
    assert write(**{"X-CSRF-Token": "0" * 64}) == 403
    assert write(**{"X-CSRF-Token": browser.cookie("tracklog_csrf")}) == 200
    assert write(Origin=browser.home) == 400  # it is there already
    said = signing_in.value(
        "select count(*) from tracklog_log.entry where kind = 61 and principal = 'ada@lab.example'"
    )
    assert said == 1
    old = dict(browser.cookies)
    assert browser.ask("POST", "/logout", {})[0] == 303
    assert browser.cookie("tracklog_session") is None
    browser.cookies = old
    deadline = time.monotonic() + 1.0
    while browser.ask("GET", "/ajax-api/2.0/mlflow/users/current")[0] != 401:
        assert time.monotonic() < deadline


def test_who_is_no_user_or_not_verified_does_not_get_in(browser):
    for subject, why in (("eve", "has not verified"), ("new", "is no user here")):
        status, _, page = through_the_provider(browser, subject)
        assert status == 403
        assert why in html.unescape(page)
        assert browser.cookie("tracklog_session") is None


def test_a_code_is_good_for_the_browser_and_the_attempt_that_began_it_only(browser, signing_in):
    _, headers, _ = browser.ask("GET", "/login/oidc")
    _, headers, _ = browser.ask("POST", headers["Location"], {"sub": "ada"})
    back = headers["Location"]
    other = Browser(browser.home)
    status, _, page = other.ask("GET", back)
    assert (status, "did not begin it" in page) == (403, True)
    other.ask("GET", "/login/oidc")
    assert other.ask("GET", back)[0] == 403
    assert browser.ask("GET", back)[0] == 303
    # The cookie of the attempt is gone, so the same answer does nothing again.
    assert browser.ask("GET", back)[0] == 403


def test_a_person_signs_in_by_password(signing_in):
    browser = Browser(signing_in.server.url)
    status, _, page = browser.ask("POST", "/login", {"username": "reader", "password": "<script>"})
    assert (status, "is wrong" in page, "<script>" in page) == (401, True, False)
    status, headers, _ = browser.ask(
        "POST", "/login?next=//evil.example", {"username": "reader", "password": PASSWORD}
    )
    assert (status, headers["Location"]) == (303, "/")
    assert json.loads(browser.ask("GET", "/api/2.0/mlflow/users/current")[2])["user"]["username"] == "reader"
    stranger = Browser(signing_in.server.url)
    status, _, _ = stranger.ask(
        "POST", "/login", {"username": "reader", "password": PASSWORD}, {"Cookie": "x"}
    )
    assert status == 303
    evil = http.client.HTTPConnection(urlsplit(browser.home).netloc, timeout=30)
    evil.request("POST", "/login", "username=reader", {"Origin": "https://evil.example"})
    assert evil.getresponse().status == 403
    evil.close()


@pytest.mark.parametrize("path", ["//evil", "/\\evil", "https://evil", "", "evil", "/a\nb", "/a\\b"])
def test_nobody_is_led_elsewhere_after_signing_in(path):
    assert _next(path) == "/"


SETTINGS = OidcSettings("https://login.example", CLIENT_ID, "", "email")
KEY, OTHERS_KEY = (
    RSAKey.generate_key(2048, parameters={"kid": "1"}),
    RSAKey.generate_key(2048, parameters={"kid": "1"}),
)
GOOD = {
    "iss": SETTINGS.issuer, "aud": CLIENT_ID, "email": "ada@lab.example", "email_verified": True,
    "iat": int(time.time()), "exp": int(time.time()) + 600,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "header", "key"),
    [
        ({}, {"alg": "RS256", "kid": "1"}, KEY),
        ({"iss": "https://evil.example"}, {"alg": "RS256", "kid": "1"}, KEY),
        ({"aud": "another"}, {"alg": "RS256", "kid": "1"}, KEY),
        ({"aud": [CLIENT_ID, "another"]}, {"alg": "RS256", "kid": "1"}, KEY),
        ({"exp": int(time.time()) - 120}, {"alg": "RS256", "kid": "1"}, KEY),
        ({"nonce": "another"}, {"alg": "RS256", "kid": "1"}, KEY),
        ({"email_verified": "true"}, {"alg": "RS256", "kid": "1"}, KEY),
        ({"email": ""}, {"alg": "RS256", "kid": "1"}, KEY),
        ({}, {"alg": "RS256", "kid": "1"}, OTHERS_KEY),
        # Signed with what everybody knows, as if it were a secret.
        ({}, {"alg": "HS256", "kid": "1"}, "public"),
        ({}, {"alg": "none"}, None),
    ],
)
async def test_only_a_token_that_is_good_in_every_way_names_anybody(change, header, key):
    provider, attempt = Provider(SETTINGS), Attempt.new()
    provider._keys = KeySet([RSAKey.import_key(KEY.as_dict(private=False))])

    async def key_set():
        return provider._keys

    provider._key_set = key_set
    claims = {**GOOD, "nonce": attempt.nonce, **change}
    if isinstance(key, RSAKey):
        token = jwt.encode(header, claims, key)
    else:
        token = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        known = KEY.as_pem(private=False)
        token += "." + (base64url(hmac.digest(known, token.encode(), "sha256")) if key else "")

    async def name():
        return provider._name_in(await provider._claims(token, attempt.nonce))

    if change or key is not KEY:
        with pytest.raises(Rejected, match="Signing in failed"):
            await name()
    else:
        assert await name() == "ada@lab.example"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_an_attempt_proves_itself_by_its_verifier():
    attempt = Attempt.new()
    digest = base64.urlsafe_b64decode(attempt.challenge + "=")
    assert digest == hashlib.sha256(attempt.verifier.encode()).digest()
    assert Attempt.new() != attempt
