"""The pages of the documentation, and what is in them: fenced blocks, links, commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ENVIRONMENT = re.compile(r"[A-Z_]+=\S*")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    language: str
    text: str


@dataclass(frozen=True)
class Sample:
    """A command of a ``console`` block, and the output that the page shows below it."""

    page: str
    command: str
    output: str


def blocks(language: str) -> list[Block]:
    """All blocks of one language."""
    return [
        Block(page.name, language, match[2])
        for page in PAGES
        for match in _FENCE.finditer(page.read_text(encoding="utf-8"))
        if match[1] == language
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def samples() -> list[Sample]:
    """Every command of a ``console`` block with its output; lines that begin with ``$`` are commands."""
    all_samples = []
    for block in blocks("console"):
        for entry in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, output = entry.partition("\n")
            all_samples.append(Sample(block.page, command, output))
    return all_samples


def concord_commands() -> Iterator[tuple[str, list[str]]]:
    """Every ``concord ...`` of a page, in a block or in the text, as the words after ``concord``."""
    for block in (*blocks("sh"), *blocks("console")):
        for line in block.text.splitlines():
            yield from _words(block.page, line.removeprefix("$ "))
    for page in PAGES:
        for code in re.findall(r"`([^`\n]+)`", prose(page)):
            yield from _words(page.name, code)


def _words(page: str, line: str) -> Iterator[tuple[str, list[str]]]:
    if "concord" not in line:
        return
    words = shlex.split(line, comments=True)
    while words and _ENVIRONMENT.fullmatch(words[0]):
        words.pop(0)
    if words and words[0].split("/")[-1] == "concord":
        yield page, words[1:]
