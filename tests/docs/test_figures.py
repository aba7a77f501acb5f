"""Figures of the pages stand in the log or in the tables, which commands of the repository printed."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.docs.pages import prose

DOCS = ROOT / "docs"


def figures(text: str) -> set[str]:
    """Shares such as ``.312``, percentages, and other decimals."""
    return set(re.findall(r"(?<![\w.])(?:\d*\.\d{2,3}|\d+\.\d(?= %))(?![\d.])", text))


@pytest.mark.parametrize("name", ["LIMITS.md", "PATCHES.md"])
def test_figures_are_measured(name: str) -> None:
    measured = "\n".join((DOCS / source).read_text(encoding="utf-8") for source in ("LOG.md", "RESULTS.md"))
    shown, known = figures(prose(DOCS / name)), figures(re.sub(r"\b0\.", ".", measured))
    assert shown - known == set()


def test_the_test_sees_figures() -> None:
    assert figures("flags .82 of 4.50 rows, 2.1 % of 250, version 0.32.0, in 1.5 s") == {".82", "4.50", "2.1"}
    assert len(figures(prose(DOCS / "LIMITS.md"))) > 20
