"""A skill reads the passages of an answer; memory stays the model's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from decoders.streams import CONTEXT, PARAMETRIC
from rag import Engine
from rag.core.errors import SettingError, SkillError
from rag.core.passages import Passage
from rag.core.settings.config import Config
from rag.generation.adapters.adapter import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import Patching
from rag.pipeline.run import run_stages
from rag.pipeline.state import State, given_state
from rag.pipeline.timings import Timings
from rag.skills.room import make_room
from rag.skills.serving import SkillSet
from rag.skills.store import SkillStore, skills_folder
from tests.patches.conftest import random_tensors
from tests.skills.conftest import make_card, random_skill

QUESTION = "Who is the harbour master of Port Selwick?"
PASSAGES = [
    Passage("a:0", "a", "a.txt", "", "The harbour master of Port Selwick is Edda Lindqvist.", 0),
    Passage("b:0", "b", "b.txt", "", "The harbour master of Port Selwick is Tomas Orrel.", 0),
]
LONG = f"{PASSAGES[0].text} Gulls eat fish and bread. The mill was built in 1764."


@pytest.fixture
def save(tiny: TransformersGenerator, base: str, tmp_path: Path) -> Callable[..., None]:
    """Saves a skill where the engine looks for it."""

    def save_skill(scale: float = 0.2, **values: Any) -> None:
        SkillStore(skills_folder(tmp_path)).save(
            random_skill(tiny, scale=scale), make_card(base, **{"is_default": True} | values)
        )

    return save_skill


@pytest.fixture
def engine(tmp_path: Path, embeddings: Any, tiny: TransformersGenerator) -> Iterator[Engine]:
    settings = {"max_tokens": 6, "decoder": "plain", "cache_dir": tmp_path}
    with Engine.open(tmp_path / "library", embeddings=embeddings, generator=tiny, **settings) as engine:
        yield engine


def prepare(engine: Engine, **options: Any) -> State:
    """The state before it is generated."""
    text = options.pop("text", "")
    passages = [replace(passage, text=text or passage.text) for passage in PASSAGES[: options.pop("num", 2)]]
    ranking = list(map(_scored, passages))
    query = engine.query(QUESTION, **options)
    (state,) = run_stages(engine.pipeline.prepare, [given_state(query, ranking)], Timings())
    return state


def _scored(passage: Passage) -> Any:
    from rag.core.passages import ScoredPassage

    return ScoredPassage(passage, 1.0)


def test_only_rows_with_passages_have_the_skill(engine: Engine, save: Callable[..., None]) -> None:
    save(instruction="Read the passages.")
    without, state = prepare(engine, skill="none"), prepare(engine)
    assert state.request is not None
    assert without.request is not None
    context, parametric = state.request.streams[CONTEXT], state.request.streams[PARAMETRIC]
    assert context.adapter is not None
    assert parametric == without.request.streams[PARAMETRIC]
    assert context.ids != without.request.streams[CONTEXT].ids  # the skill's own instruction
    assert state.inquiry is not None
    reading = [prompt for voice in state.inquiry.sheet.requests for prompt in voice.used.values()]
    memory = [prompt for voice in state.inquiry.memory for prompt in voice.used.values()]
    assert len(reading) == len(PASSAGES)
    assert {context.adapter} == {prompt.adapter for prompt in reading}
    assert {prompt.adapter for prompt in memory} == {None}


def test_a_prompt_of_several_requests_is_read_and_counted_once(engine: Engine, save: Callable[..., None]) -> None:
    save()
    state = prepare(engine, num=1)
    assert state.request is not None
    prompts = {prompt for voice in state.voice_requests for prompt in voice.used.values()}
    read = sum(len(prompt.ids) for prompt in prompts - set(state.request.used.values()))
    (answer,) = engine.answer_with([QUESTION], [PASSAGES[:1]])
    longest = sum(request.sampling.max_tokens for request in state.voice_requests)
    assert len(prompts) < len(state.voice_requests)
    assert read < answer.tokens.voices <= read + longest


def test_the_answer_says_which_skill_spoke(engine: Engine, save: Callable[..., None]) -> None:
    (before,) = engine.answer_with([QUESTION], [PASSAGES])
    save()
    (after,) = engine.answer_with([QUESTION], [PASSAGES])
    (alone,) = engine.answer_with([QUESTION], [[]])
    (off,) = engine.answer_with([QUESTION], [PASSAGES], skill="none")
    assert (before.skill, after.skill, alone.skill, off.skill) == ("", "reader", "", "")
    assert after.conflict.steps != before.conflict.steps == off.conflict.steps
    assert before.verdict is not None
    assert after.verdict is not None
    assert after.verdict.memory is not None
    assert before.verdict.memory is not None
    assert after.verdict.memory.answer == before.verdict.memory.answer


def test_a_zero_skill_changes_nothing(engine: Engine, save: Callable[..., None]) -> None:
    (before,) = engine.answer_with([QUESTION], [PASSAGES], decoder="adacad")
    save(scale=0.0)
    (after,) = engine.answer_with([QUESTION], [PASSAGES], decoder="adacad")
    assert after.skill == "reader"
    assert [step.token_id for step in after.conflict.steps] == [step.token_id for step in before.conflict.steps]
    assert (after.text, after.draft) == (before.text, before.draft)


def test_skill_and_patches_add_up(
    engine: Engine, save: Callable[..., None], tiny: TransformersGenerator, base: str
) -> None:
    save()
    patch = Adapter.single("patch", random_tensors(tiny, 2, 3))
    skill = engine.components.skills.reader("auto")
    assert skill is not None
    state = given_state(engine.query(QUESTION), list(map(_scored, PASSAGES)), Patching(patch))
    (state,) = run_stages(engine.pipeline.prepare, [state], Timings())
    assert state.request is not None
    adapter = state.request.streams[CONTEXT].adapter
    assert adapter is not None
    for layer, (a, b) in adapter.tensors.items():
        parts = [tensors[layer] for tensors in (skill.adapter.tensors, patch.tensors) if layer in tensors]
        torch.testing.assert_close((b @ a).double(), sum(y.double() @ x.double() for x, y in parts))


def test_the_skill_reads_each_passage_alone(engine: Engine, save: Callable[..., None]) -> None:
    """In the batch of the answer; a single passage's prompt is that of the answer, so it is read once."""
    save()
    state = prepare(engine, read_by="skill", num=1)
    assert state.request is not None
    context = state.request.streams[CONTEXT]
    assert state.voice_requests[0].streams[CONTEXT] == context
    excerpt = prepare(engine, read_by="skill", num=1, text=LONG, compress=0.4)
    assert excerpt.request is not None
    assert excerpt.voice_requests[0].streams[CONTEXT] == excerpt.request.streams[CONTEXT]
    both = prepare(engine, read_by="skill")
    assert len(both.voice_requests) == 2 + len(state.voice_requests) - 1
    (answer,) = engine.answer_with([QUESTION], [PASSAGES], read_by="skill")
    assert answer.verdict is not None
    assert answer.verdict.kind == "silent"  # what a random model says stands in no passage
    by_both, by_encoder = (
        engine.answer_with([QUESTION], [PASSAGES], read_by=name)[0].verdict for name in ("both", "encoder")
    )
    assert by_both is not None
    assert by_encoder is not None
    assert [position.answer for position in by_both.positions] == [position.answer for position in by_encoder.positions]


