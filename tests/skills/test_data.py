"""What a skill learns from: rows of files, questions about passages, altered answers, examples."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from rag.core.errors import InputError
from rag.core.verdict import NOT_STATED
from rag.skills.data.alter import Pools, alter, find_kind
from rag.skills.data.examples import Maker
from rag.skills.data.gather import split, write_rows
from rag.skills.data.judging import JudgementMaker
from rag.skills.data.relations import write_open, write_relations
from rag.skills.data.rows import Row, read_rows
from rag.skills.data.styles import restyle

FILM = "The Salt Road is a 1961 Norwegian drama film directed by Ann Holm and starring Per Lie. It was shot in Bergen."
PERSON = (
    "Ada Vik (4 May 1901 – 9 June 1988) was a Norwegian painter. She was born in Oslo and studied at Lund University."
)
PASSAGES = [
    (
        f"{name} {number}",
        f"{name} {number}",
        text.replace("The Salt Road", f"{name} {number}").replace("Ada Vik", f"{name} {number}"),
    )
    for number in range(40)
    for name, text in (("The Salt Road", FILM), ("Ada Vik", PERSON))
]


def test_a_file_of_rows_keeps_what_can_be_read_and_names_the_lines_that_cannot(tmp_path: Path) -> None:
    lines = [
        json.dumps({"question": "Who?", "answers": ["Ann"], "text": "Ann did.", "title": "T"}),
        "{",
        json.dumps({"question": "Who?", "text": "Nobody said."}),
        json.dumps({"question": "When?", "answers": [], "context": "Nobody said."}),
        json.dumps({"text": "A passage."}),
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    read = read_rows(path)
    assert read.rows == (Row("T", "T", "Ann did.", "Who?", ("Ann",)), Row("Nobody said.", "", "Nobody said.", "When?"))
    assert read.passages == (("A passage.", "", "A passage."),)
    assert [problem.partition(":")[0] for problem in read.problems] == ["line 2", "line 3"]
    assert "write []" in read.problems[1]


def test_a_folder_gives_questions_their_passages_and_steps_their_earlier_answers(tmp_path: Path) -> None:
    corpus = [
        {"doc_id": "a", "title": "Film", "text": FILM},
        {"doc_id": "b", "title": "Ann", "text": "Ann Holm lived in Oslo."},
    ]
    steps = [
        {"question": "Film >> director", "answer": "Ann Holm"},
        {"question": "Where did #1 live?", "answer": "Oslo"},
    ]
    questions = [
        {"question": "Who directed it?", "answers": ["Ann Holm"], "gold_doc_ids": ["a"]},
        {"question": "Who paid for it?", "answers": [], "gold_doc_ids": []},
        {
            "question": "Where did its director live?",
            "answers": ["Oslo"],
            "gold_doc_ids": ["a", "b"],
            "decomposition": steps,
        },
    ]
    for name, items in (("corpus", corpus), ("questions", questions)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    rows = read_rows(tmp_path).rows
    assert [(row.question, row.answers, row.title) for row in rows] == [
        ("Who directed it?", ("Ann Holm",), "Film"),
        ("Who paid for it?", (), "Film"),
        ("Film >> director", ("Ann Holm",), "Film"),
        ("Where did Ann Holm live?", ("Oslo",), "Ann"),
    ]


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"question": "Who?"}'])
def test_a_file_without_rows_is_refused_with_what_a_line_needs(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="question, answers, text"):
        read_rows(tmp_path / "rows.jsonl")


def test_questions_are_written_about_what_a_passage_says_and_about_what_it_leaves_open() -> None:
    written = {row.question: row.answers[0] for row in write_relations("d", "The Salt Road (film)", FILM)}
    assert written["Who directed The Salt Road?"] == "Ann Holm"
    assert written["When was The Salt Road released?"] == "1961"
    about = {row.question: row.answers[0] for row in write_relations("d", "Ada Vik", PERSON)}
    assert about["When did Ada Vik die?"] == "9 June 1988"
    assert about["Where was Ada Vik born?"] == "Oslo"
    opened = list(write_open("d", "The Salt Road", FILM))
    assert opened
    assert all(not row.answers and "The Salt Road" in row.question for row in opened)
    assert not {row.question for row in opened} & set(written)


def test_an_altered_passage_holds_the_other_answer_in_place_of_the_first() -> None:
    pools = Pools({"person": ("Edda Lind",)})
    row = Row("d", "", "Per Lie met Ann Holm. Holm paid.", "Who met Per Lie?", ("Ann Holm",))
    changed = alter(row, pools, random.Random(1))
    assert changed is not None
    assert changed.answers[0] in changed.text
    assert "Holm" not in changed.text
    assert changed.question == row.question
    assert alter(Row("d", "", "Ann Holm paid.", "Did Ann Holm pay?", ("Ann Holm",)), pools, random.Random(1)) is None


@pytest.mark.parametrize(
    ("question", "answer", "kind"),
    [
        ("When?", "1961", "year"),
        ("When?", "4 May 1901", "date"),
        ("How many?", "1,234 people", "number"),
        ("Who paid?", "Ann Holm", "person"),
        ("Where was she born?", "Oslo", "place"),
        ("What did she do?", "painter", "phrase"),
    ],
)
def test_the_kind_of_an_answer(question: str, answer: str, kind: str) -> None:
    assert find_kind(question, answer) == kind


def test_a_restyled_row_still_holds_its_answer() -> None:
    rows = [row for row in write_rows(PASSAGES) if row.answers][:60]
    for seed, row in enumerate(rows):
        styled = restyle(row, random.Random(seed))
        assert styled.answers[0].casefold() in styled.text.casefold()


def test_examples_say_what_their_passages_say_and_refuse_where_they_do_not() -> None:
    maker = Maker(write_rows(PASSAGES))
    examples = list(maker.draw(300, seed=0))
    assert examples == list(maker.draw(300, seed=0))
    assert set(Counter(example.kind for example in examples)) == {"agreeing", "altered", "foreign", "open", "among"}
    for example in examples:
        text = " ".join(passage.text for passage in example.passages).casefold()
        if example.kind in ("agreeing", "altered"):
            assert example.reply.casefold() in text
        if example.kind in ("foreign", "open"):
            assert example.reply == NOT_STATED


def test_judgements_have_all_labels_and_no_text_supports_what_it_does_not_hold() -> None:
    judgements = list(JudgementMaker(write_rows(PASSAGES)).draw(200, seed=0))
    assert {item.label for item in judgements} == {"supports", "contradicts", "nothing"}
    for item in judgements:
        if item.answer and item.label == "supports":
            assert item.answer.casefold() in item.passage.text.casefold()


def test_a_split_never_cuts_a_document_in_two() -> None:
    learnt, held_out = split(write_rows(PASSAGES), share=0.3)
    assert learnt
    assert held_out
    assert not {row.document for row in learnt} & {row.document for row in held_out}
