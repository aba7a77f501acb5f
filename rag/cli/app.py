"""The command line, ``concord``. Exit codes: 0 done, 1 partly done (failures listed), 2 the input is at fault."""

from __future__ import annotations

import typer

from rag.cli import documents
from rag.cli.ask import ask
from rag.cli.audit import audit
from rag.cli.conflicts import conflicts
from rag.cli.demo import demo
from rag.cli.evaluation import eval_app
from rag.cli.graph import kg_app
from rag.cli.keys import keys_app
from rag.cli.mcp import mcp
from rag.cli.models import models_app
from rag.cli.patches import patch_app
from rag.cli.serve import serve
from rag.cli.serve_llm import serve_llm
from rag.cli.skill import skill_app
from rag.cli.worker import worker
from rag.core.process.threads import configure_threads

app = typer.Typer(
    help="Ask your documents, and see where they disagree with the model's own memory.\n\n"
    "See it run:  concord demo\n\n"
    'Start with:  concord add mylibrary/ docs/   then   concord ask mylibrary/ "Who runs the harbour?"',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(demo)
app.command()(documents.add)
app.command()(ask)
app.command()(conflicts)
app.command()(audit)
app.command()(documents.ls)
app.command()(documents.remove)
app.command()(documents.check)
app.command("doctor", hidden=True)(documents.check)  # its name before version 0.2
app.command()(serve)
app.command()(worker)
app.command()(mcp)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve_llm)
app.add_typer(keys_app, name="keys")
app.add_typer(models_app, name="models")
app.add_typer(patch_app, name="patch")
app.add_typer(skill_app, name="skill")
app.add_typer(kg_app, name="kg")
app.add_typer(eval_app, name="eval")


def main() -> None:
    """Entry point of the ``concord`` command."""
    configure_threads()
    app()
