"""The Python clients say what the engine says; LangChain adapters work over an engine and over a client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate

from rag.client import AsyncClient, Client
from rag.core.answer import Answer
from rag.core.errors import FormatError, LibraryError, QuestionError, SettingError, UnavailableError
from rag.core.passages import Passage
from rag.core.query import Message
from rag.engine import Engine
from rag.langchain import ConcordChatModel, ConcordRetriever
from tests.conftest import HashEmbeddings
from tests.service.conftest import TEXTS
from tests.service.tiny import CONFIG, load_tiny

pytestmark = pytest.mark.real
QUESTION = "who runs the harbour"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine") / "library"
    with Engine.open(folder, config=CONFIG, embeddings=HashEmbeddings(), generator=load_tiny()) as opened:
        opened.add([Document(text, metadata={"source": source}) for source, text in TEXTS.items()])
        yield opened


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address, library="papers") as opened:
        yield opened


def same(one: Answer, other: Answer) -> bool:
    """Equal but for time, and for the last digits of floats that depend on the batch."""
    steps = [(s.token_id, s.context_top, s.parametric_top) for s in one.conflict.steps]
    others = [(s.token_id, s.context_top, s.parametric_top) for s in other.conflict.steps]
    fields = (
        "question",
        "text",
        "citations",
        "decoder",
        "tokens",
        "finish_reason",
        "dropped",
        "settings",
        "is_abstained",
    )
    fields += ("trace", "paths", "patches")
    return steps == others and all(getattr(one, name) == getattr(other, name) for name in fields)


def test_the_client_says_what_the_engine_says(client: Client, engine: Engine) -> None:
    for options in ({}, {"decoder": "ckplug", "alpha": 0.5}, {"top_k": 1, "max_tokens": 3}, {"stop": ("w5",)}):
        assert same(client.ask(QUESTION, **options), engine.ask(QUESTION, **options))
    history = [Message("user", "w1"), Message("assistant", "w2")]
    assert same(client.ask(QUESTION, history=history), engine.ask(QUESTION, history=history))
    assert client.retrieve([QUESTION], 1) == engine.retrieve([QUESTION], 1)
    assert [d.source for d in client.documents()] == [d.source for d in engine.documents()]


def test_many_given_and_streamed(client: Client, engine: Engine) -> None:
    questions = [QUESTION, "who runs the mill"]
    pairs = zip(client.ask_many(questions), engine.ask_many(questions), strict=True)
    assert all(same(*pair) for pair in pairs)
    passages = [[Passage("p:0", "p", "s", "", "w80 w81")]]
    assert same(client.answer_with([QUESTION], passages)[0], engine.answer_with([QUESTION], passages)[0])
    *events, answer = client.stream(QUESTION)
    assert isinstance(answer, Answer)
    assert same(answer, engine.ask(QUESTION))
    streamed = "".join(event.text for event in events if not isinstance(event, Answer)).strip()
    assert streamed == (answer.draft or answer.text)  # tokens made the draft, if the verdict changed it


def test_adding_and_removing(address: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nw1 w2")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("w3 w4")
    with Client(address, library="through-the-client") as client:
        client.create()
        report = client.add([tmp_path, Document("w5", metadata={"source": "note"})])
        name = tmp_path.name
        assert sorted(report.added) == ["note", f"{name}/a.md", f"{name}/sub/b.txt"]
        assert [d.source for d in client.remove(["note"])] == ["note"]
        assert [d.source for d in client.documents()] == [f"{name}/a.md", f"{name}/sub/b.txt"]
        (tmp_path / "sub" / "b.txt").unlink()
        assert list(client.add(tmp_path).gone) == [f"{name}/sub/b.txt"]
        assert list(client.add(tmp_path, sync=True).removed) == [f"{name}/sub/b.txt"]


def test_a_folder_of_more_files_than_a_request_takes_is_followed(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.client.uploads._MAX_FILES", 2)
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(f"w{number} w1")
    name = tmp_path.name
    with Client(address, library="many-files") as client:
        client.create()
        client.add(Document("w5", metadata={"source": "note"}))
        assert client.add(tmp_path, sync=True).num_passages == 6
        (tmp_path / "0.txt").unlink()
        (tmp_path / "4.txt").unlink()
        (tmp_path / "1.txt").write_text("w7")
        seen = client.add(tmp_path)
        assert (list(seen.gone), list(seen.replaced)) == ([f"{name}/0.txt", f"{name}/4.txt"], [f"{name}/1.txt"])
        followed = client.add(tmp_path, sync=True)
        assert list(followed.removed) == [f"{name}/0.txt", f"{name}/4.txt"]
        assert (followed.num_passages, followed.num_new_passages) == (4, -2)
        assert [d.source for d in client.documents()] == ["note", *(f"{name}/{n}.txt" for n in (1, 2, 3))]
        for path in tmp_path.iterdir():
            path.unlink()
        assert len(client.add(tmp_path, sync=True).removed) == 3  # an empty folder sends nothing, and is followed
        assert [d.source for d in client.documents()] == ["note"]


@pytest.mark.parametrize("ending", ["/", "/v1", "/v1/"])
def test_an_address_may_end_as_openai_has_it(address: str, ending: str) -> None:
    with Client(f"{address}{ending}", library="papers") as client:
        assert client.documents()


def test_errors_are_the_engines(client: Client, address: str) -> None:
    with pytest.raises(SettingError, match="magic"):
        client.ask(QUESTION, decoder="magic")
    with pytest.raises(SettingError, match="min_p"):
        client.ask(QUESTION, min_p=0.1)
    with pytest.raises(QuestionError, match="window"):
        list(client.stream("w1 " * 400))
    with pytest.raises(LibraryError, match="nobody"):
        Client(address, library="nobody").ask(QUESTION)
    with pytest.raises(LibraryError, match="no document"):
        client.remove(["nobody"])
    with pytest.raises(UnavailableError, match="is it running"):
        Client("http://127.0.0.1:9", library="papers").documents()


def test_the_asynchronous_client(address: str, engine: Engine) -> None:
    async def calls() -> None:
        async with AsyncClient(address, library="papers") as client:
            assert same(await client.ask(QUESTION), engine.ask(QUESTION))
            answers = await client.ask_many([QUESTION, "w1"])
            assert same(answers[0], engine.ask(QUESTION))
            events = [event async for event in client.stream(QUESTION)]
            assert same(events[-1], answers[0])  # type: ignore[arg-type]
            assert len(await client.documents()) == 2
            with pytest.raises(SettingError):
                await client.ask(QUESTION, decoder="magic")

    asyncio.run(calls())


@pytest.fixture(params=["engine", "client"])
def either(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_langchain_structured_output_needs_an_engine_that_can(either: Any) -> None:
    schema = {"title": "Person", "type": "object", "properties": {"name": {"type": "string"}}}
    model = ConcordChatModel(engine=either)
    with pytest.raises(FormatError, match="response_format"):
        model.with_structured_output(schema).invoke(QUESTION)
    with pytest.raises(SettingError, match="method='function_calling'"):
        model.with_structured_output(schema, method="function_calling")


def test_langchain_chat(either: Any, engine: Engine) -> None:
    model = ConcordChatModel(engine=either, options={"top_k": 1})
    expected = engine.ask(QUESTION, top_k=1)
    message = (ChatPromptTemplate.from_messages([("human", "{q}")]) | model).invoke({"q": QUESTION})
    assert message.content == expected.text
    assert message.response_metadata["citations"][0]["source"] == "harbour"
    assert message.usage_metadata["output_tokens"] == expected.tokens.generated
    streamed = "".join(str(chunk.content) for chunk in model.stream(QUESTION)).strip()
    assert streamed == f"{expected.draft}\n\n{expected.text}".strip()
    turns = [SystemMessage("w9"), HumanMessage("w1"), AIMessage("w2"), HumanMessage(QUESTION)]
    assert model.invoke(turns).usage_metadata["input_tokens"] > message.usage_metadata["input_tokens"]
    with pytest.raises(QuestionError, match="human one last"):
        model.invoke([HumanMessage("w1"), AIMessage("w2")])


def test_langchain_retriever(either: Any) -> None:
    documents = ConcordRetriever(engine=either, top_k=1).invoke(QUESTION)
    assert [document.metadata["source"] for document in documents] == ["harbour"]
