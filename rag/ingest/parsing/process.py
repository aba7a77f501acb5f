"""The parent's side of one worker process.

A plain subprocess, no ``multiprocessing``: it starts from any thread, beside any model library, and from programs whose
main module has no guard.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rag.core.errors import SourceError, UnavailableError
from rag.ingest.blocks import ParsedDocument
from rag.ingest.parsing.frames import (
    FrameTooLongError,
    document_from_json,
    encode_json,
    receive_frame,
    send_frame,
)
from rag.ingest.parsing.limits import Limits
from rag.ingest.source import Source

# A busy machine starts a process slowly.
_START_S = 60.0


class WorkerEndedError(Exception):
    """The worker is of no further use; the message says why.

    Attributes:
        is_out_of_time: it was ended because it took too long.
    """

    def __init__(self, reason: str, *, is_out_of_time: bool = False) -> None:
        super().__init__(reason)
        self.is_out_of_time = is_out_of_time


class WorkerProcess:
    """One process that reads files, one after the other.

    Raises:
        UnavailableError: it does not start.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connection, theirs = socket.socketpair()
        with theirs:
            handle = theirs.fileno()
            command = [sys.executable, "-P", "-m", "rag.ingest.parsing.worker", str(handle), str(limits.memory_mib)]
            nothing = subprocess.DEVNULL
            self._process = subprocess.Popen(
                command, pass_fds=(handle,), stdin=nothing, stdout=nothing, stderr=nothing, env=_environment()
            )
        try:
            self._await_start()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    def read(self, source: Source, content: bytes) -> ParsedDocument:
        """The document in ``content``.

        Raises:
            SourceError: it cannot be read; the worker is ready for the next one.
            WorkerEndedError: it took too long or too much memory, or the worker died.
        """
        limits = self._limits
        head = {"name": source.name, "suffix": source.suffix, "title": source.title, **vars(limits)}
        deadline = time.monotonic() + limits.timeout_s
        try:
            send_frame(self._connection, encode_json(head), deadline)
            send_frame(self._connection, content, deadline)
            reply = receive_frame(self._connection, deadline, limits.memory_mib * 2**20)
        except TimeoutError as error:
            reason = f"reading it took more than {limits.timeout_s:g} s (setting parse_timeout_s)"
            raise WorkerEndedError(reason, is_out_of_time=True) from error
        except FrameTooLongError as error:
            raise WorkerEndedError(self._out_of_memory()) from error
        except OSError:
            reply = None
        if reply is None:
            raise WorkerEndedError(f"its parser died ({self._cause()})")
        return self._document(json.loads(reply))

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._connection.close()

    def _await_start(self) -> None:
        try:
            hello = receive_frame(self._connection, time.monotonic() + _START_S)
        except TimeoutError as error:
            raise UnavailableError(f"the process that reads files did not start in {_START_S:g} s") from error
        if hello is None:
            raise UnavailableError(f"the process that reads files does not start ({self._cause()})")

    def _document(self, reply: dict[str, Any]) -> ParsedDocument:
        if "document" in reply:
            return document_from_json(reply["document"])
        if "reason" in reply:
            raise SourceError(reply["reason"])
        raise WorkerEndedError(self._out_of_memory())

    def _out_of_memory(self) -> str:
        return f"reading it takes more than {self._limits.memory_mib} MiB (setting parse_memory_mib)"

    def _cause(self) -> str:
        code = self._process.wait(timeout=_START_S)
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _environment() -> dict[str, str]:
    """Of the worker: this process's modules, one thread, no keys of the service."""
    root = str(Path(__file__).resolve().parents[3])
    paths = [path for path in sys.path if path]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONCORD_")}
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join(paths if root in paths else [*paths, root]),
        # Each thread of a mathematics library would reserve address space, which is limited.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
