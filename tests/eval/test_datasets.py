"""Loaders on hand-written rows in the published formats, on malformed rows, and on the measured sets."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from eval.datasets import DATASET_NAMES, collect_passages, load_corpus, load_dataset
from eval.types import Question
from rag.core.errors import SettingError, SourceError

SAMPLES = {
    "plain": ("plain.jsonl", 2),
    "documents": ("documents.jsonl", 4),
    "hotpotqa": ("hotpotqa.json", 2),
    "2wikimultihopqa": ("2wikimultihopqa.json", 1),
    "musique": ("musique.jsonl", 2),
    "nq": ("nq.jsonl", 2),
    "nq_swap": ("nq_swap.jsonl", 1),
    "nq_synth": ("nq_synth.jsonl", 4),
    "popqa": ("popqa.tsv", 2),
    "triviaqa": ("triviaqa.json", 1),
    "squad2": ("squad2.json", 3),
    "confiqa": ("confiqa.json", 1),
    "mquake": ("mquake.json", 3),
    "ramdocs": ("ramdocs.jsonl", 2),
    "faitheval_unanswerable": ("faitheval_unanswerable.jsonl", 1),
    "faitheval_inconsistent": ("faitheval_inconsistent.jsonl", 1),
    "faitheval_counterfactual": ("faitheval_counterfactual.jsonl", 1),
    "pathquestion": ("pathquestion.txt", 2),
}


def load(samples: Path, name: str) -> tuple[Question, ...]:
    dataset = load_dataset(name, str(samples / SAMPLES[name][0]))
    assert dataset.malformed == ()
    return dataset.questions


def texts(passages: tuple[object, ...]) -> list[str]:
    return [getattr(passage, "text") for passage in passages]  # noqa: B009  # the type is the engine's


def test_every_data_set_has_a_sample() -> None:
    assert set(SAMPLES) == set(DATASET_NAMES)


@pytest.mark.parametrize("name", DATASET_NAMES)
def test_samples_load_whole(samples: Path, name: str) -> None:
    questions = load(samples, name)
    assert len(questions) == SAMPLES[name][1]
    assert len({item.question_id for item in questions}) == len(questions)


@pytest.mark.parametrize("name", [name for name, (file, _) in SAMPLES.items() if file.endswith(("json", "jsonl"))])
def test_gzipped_samples_load_alike(samples: Path, tmp_path: Path, name: str) -> None:
    file = SAMPLES[name][0]
    (tmp_path / f"{file}.gz").write_bytes(gzip.compress((samples / file).read_bytes()))
    assert load_dataset(name, str(tmp_path / f"{file}.gz")).questions == load(samples, name)


def test_hotpotqa(samples: Path) -> None:
    first, second = load(samples, "hotpotqa")
    assert (first.question_id, first.answers, first.group) == ("hq01", ("Ollerdale",), "bridge")
    assert first.gold_doc_ids == ("Brannick pump", "Una Brannick")
    assert texts(first.passages)[1] == "Una Brannick was an engineer. She was born in Ollerdale."
    assert second.gold_doc_ids == ("Lake Tammer", "Lake Vessing")  # two facts of one document name it once


def test_hotpotqa_in_the_form_of_the_hub(samples: Path, tmp_path: Path) -> None:
    rows = json.loads((samples / "hotpotqa.json").read_text())
    for row in rows:
        row["id"] = row.pop("_id")
        titles, sentences = zip(*row["context"], strict=True)
        row["context"] = {"title": list(titles), "sentences": list(sentences)}
        titles, numbers = zip(*row["supporting_facts"], strict=True)
        row["supporting_facts"] = {"title": list(titles), "sent_id": list(numbers)}
    (tmp_path / "hub.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert load_dataset("hotpotqa", str(tmp_path / "hub.jsonl")).questions == load(samples, "hotpotqa")


def test_2wikimultihopqa_joins_sentences_with_blanks(samples: Path) -> None:
    (item,) = load(samples, "2wikimultihopqa")
    assert texts(item.passages)[0] == "Salt Road is a 1954 film. It was directed by Piet Halmo."


def test_musique(samples: Path) -> None:
    answerable, unanswerable = load(samples, "musique")
    assert answerable.answers == ("Bay of Tarn", "Tarn Bay")  # "the Bay of Tarn" is the first again
    assert answerable.gold_doc_ids == tuple(passage.doc_id for passage in answerable.passages[:2])
    assert len({passage.doc_id for passage in answerable.passages}) == 3  # two paragraphs share the title "Osk"
    assert (unanswerable.answers, unanswerable.gold_doc_ids) == ((), ())
    assert len(collect_passages((answerable, unanswerable))) == 3  # the paragraph that both have is one document


def test_documents_bring_their_questions(samples: Path) -> None:
    first, second, other, pier = load(samples, "documents")
    assert (first.question_id, second.question_id, other.question_id) == (
        "documents-1-1",
        "documents-1-2",
        "documents-2-1",
    )
    assert (first.answers, second.answers) == (("Tilda Marsh",), ("14", "fourteen"))
    assert first.passages == second.passages != other.passages
    assert [passage.title for passage in first.passages] == ["Harrow Mill"]
    assert first.gold_doc_ids == ("Harrow Mill",)
    assert [item.group for item in (first, other, pier)] == ["mill", "mill", "pier"]


def test_squad2(samples: Path) -> None:
    first, impossible, third = load(samples, "squad2")
    assert first.answers == ("1903", "in 1903")
    assert (impossible.answers, impossible.gold_doc_ids, impossible.group) == ((), (), "unanswerable")
    assert third.passages[0].title == "Orme line"


def test_conflict_pairs(samples: Path) -> None:
    (swap,) = load(samples, "nq_swap")
    assert (swap.answers, swap.counter_answers) == (("Lena Moor",), ("Otto Brand",))
    assert "Otto Brand" in swap.counter_passages[0].text
    synth = load(samples, "nq_synth")
    assert synth[0].answers == ("Tilda Marsh", "T. Marsh")  # the alias "Gregor Pell" is what the other passage says
    assert synth[1].answers == ("Dunmere",)
    (confiqa,) = load(samples, "confiqa")
    assert (confiqa.answers, confiqa.counter_answers) == (("judge", "magistrate"), ("baker", "pastry cook"))


def test_mquake_states_the_facts(samples: Path) -> None:
    items = load(samples, "mquake")
    assert [item.question_id for item in items] == ["7-0", "7-1", "7-2"]
    assert texts(items[0].passages) == ["The Lantern Keeper was written by Edda Voss."]
    assert texts(items[0].counter_passages) == ["The Lantern Keeper was written by Gregor Pell."]
    assert items[0].counter_answers == ("Kelso Hill", "Kelso")


def test_ramdocs(samples: Path) -> None:
    first, second = load(samples, "ramdocs")
    assert (first.answers, first.wrong_answers) == (("1903", "1926"), ("1850",))
    assert first.gold_doc_ids == tuple(passage.doc_id for passage in first.passages[:2])
    assert second.wrong_answers == ()


def test_faitheval(samples: Path) -> None:
    assert load(samples, "faitheval_unanswerable")[0].answers == ()
    assert load(samples, "faitheval_inconsistent")[0].answers == ("1903", "1926")
    assert "1926" in load(samples, "faitheval_inconsistent")[0].passages[0].text  # both documents, as published
    (item,) = load(samples, "faitheval_counterfactual")
    assert item.answers == ("molten wax",)
    assert item.question.endswith("\nB) molten wax\nC) sand")


def test_faitheval_options_as_a_table_stores_them(samples: Path, tmp_path: Path) -> None:
    row = json.loads((samples / "faitheval_counterfactual.jsonl").read_text())
    text = json.dumps(row | {"choices": json.dumps(row["choices"])})
    (tmp_path / "table.jsonl").write_text(text + "\n" + json.dumps(row | {"id": "x", "answerKey": "E"}))
    dataset = load_dataset("faitheval_counterfactual", str(tmp_path / "table.jsonl"))
    assert dataset.questions == load(samples, "faitheval_counterfactual")
    assert "answerKey='E' is none of the options A, B, C" in dataset.malformed[0].reason


def test_open_domain(samples: Path) -> None:
    assert load(samples, "nq")[0].answers == ("Edda Voss", "E. Voss")
    popqa = load(samples, "popqa")[0]
    assert (popqa.question_id, popqa.question, popqa.group) == ("901", "What is Ida Kern's occupation?", "occupation")
    assert popqa.answers == ("judge", "magistrate")
    assert load(samples, "triviaqa")[0].answers == ("Heron", "Heron (ship)")
    paths = load(samples, "pathquestion")
    assert paths[0].answers == ("baker", "pastry cook")
    assert paths[0].group == "2hop"


def test_plain_csv(samples: Path) -> None:
    first, second = load_dataset("plain", str(samples / "plain.csv")).questions
    assert first.question == "Who founded Harrow Mill, and\nwhen?"
    assert (first.answers, second.answers) == (("Tilda Marsh", "T. Marsh"), ("1903", "in 1903"))


def test_malformed_rows_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = [
        '{"id": "1", "question": "q?", "answers": ["a"]}',
        '{"id": "2", "question": "q?"}',
        "",
        '{"id": "3", "question": "q?", "answers": ["a"',
        '{"id": "1", "question": "again?", "answers": ["a"]}',
        "[1, 2]",
        '{"id": "4", "question": "", "answers": ["a"]}',
        '{"id": "5", "question": "q?", "answers": [], "is_answerable": true}',
        '{"id": "6", "question": "q?", "answers": []}',
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    dataset = load_dataset("plain", str(tmp_path / "data.jsonl"))
    assert [item.question_id for item in dataset.questions] == ["1", "6"]
    assert [(row.line, row.reason.split(":")[0]) for row in dataset.malformed] == [
        (2, "answers"),
        (4, "not valid JSON"),
        (5, "question id '1' was given before"),
        (6, "expected a JSON object, got list"),
        (7, "question"),
        (8, "is_answerable=True contradicts 0 answers"),
    ]


def test_malformed_element_of_an_array_is_named_by_its_line(tmp_path: Path) -> None:
    good = {"_id": "x", "question": "q?", "answer": "a", "context": [], "supporting_facts": []}
    text = f"[\n{json.dumps(good)},\n\n{json.dumps({'_id': 'y'})},\n{json.dumps(good | {'_id': 'z'})},\n{{oops"
    (tmp_path / "hotpot.json").write_text(text)
    dataset = load_dataset("hotpotqa", str(tmp_path / "hotpot.json"))
    assert [item.question_id for item in dataset.questions] == ["x", "z"]
    assert [(row.line, row.record) for row in dataset.malformed] == [(4, 2), (6, 4)]
    assert "not valid JSON from here on" in dataset.malformed[1].reason


def test_malformed_csv_rows(tmp_path: Path) -> None:
    text = 'id,question,answers\n1,"two\nlines?",a\n2,q?\n3,q?,a,b\n4,q?,\n5,q?,[]\n'
    (tmp_path / "data.csv").write_text(text)
    dataset = load_dataset("plain", str(tmp_path / "data.csv"))
    assert [item.question_id for item in dataset.questions] == ["1", "5"]
    assert [row.line for row in dataset.malformed] == [4, 5, 6]
    assert "expected 3 columns, got 2" in dataset.malformed[0].reason
    assert "give [] where the question has no answer" in dataset.malformed[2].reason


@pytest.mark.parametrize("line", ["only two\tcolumns", "q?\tanswer(answer/)\tno path", "q?\t()\ta#b#c"])
def test_malformed_path_questions(samples: Path, tmp_path: Path, line: str) -> None:
    good = (samples / "pathquestion.txt").read_text()
    (tmp_path / "pq.txt").write_text(f"{good}{line}\n")
    dataset = load_dataset("pathquestion", str(tmp_path / "pq.txt"))
    assert len(dataset.questions) == 2
    assert [row.line for row in dataset.malformed] == [3]


def test_pair_without_conflict_is_malformed(samples: Path, tmp_path: Path) -> None:
    row = json.loads((samples / "nq_swap.jsonl").read_text())
    lines = [json.dumps(row), json.dumps(row | {"sub_answer": ["the Lena Moor"]})]
    (tmp_path / "swap.jsonl").write_text("\n".join(lines))
    (fault,) = load_dataset("nq_swap", str(tmp_path / "swap.jsonl")).malformed
    assert fault.line == 2
    assert "no conflict is left" in fault.reason


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("plain", "absent.jsonl", "cannot be read"),
        ("plain", "data.docx", "unknown type '.docx'"),
        ("plain", "broken.jsonl.gz", "cannot be read"),
        ("plain", "latin.jsonl", "cannot be read"),
        ("plain", "empty.jsonl", "holds no question"),
        ("hotpotqa", "object.json", "neither a JSON array"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, file: str, message: str) -> None:
    (tmp_path / "broken.jsonl.gz").write_bytes(b"no gzip")
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9\xff")
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "object.json").write_text('{"rows": 1}')
    with pytest.raises(SourceError, match=message):
        load_dataset(name, str(tmp_path / file))


def test_unknown_data_set_names_what_there_is() -> None:
    with pytest.raises(SettingError, match=r"did you mean 'hotpotqa'.*choose one of plain, documents, hotpotqa"):
        load_dataset("hotpot_qa", "x.json")


def test_corpus_faults_name_their_line(samples: Path, tmp_path: Path) -> None:
    assert [passage.doc_id for passage in load_corpus(str(samples / "corpus.jsonl"))][:2] == ["mill", "archive"]
    (tmp_path / "corpus.jsonl").write_text('{"doc_id": "a", "text": "t"}\n{"doc_id": "b"}\n')
    with pytest.raises(SourceError, match="line 2: text: Field required"):
        load_corpus(str(tmp_path / "corpus.jsonl"))


def test_through_the_datasets_package(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub's data set and a parquet file, offline: the package reads a local folder by its name, too."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    shutil.copy(samples / "nq_swap.jsonl", tmp_path / "set" / "validation.jsonl")
    hub = load_dataset("nq_swap", f"hub:{tmp_path / 'set'}", split="validation")
    assert hub.questions == load(samples, "nq_swap")
    table = datasets.Dataset.from_json(str(samples / "nq.jsonl"), cache_dir=str(tmp_path / "cache"))
    table.to_parquet(tmp_path / "nq.parquet")
    assert load_dataset("nq", str(tmp_path / "nq.parquet")).questions == load(samples, "nq")
    with pytest.raises(SourceError, match="could not be read"):
        load_dataset("nq_swap", f"hub:{tmp_path / 'absent'}")


@pytest.mark.parametrize(
    ("name", "file", "num_questions"),
    [
        ("plain", "hotpotqa/questions.jsonl", 100),
        ("plain", "musique/questions.jsonl", 100),
        ("plain", "squad2/questions.jsonl", 2000),
        ("plain", "pathquestion/questions.jsonl", 954),
        ("nq_synth", "nq_synth/nq_synth_dev.jsonl", 250),
        ("ramdocs", "ramdocs/ramdocs_dev.jsonl", 250),
    ],
)
def test_measured_sets_load_whole(shared_data: Path, name: str, file: str, num_questions: int) -> None:
    dataset = load_dataset(name, str(shared_data / file))
    assert (len(dataset.questions), dataset.malformed) == (num_questions, ())
