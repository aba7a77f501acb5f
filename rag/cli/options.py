"""The options that commands share, each declared once; a command names them in its signature.

Those of a question are in :mod:`rag.cli.question_options`, those of the service in :mod:`rag.cli.service_options`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MODEL_PANEL = "Model and settings"

LibraryPlace = Annotated[
    str, typer.Argument(metavar="LIBRARY", help="Folder of the library, or postgresql://[USER@]HOST/DATABASE/LIBRARY.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file with settings; CONCORD_* variables override it.",
        show_default=False,
        rich_help_panel=MODEL_PANEL,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Generator: a Hugging Face name, a folder, or a .gguf file.",
        show_default=False,
        rich_help_panel=MODEL_PANEL,
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="What generates: auto, transformers, vllm, or http://host:port.",
        show_default=False,
        rich_help_panel=MODEL_PANEL,
    ),
]
SkillName = Annotated[
    str | None,
    typer.Option(
        "--skill",
        help="What passages are read with: auto, none, the name of a skill ('concord skill ls'), or its folder.",
        show_default=False,
        rich_help_panel=MODEL_PANEL,
    ),
]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder", help="Sentence encoder: a name or a local folder.", show_default=False, rich_help_panel=MODEL_PANEL
    ),
]
ServiceAddress = Annotated[
    str,
    typer.Option(
        "--service",
        help="auto: ask a running service of this library, if there is one; off; or its address.",
        rich_help_panel=MODEL_PANEL,
    ),
]
