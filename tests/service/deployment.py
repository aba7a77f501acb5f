"""The deployment that the README recommends, each part a process of its own, on loopback.

PostgreSQL, two services, ``concord serve-llm`` (vLLM) and a worker. Server and worker can be killed and started anew.
As a program it is that worker, with a short lease: DATABASE LEASE_SECONDS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.service.conftest import soon
from tests.service.parts import LlmServer, Part
from tests.service.running import running_service

LEASE_S = 2.0
_START_S = 300.0


@dataclass(frozen=True)
class Deployment:
    """The parts, and clients of the two services."""

    database: str
    server: LlmServer
    worker: Part
    services: tuple[httpx.Client, httpx.Client]

    def is_ready(self) -> bool:
        """Whether both services would answer now."""
        return all(http.get("/readyz").status_code == 200 for http in self.services)

    def wait_until_ready(self) -> None:
        """The server has started, and both services know it."""
        assert soon(lambda: self.server.has_ended or self.is_ready(), _START_S)
        assert self.is_ready()


@contextmanager
def deployed(database: str, server: LlmServer, folder: Path) -> Iterator[Deployment]:
    """Everything but the worker is ready."""
    worker = Part([sys.executable, "-m", "tests.service.deployment", database, str(LEASE_S)])
    options = ["--engine", server.url, "--database", database, "--limit", "requests_per_minute=100000"]
    server.start()
    with ExitStack() as stack:
        stack.callback(worker.kill)
        clients = []
        for name in ("one", "other"):
            url = stack.enter_context(running_service(folder / name, *options, until="/healthz"))
            clients.append(stack.enter_context(httpx.Client(base_url=url, timeout=120)))
        deployment = Deployment(database, server, worker, (clients[0], clients[1]))
        deployment.wait_until_ready()
        yield deployment


if __name__ == "__main__":
    from rag.core.settings.config import Config
    from rag.generation.load import load_generator
    from rag.service.jobs.worker import PatchWorker

    config = Config()
    PatchWorker(sys.argv[1], config, lambda: load_generator(config), lease_s=float(sys.argv[2])).run()
