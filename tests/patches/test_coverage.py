"""Questions about every sentence: phrases, lists and numbers of hand-worked sentences."""

from __future__ import annotations

from pathlib import Path

from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import PatchDocument
from rag.patches.profiles import FAST
from rag.patches.questions.coverage import write_coverage
from rag.patches.questions.phrasing import phrase_questions
from rag.patches.questions.rules import write_rules
from rag.patches.questions.source import build_source
from rag.patches.questions.spans import find_spans


def answers(sentence: str) -> list[str]:
    return [span.answer for span in find_spans(sentence)]


def ask(sentence: str, answer: str) -> list[str]:
    span = next(span for span in find_spans(sentence) if span.answer == answer)
    return phrase_questions(span, 4)


def test_phrases_lists_and_amounts() -> None:
    assert answers("The raiders came from Denmark, Iceland and Norway") == [
        "raiders",
        "Denmark, Iceland and Norway",
        "Denmark",
        "Iceland and Norway",
        "Iceland",
        "Norway",
    ]
    assert "price of oil" in answers("In March the price of oil was nearly $12 per barrel")
    assert "$12" in answers("In March the price of oil was nearly $12 per barrel")
    assert "courts of the member states" in answers("EU law is applied by the courts of the member states")


def test_a_verb_at_the_edge_is_no_part_of_the_answer() -> None:
    assert answers("Rollo adopted feudal doctrines")[-1] != "adopted"
    assert "Huguenots" in answers("The Huguenots colonized in the north")


def test_questions_ask_by_kind_and_name_the_neighbours() -> None:
    sentence = "The ferry was built by the yard at Pell in 1912"
    assert ask(sentence, "1912")[0] == "When was the ferry built by the yard at Pell in?"
    assert ask(sentence, "Pell")[0].startswith("Where was ")
    assert "The ferry was built by the yard at Pell in when?" in ask(sentence, "1912")


def test_no_paragraph_is_too_plain() -> None:
    document = PatchDocument("d", "", "It rains a lot here in the spring. Bring a coat with you.", "h")
    assert write_rules(document, 3) == []
    samples = write_coverage(document, 3, 2)
    assert {"spring", "coat"} <= {sample.answer for sample in samples}
    assert all(sample.answer.casefold() not in sample.question.casefold() for sample in samples)


def test_fast_asks_about_phrases_where_there_is_no_name(tmp_path: Path, tiny: TransformersGenerator) -> None:
    plain = PatchDocument("d", "", "It rains a lot here in the spring. Bring a coat with you.", "h")
    named = PatchDocument("e", "", "The mill was built by Aron Pell in 1764.", "k")
    of_plain, of_named = build_source(FAST, tiny, tmp_path)([plain, named])
    assert {"spring", "coat"} <= {sample.answer for sample in of_plain.samples}
    assert list(of_named.samples) == write_rules(named, FAST.max_questions)


def test_every_answer_is_met_before_any_is_met_twice() -> None:
    text = "The mill grinds oats for the bakers of the valley. Its wheel turns in the cold water of the stream."
    samples = write_coverage(PatchDocument("d", "", text, "h"), 0, 2)
    names = [sample.answer for sample in samples]
    half = len(set(names))
    assert len(names) > half
    assert len(set(names[:half])) == half


def test_another_language_gives_nothing() -> None:
    assert write_coverage(PatchDocument("d", "", "Die Mühle wurde im Tal von den Bauern gebaut.", "h"), 3, 3) == []
