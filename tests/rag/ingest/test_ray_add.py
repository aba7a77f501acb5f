"""An ``add`` on Ray workers: the same library as one process makes, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from rag.core.errors import ConcordError, SettingError
from rag.engine import Engine
from rag.ingest import ray_add
from tests.conftest import HashEmbeddings


class Deadly(HashEmbeddings):
    """Kills its process at a passage about poison, as long as a file says so; the file counts how often."""

    def __init__(self, file: Path, times: int) -> None:
        self.file, self.times = file, times

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        num_deaths = len(self.file.read_text()) if self.file.exists() else 0
        if num_deaths < self.times and any("poison" in text for text in texts):
            self.file.write_text("x" * (num_deaths + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_documents(texts)


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def write_docs(folder: Path) -> Path:
    folder.mkdir()
    for number in range(12):
        (folder / f"d{number:02}.md").write_text(f"# Mill {number}\n\nThe mill {number} was built by Aron Pell.\n")
    (folder / "d07.md").write_text("# Poison\n\nThe poison garden has a wall.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    return folder


def content(engine: Engine) -> dict[str, tuple[str, list[float]]]:
    """Text and vector of every passage, by its id."""
    ids, vectors, _ = engine.library.vectors()
    passages = engine.library.passages(ids.tolist())
    return {
        passages[row_id].passage_id: (passages[row_id].text, np.round(vector, 5).tolist())
        for row_id, vector in zip(ids.tolist(), vectors, strict=True)
    }


@pytest.mark.real
def test_a_killed_workers_part_is_done_again(
    postgres: str, tmp_path: Path, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_add, "_MAX_FILES", 2)
    docs, embeddings = write_docs(tmp_path / "docs"), Deadly(tmp_path / "deaths", times=1)
    with (
        Engine.open(f"{postgres}/{uuid4().hex}", embeddings=embeddings) as engine,
        Engine.open(tmp_path / "one", embeddings=embeddings) as one,
    ):
        report = engine.add(docs, workers=2)
        assert (tmp_path / "deaths").read_text() == "x"
        assert one.add(docs).added == tuple(sorted(report.added))
        assert content(engine) == content(one)
        assert [Path(item.source).name for item in report.failed] == ["broken.pdf"]
        assert report.cost.num_embedded == 12
        assert engine.graph.indexer.is_complete
        assert engine.add(docs, workers=2).unchanged != ()


@pytest.mark.real
def test_an_add_whose_workers_die_again_and_again_goes_on_the_next_time(
    postgres: str, tmp_path: Path, local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_add, "_MAX_FILES", 2)
    monkeypatch.setattr(ray_add, "_MAX_RESTARTS", 0)
    docs, embeddings = write_docs(tmp_path / "docs"), Deadly(tmp_path / "deaths", times=1)
    with Engine.open(f"{postgres}/{uuid4().hex}", embeddings=embeddings) as engine:
        with pytest.raises(ConcordError, match="a Ray worker died"):
            engine.add(docs, workers=2)
        assert engine.documents() == []  # all or none
        report = engine.add(docs, workers=2)
        assert report.cost.num_resumed > 0
        assert len(engine.documents()) == 12


def test_what_workers_need_is_said_in_one_line(tmp_path: Path) -> None:
    class Local(HashEmbeddings):
        """Cannot be pickled: it is known to this function alone."""

    with Engine.open(tmp_path / "library", embeddings=Local()) as engine:
        with pytest.raises(SettingError, match="cannot be sent to workers"):
            engine.add(tmp_path, workers=2)
        with pytest.raises(SettingError, match="workers=0"):
            engine.add(tmp_path, workers=0)
