"""Listening on an address: is it free, what is said at the start, and serving until the process is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rag.cli.common import err, say
from rag.core.errors import SettingError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from rag.service.catalog.base import LibraryCatalog
    from rag.service.settings import ServiceSettings


def check_address(host: str, port: int, *, has_keys: bool) -> None:
    """Refuse an address that cannot be listened on, before the models are loaded.

    Raises:
        SettingError: it is taken, no address, or one that needs keys.
    """
    from rag.service.auth.hosts import LOOPBACK

    if not has_keys and host not in LOOPBACK:
        raise SettingError(f"host={host!r} without --keys; make a key with 'concord keys add', or leave --host out")
    if not 0 <= port < 2**16:
        raise SettingError(f"cannot listen on {host} port {port}: expected a port from 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise SettingError(f"cannot listen on {host} port {port}: {reason}; choose another --host or --port") from error


def listen(app: FastAPI, settings: ServiceSettings, host: str, port: int, proxies: list[str]) -> None:
    """Serve until the process is told to stop."""
    import uvicorn

    from rag.client.discovery import announced
    from rag.service.http import server_options
    from rag.service.telemetry import log_to

    log_to()
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    announce(app.state.concord.catalog, url, settings.keys)
    with announced(settings.root, url, has_keys=settings.keys is not None):
        uvicorn.run(app, host=host, port=port, **server_options(proxies))


@contextmanager
def serve_metrics(app: FastAPI, host: str, port: int | None) -> Iterator[None]:
    """``/metrics`` on a separate port while the block runs."""
    if port is None:
        yield
        return
    from prometheus_client import start_http_server

    server, thread = start_http_server(port, host, app.state.concord.telemetry.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def announce(catalog: LibraryCatalog, url: str, keys: Path | None) -> None:
    """Say what is served, and where libraries are looked for."""
    from rag.service.auth.keys import LOCAL_KEY
    from rag.service.catalog.folder import FolderCatalog

    who = "no keys: one tenant, this machine only" if keys is None else f"keys from {keys}"
    err.print(f"serving {catalog.root} on {url} ({who})", style="green", soft_wrap=True)
    if not isinstance(catalog, FolderCatalog) or keys is not None:
        return
    names = catalog.names(LOCAL_KEY.tenant)
    if names:
        err.print(f"libraries: {', '.join(names)}", soft_wrap=True)
        return
    places = " or ".join(catalog.layout.places())
    say(f"no library yet; looked for {places}. Add documents on the page, or: concord add {catalog.root}/NAME PATH...")
