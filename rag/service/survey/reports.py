"""The newest results of looking through a library, kept with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from rag.conflicts.library.audit import FILE_NAME, forget_document
from rag.engine import Engine
from rag.service.survey.schemas import AuditReport, ConflictReport, SurveyReport
from rag.survey.conflicts import library_stamp

R = TypeVar("R", bound=SurveyReport)
_NAMES: dict[type[SurveyReport], str] = {ConflictReport: "conflicts", AuditReport: "audit"}


class Reports:
    """The reports on the library of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.library.report_store()

    def write(self, report: SurveyReport, stamp: str) -> None:
        """Replace the report of this kind.

        Raises:
            StorageError: the disk is full, or the server is out of reach.
        """
        fields = report.model_dump(mode="json") | {"stamp": stamp}
        self._store.write(_NAMES[type(report)], json.dumps(fields).encode())

    def read(self, kind: type[R]) -> R:
        """The newest report of a kind, without documents that are gone; an empty one if there is none."""
        report = self._load(kind)
        if report is None:
            return kind()
        if report.stamp == library_stamp(self._engine.library):
            return report.model_copy(update={"is_current": True})
        doc_ids = {document.doc_id for document in self._engine.documents()}
        return _without(report, lambda doc_id: doc_id not in doc_ids)

    def forget(self, doc_id: str) -> None:
        """Remove what the reports quote from a document."""
        for kind in _NAMES:
            report = self._load(kind)
            if report is not None:
                self.write(_without(report, lambda one: one == doc_id), report.stamp)
        if self._engine.library.folder is not None:
            forget_document(self._engine.library.folder / FILE_NAME, doc_id)

    def _load(self, kind: type[R]) -> R | None:
        body = self._store.read(_NAMES[kind])
        try:
            return None if body is None else kind.model_validate_json(body)
        except ValueError:  # damaged, or of another version
            return None


def _without(report: R, is_gone: Callable[[str], bool]) -> R:
    """A report without what documents say that are gone."""
    if isinstance(report, ConflictReport):
        for conflict in report.data:
            for side in conflict.sides:
                side.places = [place for place in side.places if not is_gone(place.doc_id)]
            conflict.sides = [side for side in conflict.sides if side.places]
        report.data = [conflict for conflict in report.data if len(conflict.sides) > 1]
        report.num_conflicts = len(report.data)
    elif isinstance(report, AuditReport):
        report.data = [belief for belief in report.data if not is_gone(belief.doc_id)]
        count_relations(report)
    return report


def count_relations(report: AuditReport) -> None:
    """Set the numbers of an audit from its rows."""
    relations = [belief.relation for belief in report.data]
    report.num_contradicts = relations.count("contradicts")
    report.num_unsure = relations.count("unsure")
    report.num_agrees = relations.count("agrees")
