"""Every part of a library in PostgreSQL damaged on purpose: it is found, named and repaired."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("psycopg", reason="needs concord-rag[postgres]")

import rag.library.postgres.check_indexes
import rag.library.postgres.dense
from rag.cli.app import app
from rag.engine import Engine
from tests.conftest import HashEmbeddings
from tests.rag.library.test_check import QUESTIONS, TEXTS

pytestmark = pytest.mark.real


@pytest.fixture
def engine(postgres: str, tmp_path: Path) -> Iterator[Engine]:
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.txt").write_text(text)
    with Engine.open(f"{postgres}/{uuid4().hex}", embeddings=HashEmbeddings()) as opened:
        opened.add([tmp_path / f"{name}.txt" for name in TEXTS])
        opened.retrieve(QUESTIONS)
        yield opened


def sql(engine: Engine, *statements: str) -> None:
    with engine.library.database.transaction() as db:  # type: ignore[attr-defined]
        for statement in statements:
            db.execute(statement)


def best(engine: Engine) -> list[str]:
    return [Path(ranking[0].passage.source).stem for ranking in engine.retrieve(QUESTIONS)]


FIRST = "(SELECT min(id) FROM passages)"


def change_text(engine: Engine) -> None:
    sql(engine, f"UPDATE passages SET text = text || ' More.' WHERE id = {FIRST}")


def shorten_vector(engine: Engine) -> None:
    sql(engine, f"UPDATE passages SET vector = '[1,0]' WHERE id = {FIRST}")


def stretch_vector(engine: Engine) -> None:
    sql(engine, f"UPDATE passages SET vector = array_fill(1.0, ARRAY[256])::real[]::vector WHERE id = {FIRST}")


def lose_words(engine: Engine) -> None:
    sql(engine, f"UPDATE passages SET words = '' WHERE id = {FIRST}")


def miscount_words(engine: Engine) -> None:
    sql(engine, f"UPDATE passages SET num_words = 1 WHERE id = {FIRST}")


def miscount_passages(engine: Engine) -> None:
    sql(engine, "UPDATE meta SET value = '7' WHERE key = 'num_passages'")


def unlist_word(engine: Engine) -> None:
    sql(engine, "DELETE FROM word_blocks WHERE word = (SELECT min(word) FROM word_blocks)")


def list_other_passage(engine: Engine) -> None:
    sql(engine, "UPDATE word_blocks SET body = set_byte(body, 7, get_byte(body, 7) + 1)")


def lose_vector_index(engine: Engine) -> None:
    sql(engine, "INSERT INTO meta VALUES ('indexed_dimension', '256')")


def orphan_a_passage(engine: Engine) -> None:
    sql(
        engine,
        "SET LOCAL session_replication_role = replica",  # as a restore does: no constraint is checked
        f"INSERT INTO passages (document, ordinal, start, text, content, num_words, words, vector) "
        f"SELECT 9999, ordinal, start, text, content, num_words, words, vector FROM passages WHERE id = {FIRST}",
    )


def damage_extraction(engine: Engine) -> None:
    content = f"(SELECT content FROM passages WHERE id = {FIRST})"
    sql(engine, f"INSERT INTO extractions VALUES ('other', {content}, '\\x00')")


def leave_extraction(engine: Engine) -> None:
    sql(engine, "INSERT INTO extractions VALUES ('names-1', '\\x00', '\\x00')")


def unlist_name(engine: Engine) -> None:
    sql(engine, "DELETE FROM graph_names WHERE key = (SELECT min(key) FROM graph_names)")


def count_words_twice(engine: Engine) -> None:
    sql(engine, "UPDATE graph_words SET count = 2 * count")


def cut_entry(engine: Engine) -> None:
    sql(engine, "UPDATE graph_entries SET body = substr(body, 1, 13)")


DAMAGES: dict[Callable[[Engine], None], set[str]] = {
    change_text: {"vectors", "sparse index"},
    shorten_vector: {"vectors"},
    stretch_vector: {"vectors"},
    lose_words: {"sparse index"},
    miscount_words: {"sparse index"},
    miscount_passages: {"sparse index"},
    unlist_word: {"sparse index"},
    list_other_passage: {"sparse index"},
    lose_vector_index: {"vector index"},
    orphan_a_passage: {"passages"},
    damage_extraction: {"graph"},
    leave_extraction: {"graph"},
    unlist_name: {"graph"},
    count_words_twice: {"graph"},
    cut_entry: {"graph"},
}


def test_a_sound_library_has_no_findings(engine: Engine) -> None:
    generation = engine.library.generation
    assert engine.check() == []
    assert engine.check(is_repairing=True) == []
    assert engine.library.generation == generation


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_found_and_repaired(engine: Engine, damage: Callable[[Engine], None]) -> None:
    damage(engine)
    findings = engine.check()
    assert {finding.part for finding in findings} == DAMAGES[damage]
    assert engine.check() == findings, "looking changes nothing"
    assert not any(finding.is_repaired for finding in findings)
    repaired = engine.check(is_repairing=True)
    assert repaired
    assert all(finding.is_repaired for finding in repaired)
    assert engine.check() == []
    assert best(engine) == list(TEXTS)
    assert all(engine.library.match(f'"{word}"', 5) for word in ("master", "corn", "lamps"))


def test_missing_passages_come_back_with_the_next_add(engine: Engine, tmp_path: Path) -> None:
    sql(engine, f"DELETE FROM passages WHERE id = {FIRST}")
    assert {finding.part for finding in engine.check()} >= {"passages"}
    engine.check(is_repairing=True)
    assert len(engine.add(tmp_path / "harbour.txt").replaced) == 1
    assert engine.check() == []
    assert best(engine) == list(TEXTS)


def test_a_large_library_must_have_its_index(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rag.library.postgres.check_indexes, rag.library.postgres.dense):
        monkeypatch.setattr(module, "EXACT_LIMIT", 2)
    [finding] = engine.check()
    assert (finding.part, finding.is_repaired) == ("vector index", False)
    [finding] = engine.check(is_repairing=True)
    assert finding.is_repaired
    assert engine.library.meta("indexed_dimension") == "256"
    assert engine.check() == []
    assert best(engine) == list(TEXTS)


def test_vectors_need_their_own_encoder(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_vector(engine)
    monkeypatch.setattr(HashEmbeddings, "embed_query", lambda self, text: list(np.eye(256)[len(text) % 256]))
    with Engine.open(_address(engine), embeddings=HashEmbeddings()) as fresh:
        [finding] = fresh.check(is_repairing=True)
    assert not finding.is_repaired
    assert "were made with another model" in finding.problem


def _address(engine: Engine) -> str:
    address: Any = engine.library.database.address  # type: ignore[attr-defined]
    return f"{address.place.replace('//', f'//concord:{address.secret}@', 1)}"


def test_the_command(engine: Engine) -> None:
    runner = CliRunner()
    sound = runner.invoke(app, ["check", _address(engine)])
    assert (sound.exit_code, "sound; it holds 3 passages" in sound.output) == (0, True)
    miscount_passages(engine)
    damaged = runner.invoke(app, ["check", _address(engine)])
    assert (damaged.exit_code, "wrong: sparse index: the totals" in damaged.output) == (1, True)
    repaired = runner.invoke(app, ["check", _address(engine), "--repair"])
    assert (repaired.exit_code, "repaired: sparse index" in repaired.output) == (0, True)
