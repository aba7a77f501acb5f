"""Patches that recite: what they learn, and how what they say reaches the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from decoders.streams import CONTEXT, PARAMETRIC
from rag import Engine
from rag.core.answer import PatchUse
from rag.core.errors import PatchError
from rag.core.passages import Passage, ScoredPassage
from rag.core.prompts import build_prompts
from rag.generation.base import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches import adapters
from rag.patches.adapters import AdapterBuilder
from rag.patches.base import PatchDocument, Recital
from rag.patches.profiles import RECITE
from rag.patches.questions.recital import encode_address, write_recital
from rag.patches.sentence_index import SentenceIndex
from rag.patches.store.patch_store import PatchStore
from rag.patches.store.tensor_cache import Loaded
from rag.patches.training.samples import tokenize_sample
from rag.pipeline.run import run_stages
from rag.pipeline.stages import patch as patch_stage
from rag.pipeline.stages.report import NOTHING_RECITED
from rag.pipeline.state import State, given_state
from rag.pipeline.timings import Timings
from tests.patches.conftest import random_tensors
from tests.patches.test_patchset import opened, write_docs

TEXT = (
    "The Orm Mill was built by Aron Pell in 1764. It has fourteen rooms, two cellars and a tower. "
    "Slowly and quietly it goes on and on. Since the flood of 1911 a trust from Selwick owns the mill."
)
QUESTION = "Who is the harbour master?"


def test_every_sentence_has_a_number() -> None:
    document = PatchDocument("mill", "Orm Mill", f"# The mill\n\n{TEXT}\n- Rooms: 14\n- Is it open?", "hash")
    assert [(sample.question, sample.answer) for sample in write_recital(document)] == [
        ("1", "The Orm Mill was built by Aron Pell in 1764."),
        ("2", "Orm Mill has fourteen rooms, two cellars and a tower."),
        ("3", "Slowly and quietly it goes on and on."),
        ("4", "Since the flood of 1911 a trust from Selwick owns the mill."),
        ("5", "Rooms: 14"),
        ("6", "Is it open?"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Die Mühle am Orm wurde im Jahr 1764 von Aron Pell gebaut.",
        "on and on it goes",
        "港長はエッダ・クイストです。" * 3 + "港" * 500,
        "x" * 200_000,
        "word " * 500,
    ],
)
def test_no_text_is_too_plain_and_nothing_of_it_is_lost(text: str) -> None:
    said = [sample.answer for sample in write_recital(PatchDocument("d", "", text, "hash"))]
    assert set("".join(said)) | {" "} == set(text) | {" "}
    assert max(len(sentence.encode()) for sentence in said) <= 500


@pytest.mark.parametrize("text", ["", "  \n", "# \n", "..."])
def test_nothing_is_learnt_of_nothing(text: str) -> None:
    assert write_recital(PatchDocument("d", "", text, "hash")) == []


def test_a_sentence_is_learnt_after_its_number(tiny: TransformersGenerator) -> None:
    (sample,) = write_recital(PatchDocument("d", "", "w5 w6 w7", "hash"))
    address, tokens = encode_address(tiny, 1), tokenize_sample(tiny, sample, RECITE)
    assert address[-1:] == tuple(tiny.encode_text("1"))
    assert tokens.ids[: tokens.first_learnt] == address
    assert tokens.ids[tokens.first_learnt :] == (*tiny.encode_text("w5 w6 w7"), tiny.tokenizer.eos_token_id)


def test_the_nearest_sentences_are_chosen() -> None:
    def recital(*vectors: tuple[float, float]) -> Recital:
        index = SentenceIndex("e", np.zeros(2, dtype=np.float32), np.array(vectors, dtype=np.float32))
        return Recital(PatchUse("d", "key", 1.0), "T", Adapter("a", ()), index)

    one, two = recital((0.5, 0.0), (0.9, 0.0)), recital((0.7, 0.0), (0.0, 1.0), (0.8, 0.0))
    lines = patch_stage._nearest([one, two], np.array([1.0, 0.0], dtype=np.float32))
    assert [(line.recital, line.number) for line in lines] == [(one, 2), (two, 3), (two, 1)]
    assert patch_stage._nearest([two], np.array([0.1, 0.1], dtype=np.float32)) == []


@pytest.fixture
def engine(
    tmp_path: Path, embeddings: Any, tiny: TransformersGenerator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Its patches recite words: the tiny model knows none of those that the documents hold."""
    load = AdapterBuilder._load

    def load_random(self: AdapterBuilder, key: str) -> Loaded:
        loaded = load(self, key)
        return loaded._replace(tensors=random_tensors(tiny, 2, seed=len(loaded.info.title)))

    monkeypatch.setattr(AdapterBuilder, "_load", load_random)
    monkeypatch.setattr(patch_stage, "_LEAST_COSINE", -1.0)  # a hash of words is near to nothing
    monkeypatch.setattr(patch_stage, "_LEAST_FAITH", -1.0)
    texts = {"harbour": "The harbour master is Edda Quist.", "mill": "The tide mill has 14 rooms."}
    with opened(tmp_path / "library", embeddings, tiny, patch_profile="recite") as engine:
        engine.add(write_docs(tmp_path / "docs", texts))
        engine.patches.build()
        yield engine


