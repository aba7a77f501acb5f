"""docs/ARCHITECTURE.md names what is there: paths, modules, classes, and the floors of the import contract."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path

from tests.conftest import ROOT
from tests.docs.pages import prose

PAGE = ROOT / "docs" / "ARCHITECTURE.md"
PACKAGES = ("rag", "retrievers", "decoders", "kg", "eval")
NAMES = re.findall(r"`([^`\n]+)`", prose(PAGE))
# Files that a program makes, or forms of a path that are no path of the tree.
NOT_PATHS = {"root/TENANT/LIBRARY", "root/.jobs"}


def test_every_path_exists() -> None:
    paths = [name for name in NAMES if re.fullmatch(r"[\w.-]+(/[\w.*-]+)+/?|[\w-]+\.(py|yml|toml|js)", name)]
    assert len(paths) > 50
    missing = [path for path in paths if path not in NOT_PATHS and not _exists(path)]
    assert missing == []


def _exists(path: str) -> bool:
    # A bare name of a file stands for one whose folder the sentence, or its table's row, has named.
    return (ROOT / path).exists() if "/" in path else any(ROOT.glob(path)) or any(_sources(path))


def _sources(pattern: str) -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob(pattern)]


def test_every_dotted_name_can_be_imported() -> None:
    dotted = [name for name in NAMES if re.fullmatch(rf"({'|'.join(PACKAGES)})(\.\w+)+", name)]
    assert len(dotted) >= 3
    for name in dotted:
        try:
            import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            assert hasattr(import_module(module), attribute), name


def test_every_class_exists() -> None:
    classes = {
        node.name
        for path in _sources("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    named = {name for name in NAMES if re.fullmatch(r"([A-Z][a-z]+\d?)+(V\d)?", name)}
    # LangChain's base class of a retriever, and what a user asks for without it.
    assert named - classes - {"BaseRetriever"} == set()
    assert len(named) > 10


def test_the_diagram_shows_the_floors_of_the_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    diagram = re.search(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert diagram is not None
    lines = [line for line in diagram[1].splitlines() if line.strip(" |")]
    assert [re.split(r" {2,}", line.strip())[0] for line in lines] == layers


def test_every_stage_is_told_in_its_order() -> None:
    source = (ROOT / "rag" / "pipeline" / "build.py").read_text()
    stages = [name.lower() for name in re.findall(r"(\w+)Stage\(", source)]
    rows = re.findall(r"^\| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(stages) >= 10
    assert [row for row in rows if row in stages] == stages
