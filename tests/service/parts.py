"""Processes of a deployment that a test may kill and start anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.conftest import ROOT
from tests.postgres_server import free_port


@dataclass
class Part:
    """A process that dies by ``kill -9``, with all that it has started, and that may be started again."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it does not run."""
        return self.process is None or self.process.poll() is not None

    def start(self) -> None:
        """Start it, if it does not run; its beginning is not waited for."""
        if self.has_ended:
            environment = os.environ | dict(self.environment)
            self.process = subprocess.Popen(self.command, cwd=ROOT, start_new_session=True, env=environment)

    def kill(self) -> None:
        """Nothing of it is left."""
        process, self.process = self.process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class LlmServer(Part):
    """``concord serve-llm`` with the default model, on one port for all its lives."""

    def __init__(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        options = ["--port", str(port), "--max-num-seqs", "8", "--max-model-len", "512"]
        super().__init__([sys.executable, "-m", "rag", "serve-llm", *options], {"VLLM_CPU_KVCACHE_SPACE": "1"})
