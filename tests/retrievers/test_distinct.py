"""Copies of one passage count once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rag.core.passages import Passage, ScoredPassage
from rag.engine import Engine
from retrievers.base import BatchRetriever
from retrievers.distinct import drop_copies, find_distinct, unite_copies

GATE = "The lock gate of Ostrel is inspected every spring by the town surveyor."
OTHERS = {"repair": "The lock gate repair cost 3,400 crowns.", "surveyor": "The town surveyor is Hanne Brekke."}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(9):
        (folder / f"report ({number}).txt").write_text(GATE)
    for name, text in OTHERS.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


@pytest.mark.parametrize("retrieval", ["dense", "sparse", "graph", "hybrid"])
def test_the_best_passages_differ(tmp_path: Path, folder: Path, embeddings: Any, retrieval: Any) -> None:
    with Engine.open(tmp_path / "library", embeddings=embeddings, retrieval=retrieval) as engine:
        engine.add(folder)
        questions = ["Which surveyor inspects the lock gate?", "Did the surveyor see the repair of the lock gate?"]
        for ranking in engine.retrieve(questions, 3):
            assert sorted(scored.passage.text for scored in ranking) == sorted([GATE, *OTHERS.values()])
        for ranking in engine.retrieve(questions, 12):
            assert len(ranking) == 3


def passage(name: str, text: str, heading: str = "") -> Passage:
    return Passage(name, name, f"{name}.txt", name, text, heading=heading)


def ranked(*passages: Passage) -> list[ScoredPassage]:
    return [ScoredPassage(each, 1.0 - rank / 10) for rank, each in enumerate(passages)]


def test_what_a_copy_is() -> None:
    a, b, c = passage("a", "Open  at\n7."), passage("b", "Open at 7."), passage("c", "Open at 7.", "The mill")
    assert [scored.passage for scored in drop_copies(ranked(a, b, c))] == [a, c]


def test_queries_agree_on_the_passage_that_stands_for_its_copies() -> None:
    a, b, other = passage("a", "Open at 7."), passage("b", "Open at 7."), passage("c", "Closed.")
    first, second = unite_copies([ranked(b, other), ranked(a)])
    assert [scored.passage for scored in first + second] == [b, other, b]


class Listed(BatchRetriever):
    """Ranks a fixed list; tells how deep it was read."""

    passages: list[Any]
    depths: list[int]

    def search(self, queries: Sequence[str], top_k: int) -> list[list[ScoredPassage]]:
        self.depths.append(top_k)
        return [ranked(*self.passages)[:top_k] for _ in queries]


def test_a_ranking_is_read_deeper_only_where_copies_fill_it() -> None:
    copies = [passage(f"copy-{number}", "Open at 7.") for number in range(30)]
    without = Listed(passages=[passage(str(number), str(number)) for number in range(5)], depths=[])
    assert len(find_distinct(without, ["q"], 3)[0].ranking) == 3
    assert without.depths == [3]
    filled = Listed(passages=[*copies, passage("last", "Closed.")], depths=[])
    [found] = find_distinct(filled, ["q"], 2)
    assert [scored.passage.passage_id for scored in found.ranking] == ["copy-0", "last"]
    short = Listed(passages=copies, depths=[])
    assert len(find_distinct(short, ["q"], 2)[0].ranking) == 1


class Foreign(BaseRetriever):
    """Gives chunks of one document without ids, as many foreign stores do."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        texts = ["Lock 1 is old.", "Lock 2 is new.", "Lock 3 is shut."]
        return [Document(text, metadata={"source": "locks.pdf", "title": None}) for text in texts]


def test_chunks_without_ids_stay_apart(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "library", retriever=Foreign(), rewrite="rules") as engine:
        [ranking] = engine.retrieve(["Which lock is shut?"], 3)
        history = [{"role": "user", "content": "Is lock 1 old?"}, {"role": "assistant", "content": "Yes."}]
        [state] = engine.search([engine.query("And the third?", history=history, top_k=3)])
        names = [scored.passage.passage_id for scored in ranking]
        assert len(set(names)) == 3
        assert sorted(scored.passage.passage_id for scored in state.ranking) == sorted(names)
        assert {scored.passage.title for scored in ranking} == {"locks.pdf"}
