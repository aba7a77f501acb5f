"""kill -9 at random moments of an ``add``: the library is in the previous state or in the new one."""

from __future__ import annotations

import random
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

import rag.ingest.add
from rag.core.passages import Passage
from rag.engine import Engine
from tests.conftest import HashEmbeddings
from tests.processes import start

NUM_KILLS = 50
NUM_FILES = 12
SETTINGS: dict[str, Any] = {"embeddings": HashEmbeddings(), "chunk_tokens": 16, "chunk_overlap_tokens": 0}


def add(library: str, docs: Path, ready: Connection) -> None:
    """Stages one document at a time, so that kills fall between and inside many transactions."""
    rag.ingest.add._FLUSH_PASSAGES = 1
    engine = Engine.open(library, **SETTINGS)
    _ = engine.retriever
    ready.send("ready")
    engine.add(docs)
    engine.retrieve(["state"])


def start_adding(library: str | Path, docs: Path) -> BaseProcess:
    """A process that begins to add ``docs`` now."""
    reader, writer = Pipe(duplex=False)
    process = start(add, str(library), docs, writer)
    writer.close()
    assert reader.recv() == "ready"
    return process


def write(folder: Path, version: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(NUM_FILES):
        lines = [f"state {version} file {number} line {line} of a text." for line in range(12)]
        (folder / f"{number}.txt").write_text("\n\n".join(lines))


def read_version(engine: Engine) -> int:
    """The one version that every passage and both indexes agree on."""
    ids, vectors, _ = engine.library.vectors()
    passages = engine.library.passages([int(i) for i in ids])
    versions = {passage.text.split()[1] for passage in passages.values()}
    assert len(versions) == 1, f"a mixture of states: {versions}"
    assert len(passages) == len(vectors) == NUM_FILES * 12
    assert len(engine.documents()) == NUM_FILES
    hits = engine.library.match('"state"', 10_000)
    assert sorted(row_id for row_id, _ in hits) == sorted(passages)
    retrieved: list[Passage] = [s.passage for s in engine.retrieve(["state file 3 line 4"], top_k=5)[0]]
    assert {p.text for p in retrieved} <= {p.text for p in passages.values()}
    assert engine.check() == []
    return int(versions.pop())


@pytest.mark.real
def test_fifty_kills(tmp_path: Path) -> None:
    rng = random.Random(11)
    docs, library = tmp_path / "docs", tmp_path / "library"
    write(docs, 0)
    with Engine.open(library, **SETTINGS) as engine:
        engine.add(docs)
        current = read_version(engine)
    longest_s = 0.5
    outcomes = {"previous": 0, "new": 0}
    for version in range(1, NUM_KILLS + 1):
        write(docs, version)
        process = start_adding(library, docs)
        time.sleep(rng.uniform(0, longest_s))
        process.kill()
        process.join()
        with Engine.open(library, **SETTINGS) as engine:
            version_now = read_version(engine)
            assert version_now in (current, version)
            outcomes["new" if version_now == version else "previous"] += 1
            # Aim at the moment of publication, wherever this machine's speed puts it.
            longest_s *= 0.8 if version_now == version else 1.25
            current = version_now
    assert min(outcomes.values()) >= 10, f"the kills did not spread over the add: {outcomes}"
    with Engine.open(library, **SETTINGS) as engine:
        write(docs, 99)
        engine.add(docs)
        assert read_version(engine) == 99


@pytest.mark.real
def test_staged_work_is_used_after_a_kill(tmp_path: Path) -> None:
    """The next add embeds only what the killed one had not staged."""
    docs, library = tmp_path / "docs", tmp_path / "library"
    write(docs, 0)
    process = start_adding(library, docs)
    with Engine.open(library, **SETTINGS) as engine:
        while not (staged := engine.library.hashes(is_live=False)) and process.is_alive():
            time.sleep(0.001)
        process.kill()
        process.join()
        staged = engine.library.hashes(is_live=False) or staged
        if engine.documents():
            return  # it was faster than the kill; nothing is left to resume
        calls: list[int] = []
        encode = engine._encoder.encode
        engine._encoder.encode = lambda texts: (calls.append(len(texts)), encode(texts))[1]  # type: ignore[method-assign]
        engine.add(docs)
        assert sum(calls) == (NUM_FILES - len(staged)) * 12
        assert read_version(engine) == 0
