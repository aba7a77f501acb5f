"""What every loader gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A document's title (empty where it has none) and text."""

    title: str
    text: str