def test_without_a_skill_the_encoder_reads(engine: Engine) -> None:
    one, *others = (
        engine.answer_with([QUESTION], [PASSAGES], read_by=name)[0].verdict for name in ("encoder", "skill", "both")
    )
    assert others == [one, one]


def test_a_skill_that_is_trained_again_is_used_at_once(engine: Engine, save: Callable[..., None]) -> None:
    save()
    first = engine.components.skills.reader("auto")
    save(scale=0.3)
    second = engine.components.skills.reader("auto")
    assert first is not None
    assert second is not None
    assert first.adapter != second.adapter
    assert engine.components.skills.reader("auto") is second


def test_the_judge_judges_and_reads_nothing(
    engine: Engine, save: Callable[..., None], tiny: TransformersGenerator
) -> None:
    assert engine.components.skills.judge() is None
    save(name="judge", kind="judge")
    judge = engine.components.skills.judge()
    assert judge is not None
    prompts, labels = [tuple(range(20, 40)), tuple(range(30, 60))], ("w3", "w4")
    assert tiny.score(prompts, labels, judge.adapter) != tiny.score(prompts, labels)
    (answer,) = engine.answer_with([QUESTION], [PASSAGES])
    assert answer.skill == ""


@pytest.mark.parametrize("is_same", [True, False], ids=["its model", "another model"])
def test_an_engine_without_adapters(tmp_path: Path, base: str, save: Callable[..., None], is_same: bool) -> None:
    """Nobody asked for a skill: it is left out. Somebody did: that is refused."""
    save()

    class Foreign:
        name = "foreign"

    Foreign.base = base if is_same else "another"  # type: ignore[attr-defined]
    skills = SkillSet(Config(cache_dir=tmp_path), lambda: Foreign())  # type: ignore[arg-type,return-value]
    assert skills.reader("auto") is None
    with pytest.raises(SettingError if is_same else SkillError, match="runs no skills" if is_same else "model"):
        skills.reader("reader")


def test_vllm_here_is_started_with_room(tmp_path: Path, save: Callable[..., None]) -> None:
    shipped_for = Config(cache_dir=tmp_path, engine="vllm")
    assert make_room(shipped_for).engine_options["enable_lora"] is True
    config = shipped_for.updated(model="another")
    assert make_room(config) == config
    assert make_room(config.updated(skill="reader")).engine_options["enable_lora"] is True
    save()
    assert make_room(config).engine_options["max_lora_rank"] == 64
    assert make_room(config.updated(skill="none")) == config.updated(skill="none")
    own = config.updated(engine_options={"enable_lora": False})
    assert make_room(own) == own
    remote = config.updated(engine="http://127.0.0.1:1")
    assert make_room(remote) == remote
