"""``concord keys``: API keys of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from rag.cli.common import err, errors_to_exit, out

keys_app = typer.Typer(help="API keys of the service.", no_args_is_help=True)
KeysFile = Annotated[Path, typer.Option("--keys", envvar="CONCORD_KEYS", help="The file of keys.")]


@keys_app.command("add")
def add_key(
    tenant: Annotated[str, typer.Argument(help="Whose libraries the key opens.")],
    scope: Annotated[list[str], typer.Option(help="read, write, admin, metrics; give it several times.")] = ["read"],  # noqa: B006
    keys: KeysFile = Path("concord-keys.json"),
) -> None:
    """Make a key and print it, once: the file keeps only its hash."""
    from rag.service.auth.keys import KeyFile

    with errors_to_exit():
        key, secret = KeyFile(keys).add(tenant, scope)
    err.print(f"key {key.key_id} for {tenant} ({', '.join(key.scopes)}); keep it, it is not shown again:")
    typer.echo(secret)


@keys_app.command("ls")
def list_keys(keys: KeysFile = Path("concord-keys.json")) -> None:
    """List the keys, without their secrets."""
    from rag.service.auth.keys import KeyFile

    with errors_to_exit():
        listed = KeyFile(keys).keys()
    table = Table("key", "tenant", "scopes", "created")
    for key in listed:
        table.add_row(key.key_id, key.tenant, ", ".join(key.scopes), key.created_at)
    out.print(table)


@keys_app.command("rm")
def remove_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, as 'concord keys ls' shows it.")],
    keys: KeysFile = Path("concord-keys.json"),
) -> None:
    """Remove a key; a running service refuses it from now on."""
    from rag.service.auth.keys import KeyFile

    with errors_to_exit():
        key = KeyFile(keys).remove(key_id)
    err.print(f"removed key {key.key_id} of {key.tenant}", style="green")
