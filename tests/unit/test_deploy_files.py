"""The files for containers: they parse, their settings are settings, and what they refer to is there."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.readme import ROOT
from tracklog_artifacts.s3_config import S3Config
from tracklog_server.settings import ENVIRONMENT_PREFIX, OPTIONS, environment_name, load

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KNOWN = set(map(environment_name, OPTIONS))
# ${NAME}, ${NAME:-default} and ${NAME:?message}
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}")


def documents(path: Path) -> list[dict]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def settings_named(text: str) -> set[str]:
    return set(re.findall(rf"\b{ENVIRONMENT_PREFIX}[A-Z_]+\b", text))


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    (compose,) = documents(DEPLOY / "compose.yaml")
    return compose["services"]


@pytest.fixture(scope="module")
def objects() -> dict[tuple[str, str], dict]:
    files = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    found = [
        document for name in [*files, "secret.example.yaml"] for document in documents(KUBERNETES / name)
    ]
    return {(document["kind"], document["metadata"]["name"]): document for document in found}


def filled_in(environment: dict[str, str]) -> dict[str, str]:
    """A compose service's environment as compose makes it, with "some" for what has no default."""
    return {
        name: VARIABLE.sub(lambda variable: variable.group(2) or "some", value)
        for name, value in environment.items()
    }


@pytest.mark.parametrize(
    "path", [DEPLOY / "compose.yaml", KUBERNETES / "settings.yaml"], ids=lambda p: p.name
)
def test_every_setting_that_is_named_exists(path):
    assert {"TRACKLOG_ARTIFACT_ROOT", "TRACKLOG_AUTH"} <= settings_named(path.read_text()) <= KNOWN


def test_the_server_of_compose_takes_its_settings(services):
    environment = filled_in(services["tracklog"]["environment"])
    settings = load({}, environment)
    assert settings.auth
    assert isinstance(settings.artifact_place, S3Config)
    assert settings.artifact_place.endpoint == "http://store:7070"
    assert services["store"]["ports"] == ["${STORE_ADDRESS:-127.0.0.1}:7070:7070"]
    assert settings.artifact_place.public_endpoint == "http://localhost:7070"
    assert f"@postgres:5432/{services['postgres']['environment']['POSTGRES_DB']}" in settings.database_url
    assert load({}, filled_in(services["bucket"]["environment"])).artifact_place == settings.artifact_place


def test_compose_has_no_secret_and_no_port_for_everyone(services):
    for service in services.values():
        for port in service.get("ports", ()):
            assert re.match(r"\$\{\w+:-127\.0\.0\.1\}:", port)
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "SECRET" in name:
                assert VARIABLE.fullmatch(value)
                assert ":-" not in value


def test_the_server_of_kubernetes_takes_its_settings(objects):
    data = objects["ConfigMap", "tracklog"]["data"]
    url = objects["Secret", "tracklog"]["stringData"]["database-url"]
    settings = load({}, {**data, "TRACKLOG_DATABASE_URL": url})
    assert settings.auth
    assert isinstance(settings.artifact_place, S3Config)
    assert url.endswith("@tracklog-postgres:5432/tracklog")
    (port,) = objects["Service", "tracklog-store"]["spec"]["ports"]
    assert settings.artifact_place.endpoint == f"http://tracklog-store:{port['port']}"
    assert settings.artifact_place.public_endpoint.startswith("https://")
    pod = objects["Deployment", "tracklog"]["spec"]["template"]["spec"]
    # Variables of services named tracklog would be taken for settings, and refused.
    assert pod["enableServiceLinks"] is False


def test_what_pods_refer_to_is_there(objects):
    secret = objects["Secret", "tracklog"]["stringData"]
    containers = [
        container
        for (kind, _), document in objects.items()
        if kind in {"Deployment", "StatefulSet"}
        for part in ("containers", "initContainers")
        for container in document["spec"]["template"]["spec"].get(part, ())
    ]
    assert len(containers) == 4
    for container in containers:
        for source in container.get("envFrom", ()):
            assert ("ConfigMap", source["configMapRef"]["name"]) in objects
        for variable in container["env"]:
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["name"] == "tracklog"
                assert reference["key"] in secret
    for (kind, _), document in objects.items():
        if kind == "Service":
            selected = document["spec"]["selector"]
            assert [
                name
                for (other, name), pods in objects.items()
                if other in {"Deployment", "StatefulSet"}
                and selected == pods["spec"]["template"]["metadata"]["labels"]
            ]


def test_the_image_has_every_package():
    copied = re.findall(r"^COPY (.+) /source/\S*$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    sources = {name for line in copied for name in line.split()}
    project = (ROOT / "pyproject.toml").read_text()
    packages = re.findall(
        r'^  "(\w+)/\w+",$', project.partition("packages = [")[2].partition("]")[0], re.MULTILINE
    )
    assert len(packages) == 6
    assert {*packages, "pyproject.toml", "README.md"} == sources
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == sources
