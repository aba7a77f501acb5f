"""``concord serve-llm``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag.cli.common import err, errors_to_exit


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
    from rag.core.settings.config import Config
    from rag.generation.vllm.serve import serve, serve_command

    with errors_to_exit():
        command = serve_command(Config.load(config, model=model), host, port, context.args)
    err.print(f"starting vLLM on http://{host}:{port} ...")
    serve(command)
