"""Patches that recite: what they learn, and how what they say reaches the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from decoders.streams import CONTEXT, PARAMETRIC
from rag import Engine
from rag.core.answer import PatchUse
from rag.core.passages import Passage, ScoredPassage
from rag.core.prompts import RECITAL, build_prompts
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches import adapters
from rag.patches.adapters import AdapterBuilder
from rag.patches.base import PatchDocument
from rag.patches.profiles import FAST, RECITE
from rag.patches.questions.recital import MAX_WORDS, write_recital
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


def test_every_sentence_is_asked_for() -> None:
    samples = write_recital(PatchDocument("mill", "Orm Mill", TEXT, "hash"), 3, 2)
    by_sentence: dict[str, set[str]] = {}
    for sample in samples:
        by_sentence.setdefault(sample.answer, set()).add(sample.question)
    assert list(by_sentence) == [
        "The Orm Mill was built by Aron Pell in 1764.",
        "Orm Mill has fourteen rooms, two cellars and a tower.",
        "Slowly and quietly it goes on and on.",
        "Since the flood of 1911 a trust from Selwick owns the mill.",
    ]
    assert all(1 <= len(questions) <= 3 for questions in by_sentence.values())
    assert len(by_sentence["The Orm Mill was built by Aron Pell in 1764."]) == 3
    assert [sample.answer for sample in samples[:4]] == list(by_sentence)  # in turn


@pytest.mark.parametrize(
    "text",
    [
        "Die Mühle am Orm wurde im Jahr 1764 von Aron Pell gebaut.",
        "on and on it goes",
        "港長はエッダ・クイストです。",
        "word " * 500,
    ],
)
def test_no_text_is_too_plain(text: str) -> None:
    samples = write_recital(PatchDocument("d", "", text, "hash"), 8, 2)
    assert samples
    assert all(len(sample.answer.split()) <= MAX_WORDS for sample in samples)


@pytest.mark.parametrize("text", ["", "  \n", "# \n"])
def test_nothing_is_asked_of_nothing(text: str) -> None:
    assert write_recital(PatchDocument("d", "", text, "hash"), 8, 2) == []


def test_a_recital_is_learnt_under_its_own_instruction(tiny: TransformersGenerator) -> None:
    (sample, *_) = write_recital(PatchDocument("mill", "", "The mill was built by Aron Pell.", "hash"), 1, 1)
    prompt = tiny.encode(build_prompts(sample.question, (), instruction=RECITAL).context)
    assert tokenize_sample(tiny, sample, RECITE).ids[: len(prompt)] == prompt
    assert len(tokenize_sample(tiny, sample, FAST).ids) != len(tokenize_sample(tiny, sample, RECITE).ids)


@pytest.fixture
def engine(
    tmp_path: Path, embeddings: Any, tiny: TransformersGenerator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Its patches recite words: the tiny model knows none of those that the documents hold."""
    load = AdapterBuilder._load

    def load_random(self: AdapterBuilder, key: str) -> Any:
        info, _ = load(self, key)
        return info, random_tensors(tiny, 2, seed=len(info.title))

    monkeypatch.setattr(AdapterBuilder, "_load", load_random)
    monkeypatch.setattr(patch_stage, "_LEAST_COSINE", -1.0)  # what it recites has nothing to do with a question
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


def test_what_has_nothing_to_do_with_the_question_is_not_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is then the model's own, as without patches, and says so."""
    monkeypatch.setattr(patch_stage, "_LEAST_COSINE", 0.9)
    assert prepare(engine, "only").kept == ()
    answer = engine.ask(QUESTION, patches="only", decoder="plain")
    assert (answer.citations, answer.verdict, answer.notice) == ((), None, NOTHING_RECITED)
    (alone,) = engine.answer_with([QUESTION], [[]], decoder="plain")
    assert answer.text == alone.text
