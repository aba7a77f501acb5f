"""``concord serve``: libraries over HTTP."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli import options as opt
from rag.cli import service_options as service
from rag.cli.common import errors_to_exit
from rag.cli.listening import check_address, listen, serve_metrics
from rag.core.errors import SettingError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from rag.core.settings.config import Config
    from rag.service.settings import ServiceSettings


def serve(
    library_dir: Annotated[
        Path, typer.Argument(metavar="LIBRARY_DIR", help="A library, or a folder that holds libraries.")
    ],
    engine: service.ServiceEngine = None,
    host: service.Host = "127.0.0.1",
    port: service.Port = 8080,
    keys: service.Keys = None,
    hosts: service.AllowedHosts = None,
    origins: service.AllowedOrigins = None,
    proxies: service.TrustedProxies = None,
    metrics_port: service.MetricsPort = None,
    limits: service.Limits = None,
    database: service.Database = None,
    log_texts: service.LogTexts = False,
    traces: service.Traces = None,
    model: opt.ModelName = None,
    skill: opt.SkillName = None,
    encoder: opt.EncoderName = None,
    config: opt.SettingsFile = None,
) -> None:
    """Serve libraries over HTTP: a page, an OpenAI-compatible chat, and everything the command line does.

    LIBRARY_DIR is a library, or a folder that holds libraries. With --keys every tenant has its own libraries, at
    LIBRARY_DIR/TENANT/LIBRARY.
    """
    from rag.core.settings.config import Config
    from rag.service.settings import ServiceSettings

    os.umask(0o077)  # whatever the service writes is its own user's alone
    with errors_to_exit():
        check_address(host, port, has_keys=keys is not None)
        if metrics_port is not None:
            check_address(host, metrics_port, has_keys=True)
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
        app = _build_app(settings, Config.load(config, model=model, skill=skill, encoder=encoder, engine=engine))
    with serve_metrics(app, host, metrics_port):
        listen(app, settings, host, port, proxies or [])


def _build_app(settings: ServiceSettings, config: Config) -> FastAPI:
    from rag.generation.load import load_generator
    from rag.service.app import create_app
    from rag.service.auth.keys import KeyFile
    from rag.skills.room import make_room

    if settings.keys is not None:
        KeyFile(settings.keys).keys()  # a mistyped path would refuse every caller
    return create_app(settings, config, lambda: load_generator(make_room(config)))


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
