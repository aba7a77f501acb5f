"""From docker-compose.yml and deploy/Dockerfile to containers by hand, so that neither can drift from the tests."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.deploy.containers import Bind, Spec
from tests.postgres_server import programs

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
# What the published images run as, and what they start before the command.
_POSTGRES_UID, _NOBODY_UID = 999, 65534
_START_POSTGRES = """
data=/var/lib/postgresql/data
echo "$POSTGRES_PASSWORD" > /tmp/password
initdb --pgdata $data --username "$POSTGRES_USER" --pwfile /tmp/password --no-sync $POSTGRES_INITDB_ARGS
echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D $data postgres
exec postgres -D $data -k /tmp -c fsync=off
"""
# What only the machine of the tests needs: no model hub, and no more threads than the tests may use.
_TEST_ENVIRONMENT = {"HF_HUB_OFFLINE": "1"} | {
    name: os.environ[name] for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY") if name in os.environ
}


@dataclass(frozen=True)
class Image:
    """What a stage of the Dockerfile says about its user."""

    uid: int
    home: str
    workdir: str
    owned: tuple[str, ...]

    @classmethod
    def from_stage(cls, target: str) -> Image:
        """The stage that ends in image ``target``."""
        stage = re.split(r"^FROM ", DOCKERFILE.read_text().replace("\\\n", " "), flags=re.MULTILINE)
        text = next(part for part in stage if re.match(rf"\S+ AS {target}\n", part))
        user = re.findall(r"^USER (\w+)$", text, re.MULTILINE)[-1]
        uid = re.search(rf"useradd .*--uid (\d+) {user}\b", text)
        owned = re.search(rf"chown {user}: ([^\n&]+)", text)
        assert uid
        assert owned
        home = f"/home/{user}"
        folders = (home, *owned[1].split())
        return cls(int(uid[1]), home, re.findall(r"^WORKDIR (\S+)$", text, re.MULTILINE)[-1], folders)


class Stack:
    """The services of docker-compose.yml with the variables of an ``.env`` file; volumes are folders of ``folder``."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._folder = folder
        self._variables = variables
        self.services: dict[str, Any] = self._filled(yaml.safe_load(COMPOSE.read_text())["services"])

    def spec(self, name: str, *arguments: str) -> Spec:
        """The container of a service; ``arguments`` stand for its command, as in ``docker compose run``."""
        service = self.services[name]
        command = [*service.get("entrypoint", []), *(arguments or service.get("command", []))]
        if "build" not in service:
            return self._published(name, service, command)
        image = Image.from_stage(service["build"]["target"])
        assert service["user"] == f"{image.uid}:{image.uid}"
        return self._spec(name, service, command, image)

    def health_check(self, name: str) -> list[str]:
        """The command that says whether a service is well."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return list(command)

    def copy_volume(self, source: str, target: str) -> None:
        """Give the new volume ``target`` the files of ``source``, owners included."""
        volumes = self._folder / "volumes"
        if (volumes / source).exists() and not (volumes / target).exists():
            subprocess.run(["cp", "--archive", volumes / source, volumes / target], check=True)

    def _published(self, name: str, service: dict[str, Any], command: list[str]) -> Spec:
        if service["image"].startswith("pgvector/"):
            folder = programs()
            assert folder is not None
            image = Image(_POSTGRES_UID, "/", "/", ("/var/lib/postgresql/data",))
            spec = self._spec(name, service, ["sh", "-ec", _START_POSTGRES], image)
            return Spec(**vars(spec) | {"environment": {**spec.environment, "PATH": f"{folder}:/usr/bin:/bin"}})
        assert service["image"].startswith("prom/prometheus:")
        return self._spec(name, service, ["prometheus", *command], Image(_NOBODY_UID, "/", "/", ("/prometheus",)))

    def _spec(self, name: str, service: dict[str, Any], command: list[str], image: Image) -> Spec:
        networks = service.get("networks") or {}
        aliases = [alias for network in networks.values() for alias in network.get("aliases", [])]
        return Spec(
            name=name,
            command=command,
            uid=image.uid,
            environment=_TEST_ENVIRONMENT | service.get("environment", {}),
            home=image.home,
            workdir=image.workdir,
            binds=[Bind(ROOT / "deploy" / "health.py", "/opt/health.py", True), *self._binds(service, image)],
            tmpfs=service.get("tmpfs", []),
            owned=image.owned,
            is_read_only=service.get("read_only", False),
            is_alone=service.get("network_mode") == "none",
            aliases=[name, *aliases],
        )

    def _binds(self, service: dict[str, Any], image: Image) -> list[Bind]:
        binds = []
        for text in service.get("volumes", []):
            source, target, *options = text.split(":")
            is_file = source.startswith("./")
            path = ROOT / source if is_file else self._volume(source, image.uid if target in image.owned else 0)
            binds.append(Bind(path, target, "ro" in options))
        return binds

    def _volume(self, name: str, owner: int) -> Path:
        """A fresh volume belongs to whom the folder in the first image belongs to; later ones find it as it is."""
        path = self._folder / "volumes" / name
        if not path.exists():
            path.mkdir(parents=True)
            os.chown(path, owner, owner)
        return path

    def _filled(self, value: Any) -> Any:
        """``value`` with ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?reason}`` put in."""
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        return _VARIABLE.sub(self._variable, value) if isinstance(value, str) else value

    def _variable(self, match: re.Match[str]) -> str:
        name, sign, text = match.groups()
        value = self._variables.get(name, "")
        assert value or sign != "?", f"{name}: {text}"
        return value or (text if sign == "-" else "")
