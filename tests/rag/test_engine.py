"""The SDK over a small random model: adding, asking, streaming, refusing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rag import Answer, Config, Engine, Message, Passage, TokenEvent
from rag.core.errors import LibraryError, QuestionError, SettingError
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def tiny() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> Iterator[Engine]:
    with Engine.open(tmp_path / "library", embeddings=embeddings, generator=tiny, max_tokens=8) as opened:
        yield opened


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "harbour.txt").write_text("The harbour master is Edda.")
    (folder / "mill.txt").write_text("The mill was built in 1764.")
    return folder


def names(sources: Any) -> list[str]:
    return [Path(source).name for source in sources]


def test_adding_twice_changes_nothing(engine: Engine, docs: Path) -> None:
    first, second = engine.add(docs), engine.add([docs, docs / "mill.txt"])
    assert names(first.added) == ["harbour.txt", "mill.txt"]
    assert (names(second.added), names(second.unchanged)) == ([], ["harbour.txt", "mill.txt"])
    assert engine.library.generation == 1
    assert first.num_passages == second.num_passages == 2


def test_a_changed_file_replaces_its_passages(engine: Engine, docs: Path) -> None:
    engine.add(docs)
    assert engine.retrieve(["harbour master"])[0][0].passage.text.endswith("Edda.")
    (docs / "harbour.txt").write_text("The harbour master is Tomas.")
    assert names(engine.add(docs).replaced) == ["harbour.txt"]
    texts = [scored.passage.text for scored in engine.retrieve(["harbour master Edda Tomas"], top_k=9)[0]]
    assert sorted(texts) == ["The harbour master is Tomas.", "The mill was built in 1764."]


def test_what_can_be_read_is_in(engine: Engine, docs: Path) -> None:
    (docs / "bad.pdf").write_bytes(b"no pdf")
    report = engine.add([docs, docs / "gone.md"])
    assert names(report.added) == ["harbour.txt", "mill.txt"]
    assert sorted(names(f.source for f in report.failed)) == ["bad.pdf", "gone.md"]
    assert len(engine.documents()) == 2


def test_langchain_documents_are_taken(engine: Engine) -> None:
    document = Document("The bell rings at noon.", metadata={"source": "note:7", "title": "Bell"})
    engine.add([document])
    passage = engine.retrieve(["bell"])[0][0].passage
    assert (passage.source, passage.title, passage.text) == ("note:7", "Bell", document.page_content)


def test_removing(engine: Engine, docs: Path) -> None:
    engine.add(docs)
    with pytest.raises(LibraryError, match="no document 'nothing'"):
        engine.remove([docs / "mill.txt", "nothing"])
    assert len(engine.documents()) == 2
    assert names(d.source for d in engine.remove([docs / "mill.txt"])) == ["mill.txt"]
    assert all("mill" not in s.passage.text for s in engine.retrieve(["when was the mill built"], top_k=9)[0])
    engine.remove([docs])  # a folder: all below it
    assert engine.documents() == []


def test_an_answer_has_everything(engine: Engine, docs: Path) -> None:
    engine.add(docs)
    answer = engine.ask("Who is the harbour master?", decoder="ckplug", alpha=0.2)
    assert answer.decoder == "ckplug"
    assert answer.settings == {"alpha": 0.2}
    assert answer.citations[0].passage == "The harbour master is Edda."
    assert answer.citations[0].score >= answer.citations[1].score
    assert len(answer.conflict.steps) == answer.tokens.generated > 0
    assert 0 <= answer.conflict.score <= 1
    stages = dict(answer.timings_ms)
    total = stages.pop("total")
    search = ["rewrite", "recall", "retrieve", "deepen", "filter", "support", "remember"]
    assert list(stages) == [*search, "patch", "skill", "compress", "fit", "inquire", "generate", "judge", "report"]
    assert sum(stages.values()) == pytest.approx(total)
    assert answer.tokens.context_prompt > answer.tokens.parametric_prompt


def test_a_batch_equals_its_questions(engine: Engine, docs: Path) -> None:
    engine.add(docs)
    questions = ["Who is the harbour master?", "When was the mill built?", "w5 w6 w7?"]
    seen: list[int] = []
    batch = engine.ask_many(questions, decoder="cad", on_answer=lambda index, answer: seen.append(index))
    assert [a.text for a in batch] == [engine.ask(q, decoder="cad").text for q in questions]
    assert [a.question for a in batch] == questions
    assert sorted(seen) == [0, 1, 2]


def test_streaming_ends_with_the_answer(engine: Engine, docs: Path) -> None:
    engine.add(docs)
    events = list(engine.stream("Who is the harbour master?"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    pieces = [event.text for event in events if isinstance(event, TokenEvent)]
    assert "".join(pieces).strip() == (answer.draft or answer.text)
    assert answer.text == engine.ask("Who is the harbour master?").text


def test_given_passages(engine: Engine) -> None:
    passage = Passage("p:0", "p", "s", "", "w9 w10 w11")
    one, other = engine.answer_with(["w5?", "w5?"], [[passage], []], decoder="plain")
    assert one.citations[0].passage == passage.text
    assert other.citations == ()
    assert other.conflict.score == 0  # without passages both prompts are one


def test_an_earlier_answer_from_documents_is_no_memory(engine: Engine, docs: Path) -> None:
    engine.add(docs)
    first = engine.ask("w5?")
    one, other = (
        engine.ask("w5?", history=[Message("user", "w6?"), {"role": "assistant", "content": reply}])
        for reply in ("w7 w8 w9", "w30 w31")
    )
    assert one.tokens.context_prompt > other.tokens.context_prompt > first.tokens.context_prompt
    assert one.tokens.parametric_prompt == other.tokens.parametric_prompt > first.tokens.parametric_prompt
    assert one.conflict.memory_answer == other.conflict.memory_answer


def test_memory_is_asked_the_clarified_question(engine: Engine, docs: Path) -> None:
    engine.add(docs)
    history = [Message("user", "Who is the harbour master?"), Message("assistant", "Edda Lindqvist")]
    follow_up = engine.ask("Where was she born?", history=history)
    assert follow_up.trace.queries[-1] == "Where was Edda Lindqvist born?"
    alone = engine.ask("Where was Edda Lindqvist born?")
    assert follow_up.conflict.memory_answer == alone.conflict.memory_answer
    assert follow_up.tokens.parametric_prompt == alone.tokens.parametric_prompt


def test_passages_that_do_not_fit_are_reported(engine: Engine, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"tide {name} " + "word " * 90)
    engine.add([tmp_path / f"{name}.txt" for name in "abc"])
    answer = engine.ask("tide?", top_k=3)
    assert len(answer.citations) == 2
    assert len(answer.dropped) == 1
    assert answer.dropped[0].score <= answer.citations[-1].score


def test_a_question_over_the_window(engine: Engine, docs: Path) -> None:
    engine.add(docs)
    with pytest.raises(QuestionError, match="window of 256 tokens"):
        engine.ask("word " * 400)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"question": "  "}, QuestionError, "empty"),
        ({"decoder": "adacad", "alpha": 7}, SettingError, "no setting 'alpha'"),
        ({"decoder": "beam"}, SettingError, "unknown decoder 'beam'"),
        ({"top_k": 0}, SettingError, "top_k=0"),
        ({"temperature": -1}, SettingError, "temperature=-1"),
        ({"max_tokens": 0}, SettingError, "max_tokens=0"),
        ({"colour": "red"}, SettingError, "'colour'"),
    ],
)
def test_refusals(engine: Engine, docs: Path, options: dict[str, Any], error: type[Exception], words: str) -> None:
    engine.add(docs)
    with pytest.raises(error, match=words):
        engine.ask(**{"question": "Who?", **options})


def test_an_empty_library(engine: Engine) -> None:
    with pytest.raises(LibraryError, match="is empty; add documents first"):
        engine.ask("Who?")


def test_another_encoder(engine: Engine, docs: Path, tmp_path: Path) -> None:
    engine.add(docs)
    with Engine.open(tmp_path / "library") as other:  # the default encoder; not loaded for this
        with pytest.raises(LibraryError, match="made with encoder 'HashEmbeddings'"):
            other.ask("Who?")
        with pytest.raises(LibraryError, match="HashEmbeddings"):
            other.add(docs)


def test_any_langchain_retriever_plugs_in(tmp_path: Path, tiny: TransformersGenerator) -> None:
    class Fixed(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document(f"about {query} w{i}", metadata={"source": "web"}, id=str(i)) for i in range(9)]

    with Engine.open(tmp_path, retriever=Fixed(), generator=tiny, max_tokens=4) as engine:
        answer = engine.ask("w5", top_k=2)
    assert [(c.passage, c.source, c.score) for c in answer.citations] == [
        ("about w5 w0", "web", 1),
        ("about w5 w1", "web", 0.5),
    ]
    assert answer.conflict.steps


def test_settings_beside_a_config_change_it(tmp_path: Path, embeddings: Any) -> None:
    with Engine.open(tmp_path / "library", embeddings=embeddings, config=Config(top_k=5), max_tokens=3) as engine:
        assert (engine.config.top_k, engine.config.max_tokens) == (5, 3)
