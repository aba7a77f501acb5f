"""What contradicts what in a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from kg.extract import NameExtractor
from kg.graph import KnowledgeGraph
from kg.types import Extraction, Provenance, Triple
from rag.conflicts.library import search as library_module
from rag.conflicts.library.candidates import find_candidates, read_sentences
from rag.conflicts.library.checkpoint import Checkpoint
from rag.conflicts.library.search import LibraryConflict, find_library_conflicts
from rag.core.passages import Passage

CORPUS = Path(__file__).resolve().parents[4] / "examples" / "corpus"


def passage(name: str, text: str, number: int = 0) -> Passage:
    return Passage(f"{name}:{number}", name, f"docs/{name}", name, text, start=number * 100)


def values(conflict: LibraryConflict) -> list[str]:
    return [side.object for side in conflict.sides]


def test_both_sentences_with_sources_and_dates_newest_first() -> None:
    passages = [
        passage("notice-2019.txt", "Notice of 3 May 2019. The mayor of Selby is Ann Bell."),
        passage("notice-2024.txt", "Notice of 8 June 2024. The mayor of Selby is Tom Reed."),
        passage("guide.txt", "The ferry is blue. Children pay half."),
    ]
    [conflict] = find_library_conflicts(passages)
    assert values(conflict) == ["Tom Reed", "Ann Bell"]
    newest, oldest = (side.places[0] for side in conflict.sides)
    assert (newest.date, newest.doc_id, newest.sentence) == (
        "2024-06-08",
        "notice-2024.txt",
        "The mayor of Selby is Tom Reed.",
    )
    assert oldest.date == "2019-05-03"


def test_one_conflict_for_all_who_say_so() -> None:
    texts = {"a": "The fare to Ostrel is 4 crowns.", "b": "The fare to Ostrel is 6 crowns."}
    passages = [passage(f"{name}{number}", text) for name, text in texts.items() for number in range(3)]
    [conflict] = find_library_conflicts(passages)
    assert sorted((side.object, len(side.places)) for side in conflict.sides) == [("4 crowns", 3), ("6 crowns", 3)]


def test_a_document_does_not_contradict_itself() -> None:
    assert find_library_conflicts([passage("a", "The fare is 4 crowns. The fare is 6 crowns.")]) == []


def test_harmless_sentences_and_claims_are_left_out() -> None:
    passages = [
        passage("a", "It is not true that Ann Bell is the mayor of Selby."),
        passage("b", "The mayor of Selby is Tom Reed."),
        passage("c", "Nobody believes that the mayor of Selby is Ida Cole. Is the mayor of Selby Ida Cole?"),
    ]
    graph = KnowledgeGraph(NameExtractor().extract(passages))
    assert find_library_conflicts(passages, graph) == []


def test_claims_of_the_graph_are_compared_too() -> None:
    passages = [passage("a", "See the board."), passage("b", "Ask at the desk.")]
    graph = KnowledgeGraph(
        Extraction(
            p.doc_id, p.passage_id, (), (Triple("harbour", "the master", name, Provenance(p.doc_id, p.passage_id)),)
        )
        for p, name in zip(passages, ("edda lindqvist", "cora vane"), strict=True)
    )
    [conflict] = find_library_conflicts(passages, graph)
    assert (conflict.kind, conflict.subject, conflict.relation) == ("claim", "harbour", "the master")
    assert sorted(values(conflict)) == ["cora vane", "edda lindqvist"]


def test_the_harbour_masters_of_the_example_corpus() -> None:
    passages = [
        Passage(f"{file.name}:0", file.name, str(file), file.stem, file.read_text("utf-8"))
        for file in sorted(CORPUS.glob("*.txt"))
    ]
    conflicts = find_library_conflicts(passages)
    assert any(values(conflict) == ["Tomas Orrel", "Edda Lindqvist"] for conflict in conflicts)


def test_the_work_is_bounded() -> None:
    """Many documents with the same words: each sentence is compared with a fixed number of others."""
    passages = [passage(f"d{number}", f"The fare to Ostrel on line {number} is 4 crowns.") for number in range(400)]
    sentences = list(read_sentences(passages))
    num_pairs = sum(len(others) for _, others in find_candidates(sentences))
    assert 0 < num_pairs <= 400 * 15 * 30
    reports: list[tuple[int, int]] = []
    find_library_conflicts(passages[:50], report=lambda done, total: reports.append((done, total)))
    assert reports[-1] == (50, 50)


def test_an_interrupted_comparison_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passages = [passage(f"d{number}", f"The fare to Ostrel is {number % 2} crowns.") for number in range(20)]
    whole = find_library_conflicts(passages)
    monkeypatch.setattr(library_module, "_SAVE_EVERY", 10)
    monkeypatch.setattr(library_module, "_REPORT_EVERY", 1)
    checkpoint = Checkpoint(tmp_path / "conflicts.json", "library 1")

    def stop(num_done: int, num_all: int) -> None:
        if num_done == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_library_conflicts(passages, report=stop, checkpoint=checkpoint)
    assert checkpoint.load()[0] == 10
    reports: list[int] = []
    again = find_library_conflicts(passages, report=lambda done, total: reports.append(done), checkpoint=checkpoint)
    assert reports[0] == 11
    assert again == whole
    assert Checkpoint(checkpoint.file, "library 2").load() == (0, [])
    checkpoint.file.write_text("{")
    assert checkpoint.load() == (0, [])
