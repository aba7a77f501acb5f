"""docs/SETTINGS.md says what the code says."""

from __future__ import annotations

from dataclasses import fields

from decoders.params import DECODER_NAMES, decoder_params
from docs.make_settings import PAGE, page
from rag.core.query import Sampling, Search
from rag.core.settings.config import Config
from rag.service.settings import ServiceSettings


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m docs.make_settings"


def test_the_page_has_every_setting() -> None:
    text = page()
    names = [*Config.model_fields, *DECODER_NAMES]
    kinds = [ServiceSettings, Search, Sampling, *(type(decoder_params(name)) for name in DECODER_NAMES)]
    names += [field.name for kind in kinds for field in fields(kind)]
    assert [name for name in names if f"`{name}`" not in text and f"### {name}\n" not in text] == []


def test_no_meaning_is_empty() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if row.rstrip(" |").endswith(("|", "| ."))] == []
