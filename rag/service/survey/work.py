"""Looking through a library: the work of the jobs ``conflicts`` and ``audit``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rag.conflicts.library.audit import Belief
from rag.conflicts.library.search import LibraryConflict, Side
from rag.engine import Engine
from rag.service.survey.reports import Reports, count_relations
from rag.service.survey.schemas import (
    AuditReport,
    BeliefItem,
    ConflictItem,
    ConflictReport,
    PlaceItem,
    SideItem,
    SurveyKind,
    SurveyReport,
)
from rag.survey.audit import audit_library
from rag.survey.conflicts import compare_library, library_stamp

Report = Callable[[int, int], None]
# Of a library in which more contradicts more, the surest ones; a person reads no more than that.
_MAX_CONFLICTS = 1000
_MAX_PLACES = 20


def survey(engine: Engine, kind: SurveyKind, about: Mapping[str, Any], report: Report) -> None:
    """Look through a library, and keep the result.

    Args:
        engine: over the library.
        kind: what to look for.
        about: the job's own options: ``limit`` of an audit.
        report: told how many sentences or claims of how many are done.

    Raises:
        ModelError, UnavailableError: the model that an audit asks cannot be loaded.
    """
    stamp = library_stamp(engine.library)
    new: SurveyReport
    if kind == "conflicts":
        new = _describe_conflicts(compare_library(engine, report))
    else:
        new = _describe_beliefs(audit_library(engine, about["limit"], report), engine)
    new.made_at = datetime.now(UTC).isoformat(timespec="seconds")
    Reports(engine).write(new, stamp)


def _describe_conflicts(conflicts: list[LibraryConflict]) -> ConflictReport:
    items = [
        ConflictItem(
            kind=conflict.kind,  # type: ignore[arg-type]  # pydantic checks it
            confidence=round(conflict.confidence, 3),
            subject=conflict.subject,
            relation=conflict.relation,
            sides=list(map(_describe_side, conflict.sides)),
        )
        for conflict in conflicts[:_MAX_CONFLICTS]
    ]
    return ConflictReport(data=items, num_conflicts=len(conflicts))


def _describe_side(side: Side) -> SideItem:
    places = [PlaceItem.model_validate(place, from_attributes=True) for place in side.places[:_MAX_PLACES]]
    return SideItem(object=side.object, places=places, num_places=len(side.places))


def _describe_beliefs(beliefs: list[Belief], engine: Engine) -> AuditReport:
    items = [
        BeliefItem(
            question=belief.claim.question,
            claimed=belief.claim.answer,
            doc_id=belief.claim.doc_id,
            source=belief.claim.source,
            believed=belief.answer,
            knows=belief.knows,
            relation=belief.relation,
        )
        for belief in beliefs
    ]
    is_calibrated = engine.components.calibration is not None
    report = AuditReport(data=items, model=engine.config.model, is_calibrated=is_calibrated)
    count_relations(report)
    return report
