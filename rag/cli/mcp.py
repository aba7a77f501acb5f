"""``concord mcp``: a library for agents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import open_engine
from rag.cli.options import EncoderName, EngineName, LibraryPlace, ModelName, SettingsFile
from rag.service.names import name_from_folder


def mcp(
    library: LibraryPlace,
    read_only: Annotated[bool, typer.Option("--read-only", help="Offer no tool that changes the library.")] = False,
    engine: EngineName = None,
    model: ModelName = None,
    encoder: EncoderName = None,
    config: SettingsFile = None,
) -> None:
    """Offer a library to an agent over the Model Context Protocol (standard input and output).

    Give the agent this command: concord mcp LIBRARY. Its tools are ask, search, conflicts, documents, libraries and
    add; every document is a resource. A service offers the same at /mcp.
    """
    from rag.mcp.desk import EngineDesk
    from rag.mcp.server import Server

    with open_engine(library, config, must_exist=read_only, engine=engine, model=model, encoder=encoder) as opened:
        desk = EngineDesk(opened, name_from_folder(Path(library).name), is_read_only=read_only)
        Server(lambda ctx: desk).run("stdio")
