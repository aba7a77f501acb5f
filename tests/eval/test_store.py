"""The result file: resuming, torn lines, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.records import BatchTiming, ConflictSummary, Record
from eval.run.store import ResultFile, read_run
from rag.core.errors import SettingError, SourceError, StorageError

IDENTITY = {"dataset": "plain", "decoder": "cad", "alpha": 1.0}


def record(name: str, answer: str | None = "an\u2028swer \u00e9") -> Record:
    return Record(
        name,
        "?",
        answer,
        ("a", "b"),
        ranking=(("d1", 0.1), ("d2", 1 / 3)),
        gold_doc_ids=("d1",),
        conflict=ConflictSummary(0.5, True, "c", "m", 3, 1, 0.1, 0.2, 0.3),
        tokens={"generated": 3},
        timings_ms={"generate": 1.25},
        batch=BatchTiming(2, 4, 8.5),
        versions={"torch": "2"},
    )


def write(path: Path, *names: str) -> None:
    with ResultFile(path, IDENTITY, 3) as results:
        results.append([record(name) for name in names])


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.jsonl"
    write(path, "1", "2")
    run = read_run(path)
    assert run.records == (record("1"), record("2"))
    assert (dict(run.identity), run.num_trials, run.is_complete, run.name) == (IDENTITY, 3, False, "run")
    assert record("1", None) == Record.from_fields(json.loads(record("1", None).to_line()))


def test_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, "1")
    with ResultFile(path, IDENTITY, 3) as results:
        assert results.done == {"1"}
        results.append([record("2"), record("3")])
    assert [item.question_id for item in read_run(path).records] == ["1", "2", "3"]
    assert read_run(path).is_complete


@pytest.mark.parametrize("num_bytes", [1, 40, 200])
def test_a_torn_line_is_cut_off(tmp_path: Path, num_bytes: int) -> None:
    path = tmp_path / "run.jsonl"
    write(path, "1", "2")
    whole = path.read_bytes()
    path.write_bytes(whole + record("3").to_line().encode()[:num_bytes])
    assert len(read_run(path).records) == 2
    with ResultFile(path, IDENTITY, 3):
        pass
    assert path.read_bytes() == whole


@pytest.mark.parametrize("num_bytes", [0, 1, 20, 60])
def test_a_torn_header_is_written_again(tmp_path: Path, num_bytes: int) -> None:
    path = tmp_path / "run.jsonl"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:num_bytes])
    write(path)
    assert path.read_bytes() == whole


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, "1")
    before = path.read_bytes()
    other = {"dataset": "plain", "decoder": "adacad", "seed": 1}
    with pytest.raises(SettingError) as error:
        ResultFile(path, other, 3)
    message = str(error.value)
    for part in ("alpha: 1.0 there, None now", "decoder: 'cad' there, 'adacad' now", "seed: None there, 1 now"):
        assert part in message
    assert "dataset" not in message
    assert path.read_bytes() == before
    write(path, "2")  # the refusal left no lock behind


def test_a_foreign_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Notes\nno line feed at the end")
    with pytest.raises(SettingError, match="not a result file"):
        ResultFile(path, IDENTITY, 3)
    assert path.read_text() == "# Notes\nno line feed at the end"


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with ResultFile(path, IDENTITY, 3), pytest.raises(SettingError, match="being written by another process"):
        ResultFile(path, IDENTITY, 3)


def test_damage_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write(path, "1", "2")
    lines = path.read_text().split("\n")
    path.write_text("\n".join([lines[0], lines[1][:-9], *lines[2:]]))
    with pytest.raises(StorageError, match=r"line 2: damaged"):
        read_run(path)
    path.write_text("\n".join([lines[0], lines[1].replace('"answer"', '"reply"'), *lines[2:]]))
    with pytest.raises(StorageError, match=r"lacks or adds fields \(answer, reply\)"):
        read_run(path)


def test_what_is_no_result_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no result file"):
        read_run(tmp_path / "absent.jsonl")
    for text in ('{"a": 1}\n', "# Notes\n"):
        (tmp_path / "other.jsonl").write_text(text)
        with pytest.raises(SourceError, match="is not a result file"):
            read_run(tmp_path / "other.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(StorageError, match="holds no results yet"):
        read_run(tmp_path / "empty.jsonl")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write results"):
        ResultFile(tmp_path / "file" / "run.jsonl", IDENTITY, 3)
