"""Room for skills in an engine that has to be started for them: vLLM takes adapters only where it was told to."""

from __future__ import annotations

from rag.core.settings.config import Config
from rag.generation.load import resolve_engine
from rag.models.defaults import GENERATOR
from rag.skills.card import JUDGE, READER
from rag.skills.choose import AUTO, NONE
from rag.skills.store import Skill, SkillStore, skills_folder

# Different adapters in one step of the engine; further ones wait for the next step.
_MAX_ADAPTERS = 4


def make_room(config: Config) -> Config:
    """The settings to load a generator with, so that the skills of ``config`` can run; the user's own come first.

    A question may have a skill and patches, whose ranks add up.
    """
    options = config.engine_options
    if config.skill == NONE or "enable_lora" in options or resolve_engine(config.engine) != "vllm":
        return config
    store = SkillStore(skills_folder(config.cache_dir))
    if config.skill == AUTO and not any(_may_answer(skill, config) for skill in store.ls()):
        return config
    from rag.generation.vllm.server import fit_rank

    room = {"enable_lora": True, "max_loras": _MAX_ADAPTERS, "max_lora_rank": fit_rank(config.patch_max_rank)}
    return config.model_copy(update={"engine_options": room | options})


def _may_answer(skill: Skill, config: Config) -> bool:
    """Whether a skill might be used unasked. Those that ship are for the default model; the user's own for any."""
    is_for_model = not skill.is_shipped or config.model in ("default", GENERATOR.name)
    return skill.card.is_default and skill.card.kind in (READER, JUDGE) and is_for_model