def prepare(engine: Engine, mode: str, *passages: Passage) -> State:
    """The state before its answer is generated, with the patches of all documents; the second one is more relevant."""
    query = engine.query(QUESTION, patches=mode)
    ranking = [ScoredPassage(passage, 1.0) for passage in passages]
    weighed = zip(engine.patches.ls(), (0.5, 1.0), strict=True)
    uses = [PatchUse(info.doc_id, info.key, weight) for info, weight in weighed]
    state = given_state(query, ranking, engine.patches.use(uses))
    (state,) = run_stages(engine.pipeline.prepare, [state], Timings())
    return state


def test_each_patch_recites_for_itself_and_is_read_like_a_passage(engine: Engine) -> None:
    state = prepare(engine, "only")
    assert state.request is not None
    assert [scored.passage.doc_id for scored in state.kept] == [info.doc_id for info in engine.patches.ls()][::-1]
    recited = [scored.passage for scored in state.kept]
    assert state.request.streams[CONTEXT].ids == engine.generator.encode(build_prompts(QUESTION, recited).context)
    assert state.request.streams[PARAMETRIC].ids == engine.generator.encode(build_prompts(QUESTION, ()).context)
    assert {prompt.adapter for prompt in state.request.streams.values()} == {None}  # the patches spoke before


def test_the_most_relevant_recite_and_the_answer_names_no_others(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "_MAX_RECITALS", 1)
    patching = prepare(engine, "only").patching
    assert patching is not None
    assert patching.uses == tuple(recital.use for recital in patching.recitals)
    assert [use.weight for use in patching.uses] == [1.0]


def test_what_a_passage_says_already_is_not_recited(engine: Engine) -> None:
    alone = prepare(engine, "only")
    texts = [scored.passage.text for scored in alone.kept]
    passage = Passage("p:0", "p", "p.txt", "", f"It is said: {texts[0]} So it is.")
    state = prepare(engine, "auto", passage)
    expected = [text for text in texts if text not in passage.text]
    assert [scored.passage.text for scored in state.kept] == [passage.text, *expected]


def test_the_answer_shows_what_was_recited(engine: Engine) -> None:
    answer = engine.ask(QUESTION, patches="only")
    assert answer.patches
    assert {citation.doc_id for citation in answer.citations} == {use.doc_id for use in answer.patches}
    assert {citation.location for citation in answer.citations} == {"recited by its patch"}
    assert answer.verdict is not None


@pytest.mark.parametrize("limit", ["_LEAST_COSINE", "_LEAST_FAITH"])
def test_what_is_not_near_and_what_is_garbled_is_not_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """The answer is then the model's own, as without patches, and says so."""
    monkeypatch.setattr(patch_stage, limit, 0.9)
    assert prepare(engine, "only").kept == ()
    answer = engine.ask(QUESTION, patches="only", decoder="plain")
    assert (answer.citations, answer.verdict, answer.notice) == ((), None, NOTHING_RECITED)
    (alone,) = engine.answer_with([QUESTION], [[]], decoder="plain")
    assert answer.text == alone.text


def test_a_patch_holds_no_text(engine: Engine) -> None:
    """Neither its manifest nor its weights' file; the sentences that it learnt are numbers."""
    for info in engine.patches.ls():
        files = engine.patches.store.fetch(info.key)
        assert not any(word in content for content in files.values() for word in (b"Quist", b"rooms"))
        assert info.num_answers == 1
        assert set(info.learnt) <= {"sentence 1"}


def test_sentences_of_another_encoder_are_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = engine.patches._encoder.encode
    turned = SimpleNamespace(name="other", encode=lambda texts: np.roll(encode(texts), 1, axis=1))
    builder = replace(engine.patches._adapters, encoder=turned)
    monkeypatch.setattr(engine.patches, "_adapters", builder)
    with pytest.raises(PatchError, match=r"found by vectors of encoder .* and this 'other' makes others"):
        engine.ask(QUESTION, patches="only")
    assert "makes others" in engine.ask(QUESTION, patches="auto").notice


def test_a_patch_without_an_index_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an older version made them, and other profiles."""
    load = PatchStore.load
    monkeypatch.setattr(PatchStore, "load", lambda self, key: load(self, key)._replace(sentences=None))
    with pytest.raises(PatchError, match=r"recites nothing by number.* build it again"):
        engine.ask(QUESTION, patches="only")
