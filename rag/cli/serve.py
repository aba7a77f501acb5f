"""``concord serve``: libraries over HTTP."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.common import err, errors_to_exit, say
from rag.cli.options import EncoderName, ModelName, SettingsFile
from rag.core.errors import SettingError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from rag.core.settings.config import Config
    from rag.service.catalog.base import LibraryCatalog
    from rag.service.settings import ServiceSettings

_SHUTDOWN_S = 20


def serve(
    library_dir: Annotated[
        Path, typer.Argument(metavar="LIBRARY_DIR", help="A library, or a folder that holds libraries.")
    ],
    engine: Annotated[
        str | None,
        typer.Option(help="auto, transformers, vllm, or http://... of a 'concord serve-llm'.", show_default=False),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    keys: Annotated[
        Path | None,
        typer.Option(envvar="CONCORD_KEYS", help="File of API keys; without it only this machine is served."),
    ] = None,
    hosts: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Answer only to this name (Host); may be given often."),
    ] = None,
    origins: Annotated[
        list[str] | None,
        typer.Option("--allow-origin", metavar="URL", help="A page of another address that may write here."),
    ] = None,
    proxies: Annotated[
        list[str] | None,
        typer.Option("--trust-proxy", metavar="IP", help="A proxy whose X-Forwarded-* headers are believed."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Serve /metrics without a key on this port too: for a private network.", show_default=False),
    ] = None,
    limits: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="NAME=NUMBER", help="A limit of the service, such as max_chats=16."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(envvar="CONCORD_DATABASE", help="postgresql://[USER@]HOST/DATABASE that holds the libraries."),
    ] = None,
    log_texts: Annotated[bool, typer.Option("--log-texts", help="Log questions too.")] = False,
    traces: Annotated[Path | None, typer.Option(help="Write OpenTelemetry spans to this file.")] = None,
    model: ModelName = None,
    encoder: EncoderName = None,
    config: SettingsFile = None,
) -> None:
    """Serve libraries over HTTP: a page, an OpenAI-compatible chat, and everything the command line does.

    LIBRARY_DIR is a library, or a folder that holds libraries. With --keys every tenant has its own libraries, at
    LIBRARY_DIR/TENANT/LIBRARY.
    """
    from rag.core.settings.config import Config
    from rag.service.settings import ServiceSettings

    os.umask(0o077)  # whatever the service writes is its own user's alone
    with errors_to_exit():
        _check_address(host, port, has_keys=keys is not None)
        if metrics_port is not None:
            _check_address(host, metrics_port, has_keys=True)
        settings = ServiceSettings(
            library_dir,
            keys=keys,
            hosts=tuple(hosts or ()),
            origins=tuple(origins or ()),
            has_texts_in_logs=log_texts,
            traces=traces,
            database=database,
        )
        settings = _limited(settings, limits or [])
        app = _build_app(settings, Config.load(config, model=model, encoder=encoder, engine=engine))
    with _metrics(app, host, metrics_port):
        _listen(app, settings, host, port, proxies or [])


def _build_app(settings: ServiceSettings, config: Config) -> FastAPI:
    from rag.generation.load import load_generator
    from rag.service.app import create_app
    from rag.service.auth.keys import KeyFile

    if settings.keys is not None:
        KeyFile(settings.keys).keys()  # a mistyped path would refuse every caller
    return create_app(settings, config, lambda: load_generator(config))


def _listen(app: FastAPI, settings: ServiceSettings, host: str, port: int, proxies: list[str]) -> None:
    """Serve until the process is told to stop."""
    import uvicorn

    from rag.client.discovery import announced
    from rag.service.http import KEEP_ALIVE_S, PatientProtocol
    from rag.service.telemetry import log_to

    log_to()
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _announce(app.state.concord.catalog, url, settings.keys)
    with announced(settings.root, url, has_keys=settings.keys is not None):
        uvicorn.run(
            app,
            host=host,
            port=port,
            http=PatientProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            # Anybody can send X-Forwarded-For: it counts from a proxy that the operator has named.
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )


@contextmanager
def _metrics(app: FastAPI, host: str, port: int | None) -> Iterator[None]:
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


def _check_address(host: str, port: int, *, has_keys: bool) -> None:
    """Refuse an address that cannot be listened on, before the models are loaded."""
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


def _announce(catalog: LibraryCatalog, url: str, keys: Path | None) -> None:
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


def _limited(settings: Any, limits: list[str]) -> Any:
    known = {field.name: type(getattr(settings, field.name)) for field in fields(settings)}
    names = [name for name, kind in known.items() if kind in (int, float)]
    for text in limits:
        name, _, value = text.partition("=")
        try:
            number = known[name](value) if name in names else None
        except ValueError:
            number = None
        if number is None or number <= 0:
            raise SettingError(f"--limit {text!r}; expected NAME=NUMBER above 0, with one of {', '.join(names)}")
        settings = replace(settings, **{name: number})
    return settings
