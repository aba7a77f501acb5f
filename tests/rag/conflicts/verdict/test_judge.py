"""Positions and memory into a verdict, its summary, and what the answer follows."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.conflicts.verdict.compose import compose
from rag.conflicts.verdict.grouping import group_readings
from rag.conflicts.verdict.judge import Evidence, judge
from rag.conflicts.verdict.memory import relate_memory
from rag.conflicts.verdict.policy import choose
from rag.core.errors import SettingError
from rag.core.verdict import Memory, Policy, Reading, Verdict

MASTER = "Who is the harbour master of Port Selwick?"


def reading(answer: str, doc: str, date: str = "", quote: str = "", confidence: float = 0.9) -> Reading:
    return Reading(f"{doc}:0", doc, f"docs/{doc}.txt", f"{doc}.txt", answer, quote, confidence, date)


def ask(question: str, *readings: Reading, memory: Memory | None = None, assumption: str = "") -> Verdict:
    positions = group_readings(readings, question)
    return judge(Evidence(question, positions, memory, assumption))


def test_the_newer_notice_leads() -> None:
    verdict = ask(
        MASTER, reading("Edda Lindqvist", "notice-2019", "2019"), reading("Tomas Orrel", "notice-2023", "2023")
    )
    assert (verdict.kind, verdict.flags) == ("outdated", ("superseded",))
    assert [(p.answer, p.is_superseded) for p in verdict.positions] == [
        ("Tomas Orrel", False),
        ("Edda Lindqvist", True),
    ]
    assert verdict.summary == (
        "notice-2023.txt says Tomas Orrel; notice-2019.txt says Edda Lindqvist. The newer one replaces the older."
    )
    assert compose(verdict, choose(verdict)) == "Tomas Orrel"


def test_without_dates_nothing_is_newest() -> None:
    verdict = ask(MASTER, reading("Edda Lindqvist", "a"), reading("Tomas Orrel", "b", "2023"))
    assert (verdict.kind, verdict.flags) == ("contradiction", ("undated",))
    assert not any(position.is_superseded for position in verdict.positions)
    assert "not all of them have a date" in verdict.summary
    undated = ask(MASTER, reading("Edda Lindqvist", "a"), reading("Tomas Orrel", "b"))
    assert len(choose(undated, "newest").positions) == 2
    assert choose(verdict, "newest").positions[0].answer == "Tomas Orrel"


def test_what_does_not_change_is_contradicted() -> None:
    question = "In which year was the bridge of Corvin opened?"
    verdict = ask(question, reading("1911", "guide", "2001"), reading("1924", "survey", "2020"))
    assert verdict.kind == "contradiction"
    assert verdict.summary.endswith("They contradict each other.")
    assert compose(verdict, choose(verdict)) == "- 1924 (survey.txt)\n- 1911 (guide.txt)"


def test_one_answer_in_many_documents_agrees() -> None:
    verdict = ask(MASTER, reading("Orrel", "a"), reading("Tomas Orrel", "b"))
    assert (verdict.kind, verdict.flags, verdict.summary) == ("agreement", (), "2 documents say Tomas Orrel.")


def test_a_lone_source_against_several_is_misinformation() -> None:
    right = [reading("1911", name) for name in "abc"]
    verdict = ask("When was the bridge opened?", *right, reading("1924", "d"))
    assert verdict.kind == "misinformation"
    assert verdict.positions[0].answer == "1911"
    assert [p.answer for p in choose(verdict).positions] == ["1911"]
    two = ask("When was the bridge opened?", *right[:2], reading("1924", "d"))
    assert two.kind == "contradiction"
    assert [p.answer for p in choose(two).positions] == ["1911"]


def test_several_right_answers() -> None:
    verdict = ask("Which films did she direct?", reading("Nord", "a"), reading("Sund", "b"))
    assert verdict.kind == "complementary"
    assert compose(verdict, choose(verdict)).count("\n") == 1
    titles = [replace(reading("film", "a"), title="Heat (1995)"), replace(reading("album", "b"), title="Heat (record)")]
    assert ask("What is Heat?", *titles).kind == "complementary"
    assert ask("What is the best film?", reading("Nord", "a"), reading("Sund", "b")).kind == "opinions"


def test_silence() -> None:
    memory = Memory("Paris", 0.9, "silent")
    verdict = ask("What is the capital of France?", reading("", "a"), memory=memory)
    assert (verdict.kind, verdict.memory and verdict.memory.relation) == ("silent", "silent")
    assert verdict.summary == "The documents do not say. The model believes Paris, and is fairly sure."
    choice = choose(verdict)
    assert compose(verdict, choice) == "The documents do not say. From the model's memory: Paris"
    assert compose(verdict, choice, on_silence="memory") == "Paris (from the model's memory, not from the documents)"
    assert compose(verdict, choice, on_silence="ask").endswith("?")
    unsure = ask("Who is the mayor?", memory=Memory("Bob", 0.2, "silent"))
    assert compose(unsure, choose(unsure)) == "The documents do not say."
    assert unsure.summary == "The documents do not say. The model believes Bob, and is unsure."


def test_a_question_that_asks_nothing() -> None:
    verdict = ask(" ? ", reading("Paris", "a"))
    assert (verdict.kind, verdict.summary) == ("none", "The question asks nothing.")


@pytest.mark.parametrize(
    ("answer", "knows", "is_calibrated", "relation"),
    [
        ("Neil Armstrong", 0.1, True, "agrees"),
        ("Armstrong", 0.9, True, "agrees"),
        ("Buzz Aldrin", 0.9, True, "contradicts"),
        ("Buzz Aldrin", 0.4, True, "unsure"),
        ("Buzz Aldrin", 0.9, False, "unsure"),
        ("Buzz Aldrin", 0.99, False, "contradicts"),
        ("", 0.9, True, "unsure"),
    ],
)
def test_memory_relation(answer: str, knows: float, is_calibrated: bool, relation: str) -> None:
    positions = group_readings([reading("Neil Armstrong", "a")])
    question = "Who walked on the moon first?"
    memory = relate_memory(answer, knows, positions, question, is_calibrated=is_calibrated)
    assert memory.relation == relation
    verdict = judge(Evidence(question, positions, memory))
    assert ("memory_contradicts" in verdict.flags) is (relation == "contradicts")
    assert ("uncalibrated" in verdict.flags) is not is_calibrated
    assert verdict.memory == memory


def test_memory_that_knows_marks_a_lone_wrong_document() -> None:
    memory = Memory("Paris", 0.95, "agrees")
    verdict = ask("What is the capital of France?", reading("Bourges", "a"), reading("Paris", "b"), memory=memory)
    assert verdict.kind == "misinformation"
    assert [p.answer for p in choose(verdict, "balanced").positions] == ["Paris"]


def test_balanced_may_follow_a_memory_that_knows() -> None:
    memory = Memory("Paris", 0.95, "contradicts")
    verdict = ask("What is the capital of France?", reading("Bourges", "a", confidence=0.6), memory=memory)
    assert choose(verdict, "balanced").memory == memory
    assert choose(verdict, "documents").positions[0].answer == "Bourges"
    assert choose(verdict, "memory").memory == memory
    uncalibrated = ask(
        "What is the capital of France?",
        reading("Bourges", "a", confidence=0.6),
        memory=replace(memory, is_calibrated=False),
    )
    assert choose(uncalibrated, "balanced").positions[0].answer == "Bourges"


def test_majority_and_all() -> None:
    verdict = ask(MASTER, *(reading("Ann Bell", name, "2019") for name in "ab"), reading("Tom Reed", "c", "2024"))
    assert verdict.kind == "outdated"
    assert [p.answer for p in choose(verdict, "majority").positions] == ["Ann Bell"]
    assert [p.answer for p in choose(verdict, "newest").positions] == ["Tom Reed"]
    assert [p.answer for p in choose(verdict, "all").positions] == ["Tom Reed"]
    with pytest.raises(SettingError, match="policy must be one of documents, newest"):
        choose(verdict, "best")  # type: ignore[arg-type]


def test_what_is_over_gives_way_to_what_is() -> None:
    old = reading("Ann Bell", "a", quote="Ann Bell was the mayor of Selby until 2019.")
    new = reading("Tom Reed", "b", quote="The mayor of Selby is Tom Reed.")
    verdict = ask("Who is the mayor of Selby?", old, new)
    assert verdict.kind == "outdated"
    assert verdict.positions[0].answer == "Tom Reed"


def test_many_positions_and_copies_are_flagged() -> None:
    verdict = ask("When was it built?", *(reading(str(1900 + number), f"d{number}") for number in range(200)))
    assert "many_positions" in verdict.flags
    assert "197 more answers differ" in verdict.summary
    assert compose(verdict, choose(verdict)).endswith("- and 188 more")
    readings = [reading("1911", "a"), reading("1911", "b")]
    copied = judge(Evidence("When?", group_readings(readings, copies={"b:0": "a:0"})))
    assert (copied.flags, copied.summary) == (("copies",), "2 copies of a.txt say 1911.")


def test_an_assumption_is_flagged() -> None:
    assert "assumption" in ask(MASTER, reading("Orrel", "a"), assumption="the post is empty").flags


def test_an_altered_copy_is_misinformation() -> None:
    text = "The bridge of Corvin, which crosses the Orr below the old mill, was opened in {} after six years of work."
    positions = group_readings([reading("1911", "a"), reading("1911", "b"), reading("1924", "c")])
    texts = {"a:0": text.format(1911), "b:0": "It opened in 1911.", "c:0": text.format(1924)}
    verdict = judge(Evidence("When was the bridge opened?", positions, texts=texts))
    assert verdict.kind == "misinformation"
    assert verdict.summary.endswith("1924 stands in one document only, against 2 independent ones.")
    texts["c:0"] = "I remember the day well: in 1924 we all walked over it for the first time, and the band played."
    assert judge(Evidence("When was the bridge opened?", positions, texts=texts)).kind == "contradiction"


def test_a_reading_that_is_far_less_sure_contradicts_nobody() -> None:
    verdict = ask(MASTER, reading("Orrel", "a", confidence=0.9), reading("the fish market", "b", confidence=0.1))
    assert (verdict.kind, [position.answer for position in verdict.positions]) == ("agreement", ["Orrel"])
    assert ask(MASTER, reading("Orrel", "a", confidence=0.1)).positions[0].answer == "Orrel"


def test_memory_agrees_with_one_of_several_right_answers() -> None:
    readings = reading("Nord", "a"), reading("Nord", "b"), reading("Sund", "c")
    verdict = ask("Which films did she direct?", *readings, memory=Memory("Sund", 0.9, "unsure"))
    assert verdict.memory is not None
    assert (verdict.kind, verdict.memory.relation) == ("complementary", "agrees")


ANSWERS = st.sampled_from(["", "Orrel", "Tomas Orrel", "Edda Lindqvist", "1911", "in May 1911", "No", "4 crowns", "?"])
QUESTIONS = st.sampled_from(
    [MASTER, "When was it built?", "Which films did she direct?", "What is the best film?", "?"]
)


@given(
    QUESTIONS,
    st.lists(st.tuples(ANSWERS, st.sampled_from(["", "2019", "2023-05"]), st.floats(0, 1)), max_size=6),
    st.none() | st.tuples(ANSWERS, st.floats(0, 1), st.booleans()),
)
def test_every_verdict_says_what_it_holds(
    question: str, said: list[tuple[str, str, float]], recalled: tuple[str, float, bool] | None
) -> None:
    readings = [reading(answer, f"d{i}", date, confidence=sure) for i, (answer, date, sure) in enumerate(said)]
    memory = Memory(recalled[0], recalled[1], "unsure", recalled[2]) if recalled else None
    verdict = ask(question, *readings, memory=memory)
    assert verdict.summary
    assert (verdict.kind == "silent") is (not verdict.positions and question != "?")
    for position in verdict.positions[:3]:
        assert verdict.kind == "none" or position.answer.rstrip(".") in verdict.summary
    for policy in get_args(Policy):
        choice = choose(verdict, policy)
        assert set(choice.positions) <= set(verdict.positions)
        assert compose(verdict, choice)
