"""Where the newest results of looking through a library are kept: beside the library, and gone with it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rag.conflicts.library.audit import FILE_NAME as AUDIT_FILE
from rag.core.errors import StorageError
from rag.core.process.files import write_atomically
from rag.engine import Engine
from rag.service.survey.schemas import AuditReport, ConflictReport, SurveyReport
from rag.survey.conflicts import library_stamp

R = TypeVar("R", bound=SurveyReport)
# For libraries without a folder; below the folder of the service.
_FOLDER = ".reports"
_FILES: dict[type[SurveyReport], str] = {
    ConflictReport: "conflicts-report.json",
    AuditReport: "audit-report.json",
}


@dataclass(frozen=True)
class Reports:
    """The reports of one library.

    Attributes:
        folder: of the library; one below the service's where the library has none.
        is_beside: the folder is not the library's own, so it is not removed with the library.
    """

    folder: Path
    is_beside: bool = False

    @classmethod
    def open(cls, engine: Engine, root: Path) -> Reports:
        """The reports of an engine's library, in a service at ``root``."""
        if engine.library.folder is not None:
            return cls(engine.library.folder)
        name = hashlib.sha256(f"{engine.library.place} {engine.library.identity}".encode()).hexdigest()[:32]
        return cls(root / _FOLDER / name, is_beside=True)

    def write(self, report: SurveyReport, stamp: str) -> None:
        """Replace the report of this kind.

        Raises:
            StorageError: the disk is full, or the folder cannot be written.
        """
        fields = report.model_dump(mode="json") | {"stamp": stamp}
        self._write(_FILES[type(report)], json.dumps(fields))

    def read(self, kind: type[R], engine: Engine) -> R:
        """The newest report of a kind, without documents that are gone; an empty one if there is none."""
        report = self._load(kind)
        if report is None:
            return kind()
        if report.stamp == library_stamp(engine.library):
            return report.model_copy(update={"is_current": True})
        doc_ids = {document.doc_id for document in engine.documents()}
        return _without(report, lambda doc_id: doc_id not in doc_ids)

    def forget(self, doc_id: str) -> None:
        """Remove what the reports quote from a document."""
        for kind in _FILES:
            report = self._load(kind)
            if report is not None:
                self.write(_without(report, lambda one: one == doc_id), report.stamp)
        self._forget_beliefs(doc_id)

    def remove(self) -> None:
        """Remove the reports of a library that is gone."""
        if self.is_beside:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _load(self, kind: type[R]) -> R | None:
        try:
            return kind.model_validate_json((self.folder / _FILES[kind]).read_bytes())
        except (OSError, ValueError):
            return None

    def _forget_beliefs(self, doc_id: str) -> None:
        """Those that an audit keeps for the next one."""
        file = self.folder / AUDIT_FILE
        try:
            lines = file.read_text("utf-8").splitlines()
        except OSError:
            return
        others = [line for line in lines if json.dumps(doc_id) not in line]
        if len(others) < len(lines):
            self._write(AUDIT_FILE, "".join(f"{line}\n" for line in others))

    def _write(self, name: str, text: str) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self.folder / name, text.encode())
        except OSError as error:
            raise StorageError(f"cannot write {name}: {error.strerror}; free some space, then try again") from error


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
