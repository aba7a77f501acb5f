"""The options of ``concord serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag.cli.options import MODEL_PANEL

_ACCESS, _OPERATION = "Who may ask", "Operation"

Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
Port = Annotated[int, typer.Option("--port", help="Port to listen on.")]
ServiceEngine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="auto, transformers, vllm, or http://... of a 'concord serve-llm'.",
        show_default=False,
        rich_help_panel=MODEL_PANEL,
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        envvar="CONCORD_KEYS",
        help="File of API keys; without it only this machine is served.",
        rich_help_panel=_ACCESS,
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="Answer only to this name (Host); may be given often.",
        rich_help_panel=_ACCESS,
    ),
]
AllowedOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        metavar="URL",
        help="A page of another address that may write here.",
        rich_help_panel=_ACCESS,
    ),
]
TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-proxy",
        metavar="IP",
        help="A proxy whose X-Forwarded-* headers are believed.",
        rich_help_panel=_ACCESS,
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=NUMBER",
        help="A limit of the service, such as max_chats=16.",
        rich_help_panel=_ACCESS,
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        help="Serve /metrics without a key on this port too: for a private network.",
        show_default=False,
        rich_help_panel=_OPERATION,
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="CONCORD_DATABASE",
        help="postgresql://[USER@]HOST/DATABASE that holds the libraries.",
        rich_help_panel=_OPERATION,
    ),
]
LogTexts = Annotated[bool, typer.Option("--log-texts", help="Log questions too.", rich_help_panel=_OPERATION)]
Traces = Annotated[
    Path | None,
    typer.Option("--traces", help="Write OpenTelemetry spans to this file.", rich_help_panel=_OPERATION),
]
