"""The results page: comparison tables, and what they depend on (command, machine, versions, fingerprint)."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from eval.run.config import fingerprint
from eval.studies.comparison_table import Cell, TableConfig, markdown
from rag.models.defaults import GENERATOR

Tables = Sequence[tuple[TableConfig, Sequence[Cell]]]


def results_page(tables: Tables, command: str, limit: int | None = None) -> str:
    """The page as Markdown. ``command`` is the one that made it; ``limit`` the most questions it asked per run."""
    runs = [cell.evaluation.run for _, cells in tables for cell in cells]
    versions = {
        name: version for run in runs for record in run.records[:1] for name, version in record.versions.items()
    }
    models = {str(run.identity.get("engine.model", "-")): None for run in runs}
    named = [f"{name} ({GENERATOR.name})" if name == "default" else name for name in models]
    origin = [
        f"Made by `{command}` on {datetime.now(UTC):%Y-%m-%d}; not edited by hand: run it again.",
        f"Machine: {os.cpu_count()} cores, {platform.machine()}, {platform.system()}. Model: {', '.join(named)}.",
        f"Versions: Python {platform.python_version()}, {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}.",
        f"Fingerprint of all runs: {fingerprint({'runs': [dict(run.identity) for run in runs]})}.",
    ]
    parts = ["# Results", "\n".join(origin)]
    if limit is not None:
        parts.append(f"**A trial run: at most {limit} questions per figure. Not to be quoted.**")
    return "\n\n".join([*parts, *(markdown(table, cells).strip() for table, cells in tables)]) + "\n"
