"""A real service in its own process, as an operator starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT
from tests.postgres_server import free_port

_START_TIMEOUT_S = 120.0


@contextmanager
def running_service(
    root: Path, *options: str, environment: Mapping[str, str] | None = None, until: str = "/readyz"
) -> Iterator[str]:
    """``concord serve ROOT OPTIONS``; its address, once the page ``until`` is there: by default, ready to answer."""
    port = free_port()
    command = [sys.executable, "-c", "from rag.cli.app import main; main()", "serve", str(root), "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        service = subprocess.Popen(
            [*command, *options], cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
        )
        address = f"http://127.0.0.1:{port}"
        try:
            if not _is_there(f"{address}{until}", service):
                log.seek(0)
                raise AssertionError(f"the service did not start:\n{log.read().decode()[-4000:]}")
            yield address
        finally:
            service.terminate()
            try:
                service.wait(20)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()


def _is_there(url: str, service: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while service.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return True
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    return False
