"""What a model holds of a library's claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from rag.conflicts.library.audit import FILE_NAME, AuditFile, Belief, Claim, audit
from rag.engine import Engine
from rag.patches.building import read_document
from rag.patches.questions.rules import write_rules


def audit_library(engine: Engine, limit: int, report: Callable[[int, int], None]) -> list[Belief]:
    """What the model holds of the library's claims: what it knows otherwise first.

    An interrupted audit of a library in a folder goes on where it was.

    Args:
        engine: over the library.
        limit: claims to ask about.
        report: told how many claims of how many are done.
    """
    parts, folder = engine.components, engine.library.folder
    claims = list(islice(read_claims(engine), limit))
    kept = AuditFile(folder / FILE_NAME, _model_stamp(engine)) if folder else None
    return audit(claims, parts.generator(), parts.calibration, kept, report, cache_salt=parts.cache_salt)


def read_claims(engine: Engine) -> Iterator[Claim]:
    """One question for each answer of each document."""
    sources = {info.doc_id: info.source for info in engine.documents()}
    for doc_id, content_hash in engine.library.hashes(is_live=True).items():
        for sample in write_rules(read_document(engine.library, doc_id, content_hash), 1):
            yield Claim(sample.question, sample.answer, doc_id, sources[doc_id])


def _model_stamp(engine: Engine) -> str:
    """Of the model and its calibration: another calibration judges the same answers otherwise."""
    calibration = engine.components.calibration
    about = (
        f"{calibration.fingerprint} {calibration.num_known}/{calibration.num_facts}" if calibration else "uncalibrated"
    )
    return f"{engine.components.generator().name} {about}"
