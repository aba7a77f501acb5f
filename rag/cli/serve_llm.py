"""``concord serve-llm``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rag.core.errors import ConcordError

_err = Console(stderr=True)


def serve_llm(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Option(help="Generator: a Hugging Face name, a folder, or a .gguf file.", show_default=False)
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.", show_default=False)] = None,
) -> None:
    """Serve a model with vLLM and the pair decoders, for 'concord ask --engine http://HOST:PORT'.

    Options that are not listed here go to vLLM's server as they are: --tensor-parallel-size 2, --api-key ...
    """
    from rag.core.config import Config
    from rag.generation.vllm.serve import serve, serve_command

    try:
        command = serve_command(Config.load(config, model=model), host, port, context.args)
    except ConcordError as error:
        _err.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    _err.print(f"starting vLLM on http://{host}:{port} ...")
    serve(command)
