"""``concord serve``: libraries over HTTP."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from rag.cli.common import err, errors_to_exit
from rag.core.errors import SettingError

_SHUTDOWN_S = 20


def serve(
    library_dir: Annotated[Path, typer.Argument(metavar="LIBRARY_DIR", help="Folder of all libraries.")],
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
    model: Annotated[
        str | None, typer.Option(help="Generator: a name, a folder, or a .gguf file.", show_default=False)
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder: a name or a folder.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")] = None,
) -> None:
    """Serve libraries over HTTP: an OpenAI-compatible chat, and everything the command line does."""
    from rag.core.config import Config
    from rag.generation.load import load_generator
    from rag.service.app import LOOPBACK, create_app
    from rag.service.settings import ServiceSettings
    from rag.service.telemetry import log_to

    with errors_to_exit():
        if keys is None and host not in LOOPBACK:
            raise SettingError(f"host={host!r} without --keys; make a key with 'concord keys add', or leave --host out")
        settings = ServiceSettings(
            library_dir, keys=keys, has_texts_in_logs=log_texts, traces=traces, database=database
        )
        settings = _limited(settings, limits or [])
        loaded = Config.load(config, model=model, encoder=encoder, engine=engine)
        app = create_app(settings, loaded, lambda: load_generator(loaded))
    import uvicorn

    log_to()
    who = "no keys: one tenant, this machine only" if keys is None else f"keys from {keys}"
    err.print(f"serving {library_dir} on http://{host}:{port} ({who})", style="green")
    uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=_SHUTDOWN_S)


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
