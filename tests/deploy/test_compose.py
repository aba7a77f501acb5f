"""docker-compose.yml against the compose specification, and against what it names in this repository."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from typer.testing import CliRunner

from rag.cli.app import app
from tests.conftest import ROOT
from tests.deploy.stack import Image

pytest.importorskip("check_jsonschema", reason="needs check-jsonschema, which carries the compose specification")
TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(TEXT)
    return loaded


@pytest.fixture(scope="module")
def specification() -> Any:
    text = files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    schema = json.loads(text)
    return jsonschema.validators.validator_for(schema)(schema)


def test_it_is_what_the_specification_allows(compose: dict[str, Any], specification: Any) -> None:
    assert [error.message for error in specification.iter_errors(compose)] == []


@pytest.mark.parametrize(
    "change",
    [{"helthcheck": {}}, {"ports": "8080"}, {"restart": True}, {"healthcheck": {"test": 5}}],
    ids=lambda change: next(iter(change)),
)
def test_the_specification_would_notice(compose: dict[str, Any], specification: Any, change: dict[str, Any]) -> None:
    services = {**compose["services"], "db": {**compose["services"]["db"], **change}}
    assert list(specification.iter_errors({**compose, "services": services}))


def test_both_profiles_are_whole(compose: dict[str, Any]) -> None:
    """Whatever a service waits for is there in each of its profiles, is healthy at some time, and keeps its data."""
    services = compose["services"]
    assert {"llm", "api", "api-cpu", "worker", "db", "keys", "prometheus"} == set(services)
    for name, service in services.items():
        # A worker listens nowhere; the builds of one that hangs go on at another.
        assert ("healthcheck" in service) == (name not in ("keys", "worker"))
        assert service["restart"] == ("no" if name == "keys" else "unless-stopped")
        for other in service.get("depends_on", {}):
            profiles = set(services[other].get("profiles", service.get("profiles", [])))
            assert profiles >= set(service.get("profiles", []))
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in compose["volumes"]


def test_nothing_but_the_gpu_profile_starts_the_model_server(compose: dict[str, Any]) -> None:
    """Keys are made without anything else, and no service in front of the model server waits for it."""
    services = compose["services"]
    assert "depends_on" not in services["keys"]
    assert not [name for name, service in services.items() if "llm" in service.get("depends_on", {})]
    assert services["llm"]["profiles"] == ["gpu"]


def test_a_volume_has_one_kind_of_user(compose: dict[str, Any]) -> None:
    """Without capabilities root cannot write where another user's files are, and neither can the other way round."""
    users: dict[str, set[str]] = {}
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            users.setdefault(volume.split(":")[0], set()).add(service.get("user", name))
    assert {volume: len(names) for volume, names in users.items()} == dict.fromkeys(users, 1)


def test_the_images_run_as_the_user_that_owns_their_folders(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "build" not in service:
            continue
        image = Image.from_stage(service["build"]["target"])
        assert service["user"] == f"{image.uid}:{image.uid}"
        for volume in service["volumes"]:
            assert volume.split(":")[1] in image.owned


def test_health_checks_are_patient(compose: dict[str, Any]) -> None:
    """A process that reads a document may be silent for many seconds; the check itself gives up first."""
    for name in ("api", "api-cpu", "llm"):
        check = compose["services"][name]["healthcheck"]
        assert float(check["test"][-1]) < float(check["timeout"].removesuffix("s")) >= 60


def test_the_model_server_is_a_version_that_the_plugin_knows() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = next(requirement for text in extras["gpu"] if (requirement := Requirement(text)).name == "vllm")
    version = re.search(r"^FROM vllm/vllm-openai:v(\S+) AS llm$", DOCKERFILE, re.MULTILINE)
    assert version
    assert wanted.specifier.contains(version[1])


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{name} must come from .env, or nothing may start"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name} holds a password"
    wanted = set(re.findall(r"\$\{(\w+)", TEXT))
    offered = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy" / "example.env").read_text(), re.MULTILINE))
    assert wanted <= set(offered)
    assert offered["POSTGRES_PASSWORD"] == offered["HF_TOKEN"] == ""


def test_ports_are_open_to_this_host_only(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    built = [service for service in compose["services"].values() if "build" in service]
    pulled = [service["image"] for service in compose["services"].values() if "build" not in service]
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE))
    assert {service["build"]["target"] for service in built} == targets
    for image in [*pulled, *re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)]:
        assert re.search(r":v?\d+\.\d+", image), f"{image} names no version"


def test_what_is_copied_exists_and_is_let_through() -> None:
    copied = [path for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for path in line.split()]
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    for path in copied:
        assert (ROOT / path).exists()
        assert f"!{path}" in ignore


@pytest.mark.parametrize("service", ["llm", "api", "api-cpu", "worker", "keys"])
def test_commands_exist_with_their_options(compose: dict[str, Any], service: str) -> None:
    words = [*compose["services"][service].get("entrypoint", []), *compose["services"][service]["command"]]
    program, *command = [word for word in words[:3] if re.fullmatch(r"[a-z][a-z-]+", word)]
    arguments = words[1 + len(command) :]
    assert program == "concord"
    usage = CliRunner().invoke(app, [*command, "--help"], terminal_width=200)
    assert usage.exit_code == 0, f"there is no 'concord {' '.join(command)}'"
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert option in usage.output


def test_prometheus_watches_services_that_exist(compose: dict[str, Any]) -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    names = set(compose["services"])
    for service in compose["services"].values():
        for network in (service.get("networks") or {}).values():
            names |= set(network["aliases"])
    for job in settings["scrape_configs"]:
        assert set(job["dns_sd_configs"][0]["names"]) <= names


def test_the_image_asks_for_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = re.findall(r'"\.\[([\w,]+)\]"', DOCKERFILE)
    assert asked
    assert set(",".join(asked).split(",")) <= set(project["optional-dependencies"])
