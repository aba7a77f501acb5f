"""The result file of a run: JSONL, a header and then one line per question, each on disk before the next batch.

A process that dies while it writes leaves at most one torn line at the end. The next process cuts it off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from eval.records import Record
from eval.run.config import fingerprint
from rag.core.errors import SettingError, SourceError, StorageError

_KIND = "concord-eval-run"
_START = f'{{"kind": "{_KIND}"'.encode()


@dataclass(frozen=True)
class Run:
    """A result file that was read.

    Attributes:
        path: the file.
        identity: everything that the results depend on.
        num_trials: questions of the whole run; fewer records mean that it is not finished.
        records: in the order of the trials.
    """

    path: Path
    identity: Mapping[str, Any]
    num_trials: int
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem

    @property
    def is_complete(self) -> bool:
        """Whether every question has its line."""
        return len(self.records) == self.num_trials


def read_run(path: Path) -> Run:
    """The run in ``path``; a torn last line is left out.

    Raises:
        SourceError: there is no such file, or it is not a result file.
        StorageError: it holds no results yet, or is damaged before its end (the line is named).
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise SourceError(f"no result file {path}: {error.strerror}") from error
    if not lines:
        raise StorageError(f"{path} holds no results yet")
    if not lines[0].startswith(_START):
        raise SourceError(f"{path} is not a result file of 'concord eval run'")
    header = _decoded(lines[0], path, 1)
    records = [Record.from_fields(_decoded(line, path, number)) for number, line in enumerate(lines[1:], start=2)]
    return Run(path, header["identity"], header["num_trials"], tuple(records))


class ResultFile:
    """A result file open for appending; one process at a time."""

    def __init__(self, path: Path, identity: Mapping[str, Any], num_trials: int) -> None:
        """Create ``path``, or continue it.

        Raises:
            SettingError: it belongs to another configuration (the differences are named), is no result file, or
                another process is writing it.
            StorageError: it cannot be written.
        """
        self.path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
        self._acquire()
        try:
            self._file = self._open(identity, num_trials)
            self.done = frozenset(record.question_id for record in read_run(path).records)
        except BaseException:
            self._lock.release()
            raise

    def append(self, records: Sequence[Record]) -> None:
        """Write ``records`` and wait until they are on disk.

        Raises:
            StorageError: the disk is full or the file cannot be written.
        """
        try:
            _write(self._file, "".join(record.to_line() for record in records).encode())
        except OSError as error:
            raise StorageError(f"cannot write results to {self.path}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.release()

    def _acquire(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise SettingError(
                f"{self.path} is being written by another process; wait for it or choose another"
            ) from error
        except OSError as error:
            raise StorageError(f"cannot write results to {self.path}: {error.strerror}") from error

    def _open(self, identity: Mapping[str, Any], num_trials: int) -> FileIO:
        if self.path.exists() and not self.path.is_file():
            raise SettingError(f"{self.path} is not a file; give another output file")
        try:
            file = open(self.path, "a+b", buffering=0)  # noqa: SIM115  # closed by __exit__
            end = _end_of_last_line(file, self.path)
            if file.tell() > end:
                file.truncate(end)
            if end == 0:
                header = {"kind": _KIND, "num_trials": num_trials, "identity": identity}
                _write(file, json.dumps(header, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            raise StorageError(f"cannot write results to {self.path}: {error.strerror}") from error
        if end:
            _check_same(self.path, read_run(self.path).identity, identity)
        return file


def _write(file: FileIO, content: bytes) -> None:
    """Write ``content`` and wait for the disk. Unbuffered, so that closing does not repeat a write that failed."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _end_of_last_line(file: FileIO, path: Path) -> int:
    """Byte offset behind the last line feed, or 0. Raises before anything of a foreign file is cut."""
    file.seek(0)
    content = file.read()
    if content[: len(_START)] != _START[: len(content)]:
        raise SettingError(f"{path} exists and is not a result file of 'concord eval run'; give another output file")
    return content.rfind(b"\n") + 1


def _check_same(path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if fingerprint(stored) == fingerprint(wanted):
        return
    keys = [key for key in sorted({*stored, *wanted}) if stored.get(key) != wanted.get(key)]
    differences = "; ".join(f"{key}: {stored.get(key)!r} there, {wanted.get(key)!r} now" for key in keys)
    raise SettingError(f"{path} holds results of another configuration ({differences}); give another output file")


def _decoded(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise StorageError(f"{path}, line {number}: damaged ({error}); remove the file and run again") from error
    if not isinstance(value, dict):
        raise StorageError(f"{path}, line {number}: damaged (not a JSON object); remove the file and run again")
    return value
