"""Every part of a library damaged on purpose: it is found, named and repaired, and all that was added stays."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rag.cli.app import app
from rag.core.errors import ConcordError, StorageError
from rag.engine import Engine
from rag.library.checking import Finding
from rag.library.sqlite.index_file import INDEX_FILE
from tests.conftest import HashEmbeddings

TEXTS = {
    "harbour": "The harbour master of Port Selwick is Edda Lindqvist.",
    "mill": "The tide mill grinds corn when the tide falls. Ada Penrose built it.",
    "museum": "The museum shows boats, nets and lamps of Port Selwick.",
}
QUESTIONS = ["harbour master", "tide mill corn", "museum boats"]


@pytest.fixture(params=["hybrid", "graph"])
def engine(tmp_path: Path, embeddings: Any, request: pytest.FixtureRequest) -> Iterator[Engine]:
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.txt").write_text(text)
    with Engine.open(tmp_path / "library", embeddings=embeddings, retrieval=request.param) as opened:
        opened.add([tmp_path / f"{name}.txt" for name in TEXTS])
        opened.retrieve(QUESTIONS)
        yield opened


def sql(engine: Engine, *statements: str) -> None:
    with sqlite3.connect(engine.library.database.file) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def best(engine: Engine) -> list[str]:
    """From a fresh engine, as another process would see the library."""
    with Engine.open(engine.library.folder, config=engine.config, embeddings=HashEmbeddings()) as fresh:
        return [Path(ranking[0].passage.source).stem for ranking in fresh.retrieve(QUESTIONS)]


def damage_index(engine: Engine) -> None:
    file = engine.library.folder / INDEX_FILE
    file.write_bytes(b"damaged" + file.read_bytes()[7:] if file.exists() else b"damaged")


def swap_index(engine: Engine) -> None:
    """The index of the same library, over other vectors."""
    import numpy as np

    from rag.library.sqlite.index_build import build_index
    from rag.library.sqlite.index_file import save_index

    index = build_index(engine.library, engine.library.live_ids()[0])
    index.index.reset()
    vectors = np.eye(256, dtype=np.float32)[:3]
    index.index.add_with_ids(vectors, engine.library.live_ids()[0])
    save_index(index, engine.library.folder / INDEX_FILE)


def leave_litter(engine: Engine) -> None:
    litter = engine.library.folder / ".dense-1234"
    litter.write_bytes(b"half")
    os.utime(litter, (0, 0))


def unread_words(engine: Engine) -> None:
    sql(engine, "DELETE FROM passages_fts WHERE rowid = (SELECT min(id) FROM passages)")


def damage_words(engine: Engine) -> None:
    sql(engine, "UPDATE passages_fts_data SET block = x'0011223344' WHERE id > 10")


def left_words(engine: Engine) -> None:
    sql(engine, "INSERT INTO passages_fts (rowid, title, text) VALUES (999, 'ghost', 'tide mill corn')")


def change_text(engine: Engine) -> None:
    sql(engine, "UPDATE passages SET text = text || ' More.' WHERE id = (SELECT min(id) FROM passages)")


def cut_vector(engine: Engine) -> None:
    sql(engine, "UPDATE passages SET vector = substr(vector, 9) WHERE id = (SELECT max(id) FROM passages)")


def stretch_vector(engine: Engine) -> None:
    sql(engine, f"UPDATE passages SET vector = x'{'0000803f' * 256}' WHERE id = (SELECT max(id) FROM passages)")


def damage_extraction(engine: Engine) -> None:
    content = "(SELECT content FROM passages LIMIT 1)"
    sql(engine, f"INSERT OR REPLACE INTO extractions VALUES ('names-1', {content}, x'00')")


def leave_extraction(engine: Engine) -> None:
    sql(engine, "INSERT INTO extractions VALUES ('names-1', x'00', x'00')")


def unlist_name(engine: Engine) -> None:
    sql(engine, "DELETE FROM graph_names WHERE key = (SELECT min(key) FROM graph_names)")


def count_words_twice(engine: Engine) -> None:
    sql(engine, "UPDATE graph_words SET count = 2 * count")


def cut_entry(engine: Engine) -> None:
    sql(engine, "UPDATE graph_entries SET body = substr(body, 1, 13)")


DAMAGES: dict[Callable[[Engine], None], set[str]] = {
    damage_index: {"vector index"},
    swap_index: {"vector index"},
    leave_litter: {"vector index"},
    unread_words: {"sparse index"},
    damage_words: {"sparse index"},
    left_words: {"sparse index"},
    change_text: {"vectors", "sparse index"},
    cut_vector: {"vectors"},
    stretch_vector: {"vectors"},
    damage_extraction: {"graph"},
    leave_extraction: {"graph"},
    unlist_name: {"graph"},
    count_words_twice: {"graph"},
    cut_entry: {"graph"},
}


def test_a_sound_library_has_no_findings(engine: Engine) -> None:
    before = {file.name: file.stat().st_size for file in engine.library.folder.iterdir()}
    generation = engine.library.generation
    assert engine.check() == []
    assert engine.check(is_repairing=True) == []
    assert engine.library.generation == generation
    assert {file.name: file.stat().st_size for file in engine.library.folder.iterdir()} == before


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_found_and_repaired(engine: Engine, damage: Callable[[Engine], None]) -> None:
    damage(engine)
    findings = engine.check()
    assert {finding.part for finding in findings} >= DAMAGES[damage]
    assert engine.check() == findings, "looking changes nothing"
    assert not any(finding.is_repaired for finding in findings)
    repaired = engine.check(is_repairing=True)
    assert repaired
    assert all(finding.is_repaired for finding in repaired)
    assert engine.check() == []
    assert best(engine) == list(TEXTS)
    assert [Path(ranking[0].passage.source).stem for ranking in engine.retrieve(QUESTIONS)] == list(TEXTS)


def test_what_cannot_be_repaired_says_why(engine: Engine) -> None:
    """A folder where the index belongs: questions are answered, and the check leaves it to its owner."""
    file = engine.library.folder / INDEX_FILE
    file.unlink(missing_ok=True)
    file.mkdir()
    [finding] = engine.check(is_repairing=True)
    assert (finding.part, finding.is_repaired) == ("vector index", False)
    assert "not repaired: " in finding.problem
    assert best(engine) == list(TEXTS)


def test_missing_passages_come_back_with_the_next_add(engine: Engine, tmp_path: Path) -> None:
    sql(engine, "DELETE FROM passages WHERE id = (SELECT min(id) FROM passages)")
    assert {finding.part for finding in engine.check()} >= {"passages", "sparse index"}
    engine.check(is_repairing=True)
    report = engine.add(tmp_path / "harbour.txt")
    assert len(report.replaced) == 1
    assert engine.check() == []
    assert best(engine) == list(TEXTS)


def test_vectors_need_their_own_encoder(engine: Engine) -> None:
    cut_vector(engine)
    sql(engine, "UPDATE meta SET value = 'another' WHERE key = 'encoder'")
    [finding] = engine.check(is_repairing=True)
    assert not finding.is_repaired
    assert "was made with encoder 'another'" in finding.problem


def test_a_damaged_database_is_named_and_left_alone(engine: Engine, tmp_path: Path) -> None:
    folder = engine.library.folder
    engine.close()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = copy / "library.sqlite3"
    content = bytearray(file.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = bytes(64)
    file.write_bytes(content)
    try:
        with Engine.open(copy, config=engine.config, embeddings=HashEmbeddings()) as opened:
            findings = opened.check(is_repairing=True)
        assert [finding.part for finding in findings] == ["file"]
        assert findings == [Finding("file", findings[0].problem)]
    except StorageError as error:
        assert "damaged" in str(error)  # noqa: PT017 - either way is right; which one is up to the damage
    assert file.read_bytes() == bytes(content)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_question_to_a_damaged_library_is_answered_or_refused(
    engine: Engine, damage: Callable[[Engine], None]
) -> None:
    """Never a traceback of somebody else's, never a crash."""
    damage(engine)
    try:
        assert len(best(engine)) == 3
    except ConcordError as error:
        assert "damaged" in str(error)  # noqa: PT017 - answering is right too


def test_the_command(engine: Engine) -> None:
    runner, folder = CliRunner(), str(engine.library.folder)
    sound = runner.invoke(app, ["check", folder])
    assert (sound.exit_code, "sound; it holds 3 passages" in sound.output) == (0, True)
    unread_words(engine)
    findings = runner.invoke(app, ["check", folder])
    assert (findings.exit_code, "wrong: sparse index: 1 passages" in findings.output) == (1, True)
    repaired = runner.invoke(app, ["check", folder, "--repair"])
    assert (repaired.exit_code, "repaired: sparse index" in repaired.output) == (0, True)
    assert runner.invoke(app, ["check", folder]).exit_code == 0
    assert runner.invoke(app, ["check", folder + "-none"]).exit_code == 2
