"""vLLM's internals: all there, named in one place, and missed loudly."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

import vllm
from vllm.v1.core.sched.scheduler import Scheduler

from decoders.vllm_plugin import compat, compat_lora
from decoders.vllm_plugin.names import Needs, find_missing

ROOT = Path(__file__).parents[2]
GROUPS = (compat.SCHEDULER, compat.PROCESSORS, compat.WORKER, compat.CPU_WORKER, compat.CLIENT, compat_lora.LORA)


@pytest.mark.parametrize("needs", GROUPS, ids=("scheduler", "processors", "worker", "cpu-worker", "client", "lora"))
def test_the_installed_vllm_has_every_name(needs: Needs) -> None:
    assert find_missing(needs) == []


@pytest.mark.parametrize("name", sorted(compat._LAZY))
def test_what_is_loaded_late_is_there(name: str) -> None:
    assert getattr(compat, name).__name__ == name


def test_an_unknown_name_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        compat.Nonsense  # noqa: B018


def test_missing_names_are_told_with_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Scheduler, "_preempt_request")
    monkeypatch.setattr(Scheduler, "_free_request", lambda self, item: None)
    with pytest.raises(ImportError) as caught:
        compat.check(compat.SCHEDULER)
    message = str(caught.value)
    assert "Scheduler._preempt_request(request, timestamp, drop_stale_output)" in message
    assert "Scheduler._free_request(request)" in message
    assert "Scheduler._reserve_prefill_lookahead" not in message
    assert "supports vLLM 0.32 and 0.33" in message
    assert vllm.__version__ in message
    assert "\n" not in message


def test_a_missing_module_is_told() -> None:
    with pytest.raises(ImportError, match=r"lacks vllm.no_such_module .*vllm.v1.request.Request.wings"):
        compat.check({"vllm.no_such_module": (), "vllm.v1.request": ("Request.wings",)})


@pytest.mark.parametrize("version", ["0.31.2", "0.34.0", "1.32.0", "0.3.2"])
def test_a_version_outside_the_range_is_refused(version: str) -> None:
    with pytest.raises(ImportError, match=f"found {version}: install vllm==0.33"):
        compat.check(compat.SCHEDULER, version)


@pytest.mark.parametrize("version", ["0.32.0+cpu", "0.33.0", "0.33.1.dev7"])
def test_versions_of_the_range_pass(version: str) -> None:
    compat.check(compat.SCHEDULER, version)


def test_internals_of_vllm_stand_in_two_modules() -> None:
    """Other modules import only the package itself, and name none of its private methods."""
    needs = [need.partition("(")[0] for group in GROUPS for wanted in group.values() for need in wanted]
    private = {name for need in needs if (name := need.partition(".")[2]).startswith("_")}
    assert "_preempt_request" in private
    for folder in ("decoders", "rag", "retrievers", "kg", "eval"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name not in ("compat.py", "compat_lora.py"):
                tree = ast.parse(path.read_text())
                assert [name for name in imported(tree) if name.startswith("vllm.")] == [], path
                assert private & set(named(tree)) == set(), path


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef):
            yield node.name
