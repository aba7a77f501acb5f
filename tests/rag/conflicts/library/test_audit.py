"""What a model holds of a library's claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.conflicts.library.audit import AuditFile, Claim, audit
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer

CLAIMS = [Claim(f"Who keeps mill {n}?", f"Keeper {n}", f"doc{n}", f"mill-{n}.txt") for n in range(20)]


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=1024)


def test_a_model_without_a_calibration_never_knows_otherwise(tiny: TransformersGenerator) -> None:
    beliefs = audit(CLAIMS[:3], tiny, None)
    assert {belief.claim for belief in beliefs} == set(CLAIMS[:3])
    assert {belief.relation for belief in beliefs} == {"unsure"}


def test_an_interrupted_audit_goes_on(tiny: TransformersGenerator, tmp_path: Path) -> None:
    kept = AuditFile(tmp_path / "audit.jsonl", "tiny")
    whole = audit(CLAIMS, tiny, None, kept)
    lines = kept.file.read_text().splitlines()
    kept.file.write_text("\n".join([*lines[:16], lines[16][:20]]) + "\n")  # killed while it wrote
    seen: list[tuple[int, int]] = []
    again = audit(CLAIMS, tiny, None, kept, lambda done, of: seen.append((done, of)))
    assert seen == [(16, 20), (20, 20)]
    assert {b.claim: b.answer for b in again} == {b.claim: b.answer for b in whole}


def test_beliefs_of_another_model_do_not_count(tiny: TransformersGenerator, tmp_path: Path) -> None:
    audit(CLAIMS[:2], tiny, None, AuditFile(tmp_path / "audit.jsonl", "other"))
    assert AuditFile(tmp_path / "audit.jsonl", "tiny").load() == {}
