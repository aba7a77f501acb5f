"""What the pages name exists: commands, options, environment variables, links, imports."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer

from rag.cli.app import app
from rag.core.settings.config import Config, _read_environment
from tests.docs.pages import PAGES, Block, blocks, concord_commands, prose

# Any: typer may bring a click of its own, or use the installed one.
ROOT_COMMAND: Any = typer.main.get_command(app)
# Options of other programs, or of the model server that serve-llm starts, that the text of these pages names.
FOREIGN_OPTIONS = {
    "--no-deps",
    "--tensor-parallel-size",
    "--api-key",
    "--max-loras",
    "--max-lora-rank",
    "--no-enable-lora",
}
USAGE_PAGES = [page for page in PAGES if page.stem in ("README", "CLI", "PYTHON", "SERVICE", "PATCHES", "EVALUATION")]


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words call, and the words that are left."""
    command = ROOT_COMMAND
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        group, name = command, words[0]
        if name not in group.commands:
            raise AssertionError(f"'concord {group.name or ''}' has no command {name!r}")
        command, words = group.commands[name], words[1:]
    return command, words


def option_names(command: Any) -> set[str]:
    names = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return names | {"--help"}


def all_options(command: Any = ROOT_COMMAND) -> set[str]:
    names = option_names(command)
    for child in getattr(command, "commands", {}).values():
        names |= all_options(child)
    return names


def test_every_command_and_its_options_exist() -> None:
    commands = list(concord_commands())
    assert len(commands) > 30
    for page, words in commands:
        command, rest = resolve(words)
        options = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        if not command.context_settings.get("ignore_unknown_options"):
            assert options <= option_names(command), f"{page}: concord {' '.join(words)}"


def test_a_wrong_command_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no command 'doctr'"):
        resolve(["doctr", "library/"])
    assert "--memory" not in option_names(resolve(["ask"])[0])


def test_every_option_in_the_text_exists() -> None:
    known = all_options() | FOREIGN_OPTIONS
    for page in USAGE_PAGES:
        for code in re.findall(r"`(--[a-z-]+)[^`]*`", prose(page)):
            assert code in known, f"{page.name}: {code}"


def test_every_environment_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for page in PAGES:
        for name in set(re.findall(r"\bCONCORD_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8"))) - {"CONCORD_NAME"}:
            _read_environment({name: ""})


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_relative_link_leads_somewhere() -> None:
    num_links = 0
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if re.match(r"[a-z]+:", target):
                continue
            num_links += 1
            path, _, anchor = target.partition("#")
            other = page.parent / path if path else page
            assert other.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(other), f"{page.name} links to {target}, which has no such heading"
    assert num_links > 20


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.page)
def test_python_blocks_parse_and_their_imports_work(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"{block.page}: from {node.module} import {alias.name}"


def test_settings_files_are_accepted(tmp_path: Path) -> None:
    for number, block in enumerate(blocks("toml")):
        # A block that begins with a comment naming another kind of file is not the engine's.
        first = next(iter(takewhile(lambda line: line.startswith("#"), block.text.splitlines())), "")
        if "settings" in first or not first:
            file = tmp_path / f"{number}.toml"
            file.write_text(block.text)
            Config.load(file)
