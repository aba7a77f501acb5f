"""``concord skill``: the skills of this machine, for 'concord ask --skill'."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from rag.cli.common import err, errors_to_exit, out, print_json, say
from rag.cli.options import AsJson, SettingsFile
from rag.cli.skill_train import train

if TYPE_CHECKING:
    from rag.skills.store import Skill, SkillStore

skill_app = typer.Typer(
    help="Skills: adapters that teach a model to read passages or to judge them.", no_args_is_help=True
)

skill_app.command()(train)


@skill_app.command()
def ls(as_json: AsJson = False, config: SettingsFile = None) -> None:
    """List the skills: your own, and those that came with the package.

    One that is 'used' answers every question to its model, unless --skill says something else.
    """
    with errors_to_exit():
        store = _open_store(config)
        skills, damaged = store.ls(), store.damaged()
    for folder in damaged:
        say(f"damaged: {folder}; train it again", "red")
    if as_json:
        print_json([_describe(skill) for skill in skills])
        return
    if not skills:
        say("there are no skills; 'concord skill train reader' makes one", "dim")
        return
    out.print(_table(skills))


@skill_app.command()
def inspect(
    name: Annotated[str, typer.Argument(help="Its name, its key (such as reader-24df5af1), or its folder.")],
    config: SettingsFile = None,
) -> None:
    """Check one skill against its card, and print that: data, licences, figures before and after."""
    with errors_to_exit():
        skill = _open_store(config).inspect(name)
        print_json(_describe(skill))


@skill_app.command()
def rm(
    names: Annotated[list[str], typer.Argument(help="Names, or keys where several skills have one name.")],
    config: SettingsFile = None,
) -> None:
    """Remove skills of your own. Those that came with the package stay; --skill none answers without them."""
    with errors_to_exit():
        removed = _open_store(config).remove(names)
    err.print(f"removed {', '.join(removed)}", style="green", highlight=False)


def _open_store(config: Path | None) -> SkillStore:
    from rag.core.settings.config import Config
    from rag.skills.store import SkillStore, skills_folder

    return SkillStore(skills_folder(Config.load(config).cache_dir))


def _describe(skill: Skill) -> dict[str, Any]:
    place = {"key": skill.folder.name, "folder": str(skill.folder), "is_shipped": skill.is_shipped}
    return {**place, "size_bytes": skill.size_bytes, **asdict(skill.card)}


def _table(skills: list[Skill]) -> Table:
    table = Table()
    for name in ("key", "kind", "model", "rank", "MB", "licence", "from", "used"):
        is_number = name in ("rank", "MB")
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=name == "key")
    for skill in skills:
        card = skill.card
        numbers = (str(card.rank), f"{skill.size_bytes / 1e6:.1f}")
        places = ("the package" if skill.is_shipped else "here", "by default" if card.is_default else "by name")
        table.add_row(skill.folder.name, card.kind, card.base_name, *numbers, card.license or "-", *places)
    return table
