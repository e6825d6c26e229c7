"""Which artifact paths are stored under which names, and which are refused."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracklog_artifacts.paths import (
    NAME_BYTES_MAX,
    PATH_BYTES_MAX,
    PATH_NAMES_MAX,
    decoded,
    directory_path,
    file_path,
    is_safe_name,
    path_of_uri,
)
from tracklog_contract.errors import INVALID, Rejected

GOOD = [
    "1/abc/artifacts/model.pkl",
    "1/abc/artifacts/MLmodel",
    "a b/c d.txt",
    "images/img+step+0+timestamp+1795489942935.webp",
    "größe/日本語/файл.txt",
    "emoji 👩\u200d🔬.png",
    "100%.txt",
    "50%off/%zz",
    "a..b/..c/d..",
    ".hidden/.gitignore",
    "metric:loss.png",
    "profile:v2/x",
    "a\uff0etxt",
    "x" * NAME_BYTES_MAX,
    "ä" * (NAME_BYTES_MAX // 2),
    "/".join("d" * PATH_NAMES_MAX),
]

HOSTILE = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "a//b",
    "a/",
    "./a",
    "a/./b",
    "a/ /b",
    "a/.. /b",
    "a/.../b",
    "..\\x",
    "a\\b",
    "\\\\host\\share",
    "C:/x",
    "c:x",
    "a/D:/x",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "a/FILE:x",
    "a#b",
    "a\x00b",
    "a\nb",
    "a\x7fb",
    "a\x85b",
    "%2e%2e/x",
    "%2E%2e%2fx",
    "%252e%252e%252fx",
    "%25252e%25252e/x",
    "a%2Fb",
    "%2Fetc/passwd",
    "a%5cb",
    "a%00b",
    "a%23b",
    "%2525252525252525252525252525252e",
    "\uff0e\uff0e/x",
    "\u2025/x",
    "a\uff0fb",
    "a\u2100b",
    "a\uff3cb",
    "\uff05\uff12\uff45\uff05\uff12\uff45/x",
    "%ef%bc%8e%ef%bc%8e/x",
    "\ud800",
    "x" * (NAME_BYTES_MAX + 1),
    "ä" * (NAME_BYTES_MAX // 2 + 1),
    "/".join("d" * (PATH_NAMES_MAX + 1)),
    "/".join(["d" * 200] * (PATH_BYTES_MAX // 200 + 1)),
]


@pytest.mark.parametrize("path", GOOD)
def test_a_good_path_is_its_names(path):
    assert file_path(path) == directory_path(path) == tuple(path.split("/"))
    assert file_path(decoded(quote(path))) == tuple(path.split("/"))


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused(path):
    with pytest.raises(Rejected, match=r"^Invalid path") as refusal:
        file_path(path)
    assert refusal.value.error_code == INVALID


@pytest.mark.parametrize("path", [path for path in HOSTILE if path not in ("", "a/", "./a", "a/./b")])
def test_a_hostile_directory_is_refused(path):
    with pytest.raises(Rejected, match=r"^Invalid path"):
        directory_path(path)


@pytest.mark.parametrize("path", ["", ".", "./", "./."])
def test_the_root_directory_has_no_names(path):
    assert directory_path(path) == ()


@pytest.mark.parametrize("path", ["a/b", "a/b/", "./a/b", "a/./b/."])
def test_a_directory_may_end_in_a_slash(path):
    assert directory_path(path) == ("a", "b")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("%C3%A9", "é"),
        ("é", "é"),
        ("100%25", "100%"),
        ("%zz", "%zz"),
        ("a%2541", "a%41"),
    ],
)
def test_a_url_path_is_decoded_once(raw, text):
    assert decoded(raw) == text


@pytest.mark.parametrize("raw", ["%ff", "%ed%a0%80", "%c0%ae%c0%ae", "\ud800"])
def test_bytes_that_are_not_utf8_are_refused(raw):
    with pytest.raises(Rejected, match=r"^Invalid path"):
        decoded(raw)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("mlflow-artifacts:/1/abc/artifacts", ("1", "abc", "artifacts")),
        ("mlflow-artifacts:///1/abc", ("1", "abc")),
        ("mlflow-artifacts://host:5000/1/abc", ("1", "abc")),
        ("mlflow-artifacts:/my%20files/x", ("my files", "x")),
        ("mlflow-artifacts:/my files/x", ("my files", "x")),
        ("mlflow-artifacts:/", ()),
    ],
)
def test_a_run_root_of_this_store_is_found(uri, path):
    assert path_of_uri(uri) == path


@pytest.mark.parametrize("uri", ["s3://bucket/x", "/tmp/x", "file:///tmp/x", "http://h/x", "", "dbfs:/x"])
def test_a_run_root_of_another_store_is_named(uri):
    with pytest.raises(Rejected, match="not in this server's store"):
        path_of_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/../x",
        "mlflow-artifacts:/%2e%2e/x",
        "mlflow-artifacts:////etc",
        "mlflow-artifacts:/a?b",
        "mlflow-artifacts:/a#b",
        "mlflow-artifacts://[/x",
    ],
)
def test_a_hostile_run_root_is_refused(uri):
    with pytest.raises(Rejected):
        path_of_uri(uri)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a#b", "a%2fb", "c:", "caf\udce9", "x" * 256])
def test_a_name_nobody_could_ask_for_is_not_listed(name):
    assert not is_safe_name(name)


@given(st.text(alphabet=st.sampled_from("./\\%25eEfF:#ac\u2025\uff0e\uff0f \x00")))
def test_what_is_accepted_stays_inside_however_often_it_is_decoded(text):
    try:
        names = file_path(text)
    except Rejected:
        return
    for _ in range(12):
        assert text.count("/") == len(names) - 1
        assert not {"", ".", ".."} & set(text.split("/"))
        assert "\x00" not in text
        assert "\\" not in text
        text = unquote(text)


@given(st.text())
def test_any_text_is_a_path_or_refused(text):
    try:
        names = file_path(text)
    except Rejected:
        return
    assert "/".join(names) == text
    assert all(is_safe_name(name) for name in names)
