"""The deployment that the README recommends, each part a process of its own, on loopback.

PostgreSQL, two services, ``concord serve-llm`` (vLLM) and a worker. Server and worker can be killed and started anew.
As a program it is that worker, with a short lease: DATABASE LEASE_SECONDS.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.conftest import ROOT
from tests.postgres_server import free_port
from tests.service.conftest import soon
from tests.service.running import running_service

LEASE_S = 2.0
_START_S = 300.0
_SERVE_LLM = [sys.executable, "-m", "rag", "serve-llm", "--max-num-seqs", "8", "--max-model-len", "512"]


@dataclass
class Part:
    """A process that dies by ``kill -9``, with all that it has started, and that may be started again."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its beginning is not waited for."""
        assert self.process is None
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, start_new_session=True, env=os.environ | dict(self.environment)
        )

    def kill(self) -> None:
        """Nothing of it is left."""
        process, self.process = self.process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True)
class Deployment:
    """The parts, and clients of the two services."""

    database: str
    server: Part
    worker: Part
    services: tuple[httpx.Client, httpx.Client]

    def is_ready(self) -> bool:
        """Whether both services would answer now."""
        return all(http.get("/readyz").status_code == 200 for http in self.services)

    def wait_until_ready(self) -> None:
        """The server has started, and both services know it."""
        assert soon(lambda: self.server.process is None or self.is_ready(), _START_S)
        assert self.is_ready()


def vllm_server(port: int) -> Part:
    """``concord serve-llm`` with the default model."""
    return Part([*_SERVE_LLM, "--port", str(port)], {"VLLM_CPU_KVCACHE_SPACE": "1"})


@contextmanager
def deployed(database: str, folder: Path) -> Iterator[Deployment]:
    """Everything but the worker is ready."""
    port = free_port()
    server = vllm_server(port)
    worker = Part([sys.executable, "-m", "tests.service.deployment", database, str(LEASE_S)])
    options = ["--engine", f"http://127.0.0.1:{port}", "--database", database]
    with ExitStack() as stack:
        for part in (server, worker):
            stack.callback(part.kill)
        server.start()
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
