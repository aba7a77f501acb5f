"""Questions made of a library: what is asked, what is refused, and that a run can be made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from typer.testing import CliRunner

from eval.datasets import load_dataset
from eval.questions.make import find_quote, make_questions
from eval.questions.types import Limits
from eval.questions.writers import Draft, choose_writer, is_direct, write_by_rules
from rag.cli.evaluation import eval_app
from rag.core.errors import SettingError
from rag.core.passages import Passage
from rag.engine import Engine
from rag.library.base import Library
from retrievers.judging.base import Verdict

TEXTS = {
    "mill.md": "# The tide mill\n\nThe Selwick tide mill was built in 1764 by Anselm Rook. It stands in Oldport.",
    "notice-2019.md": "# Notice 2019\n\nThe harbour master is Edda Lindqvist. The office is open on Monday.",
    "notice-2023.md": "# Notice 2023\n\nThe harbour master is Tomas Orrel. The office is closed in winter.",
}


class Strict:
    """Takes only questions with this word."""

    def __init__(self, word: str) -> None:
        self._word = word

    def judge(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[list[Verdict]]:
        shares = [0.9 if self._word in question else 0.1 for question in questions]
        return [[Verdict(share, 1 - share)] * len(row) for share, row in zip(shares, passages, strict=True)]

    def support(self, questions: Sequence[str], passages: Sequence[Sequence[Passage]]) -> list[float]:
        return [0.0 for _ in questions]


@pytest.fixture
def library(tmp_path: Path, embeddings: Any) -> Library:
    engine = Engine.open(tmp_path / "library", embeddings=embeddings)
    engine.add([Document(page_content=text, metadata={"source": name}) for name, text in TEXTS.items()])
    return engine.library


@pytest.mark.parametrize(
    ("question", "is_one"),
    [
        ("When was the Selwick tide mill built?", True),
        ("By whom was the Selwick tide mill built?", True),
        ("About Port Selwick: when was the mill built?", True),
        ("About Opening: when was the mill built?", False),
        ("About The tide mill: when?", False),
        ("Complete the sentence: The mill was built in", False),
        ("The mill was built in what year?", False),
        ("What is the Port Selwick lifeboat called the?", False),
        ("Where are there  two high tides?", False),
        ("Who or what runs the mill?", False),
    ],
)
def test_what_counts_as_a_question(question: str, is_one: bool) -> None:
    assert is_direct(question) is is_one


def test_each_answer_is_asked_for_once() -> None:
    (drafts,) = write_by_rules([Passage("p", "d", "d", "The tide mill", TEXTS["mill.md"])])
    assert {draft.answer for draft in drafts} == {"1764", "Anselm Rook"}
    assert len(drafts) == 2
    assert all(draft.answer not in draft.question for draft in drafts)


def test_two_documents_that_differ_leave_the_question_out(library: Library) -> None:
    def write(passages: Sequence[Passage]) -> list[list[Draft]]:
        found = [Draft("Who is the harbour master?", name) for name in ("Edda Lindqvist", "Tomas Orrel")]
        return [[draft for draft in found if draft.answer in passage.text] for passage in passages]

    made = make_questions(library, write, None)
    assert made.ambiguous == ["Who is the harbour master?"]
    assert made.questions == []
    same = make_questions(library, lambda ps: [[Draft("What is open to all?", "The office")] for _ in ps], None)
    assert [set(item.sources) for item in same.questions] == [set(TEXTS)]


def test_the_judge_and_the_limits_hold(library: Library) -> None:
    made = make_questions(library, write_by_rules, Strict("mill"))
    assert made.num_unsupported > 0
    assert {item.sources for item in made.questions} == {("mill.md",)}
    assert all(item.support == 0.9 for item in made.questions)
    one = make_questions(library, write_by_rules, None, Limits(per_document=1))
    assert sorted(item.sources for item in one.questions) == sorted((name,) for name in TEXTS)
    assert len(make_questions(library, write_by_rules, None, Limits(questions=2)).questions) == 2


def test_the_quote_is_the_sentence_with_the_answer() -> None:
    text = "Rook came in 1764. The mill was built in 1764\nby Rook. It stands."
    assert find_quote(text, Draft("When was the mill built?", "1764")) == "The mill was built in 1764 by Rook."
    assert find_quote(text, Draft("Who?", "Nobody")) == ""


def test_an_unknown_writer_is_refused() -> None:
    with pytest.raises(SettingError, match="expected rules or model"):
        choose_writer("poet", lambda: pytest.fail("no generator is needed"))


def test_the_command_writes_what_a_run_takes(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    args = ["make-questions", library.place, "-o", str(file), "--judge", "off", "--json"]
    done = CliRunner().invoke(eval_app, args)
    assert done.exit_code == 0, done.stderr
    printed = json.loads(done.stdout)
    dataset = load_dataset("plain", str(file))
    assert len(dataset.questions) == printed["num_questions"] > 0
    assert dataset.malformed == ()
    asked = {item.question: item for item in dataset.questions}
    mill = asked["When was the Selwick tide mill built?"]
    assert (mill.answers, mill.gold_doc_ids, mill.passages) == (("1764",), ("mill.md",), ())
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert all(row["answers"][0] in row["quote"] for row in rows)
    again = CliRunner().invoke(eval_app, args)
    assert again.exit_code == 2
    assert "may have been reviewed" in again.stderr
    assert CliRunner().invoke(eval_app, [*args, "--replace", "--limit", "1"]).exit_code == 0
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.real
@pytest.mark.parametrize("judge", ["encoder", "model"])
def test_the_judges_of_the_engine_check_a_library(tmp_path: Path, judge: str) -> None:
    engine = Engine.open(tmp_path / "library")
    engine.add([Document(page_content=text, metadata={"source": name}) for name, text in TEXTS.items()])
    engine.close()
    file = tmp_path / "questions.jsonl"
    args = ["make-questions", str(tmp_path / "library"), "-o", str(file), "--judge", judge, "--min-support", "0"]
    done = CliRunner().invoke(eval_app, args)
    assert done.exit_code == 0, done.stderr
    supports = [json.loads(line)["support"] for line in file.read_text().splitlines()]
    assert supports
    assert all(0 < support <= 1 for support in supports)
    refused = CliRunner().invoke(eval_app, [*args[:-1], "1", "--replace"])
    assert refused.exit_code == 2
    assert "the judge refused" in refused.stderr
