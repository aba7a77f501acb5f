"""Room for skills in an engine that has to be started for them: vLLM takes adapters only where it was told to."""

from __future__ import annotations

from rag.core.settings.config import Config
from rag.generation.load import resolve_engine
from rag.skills.card import JUDGE, READER
from rag.skills.choose import AUTO, NONE, may_answer
from rag.skills.store import SkillStore, skills_folder

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
    if config.skill == AUTO and not any(
        may_answer(skill, config.model, kind) for skill in store.ls() for kind in (READER, JUDGE)
    ):
        return config
    from rag.generation.vllm.server import fit_rank

    room = {"enable_lora": True, "max_loras": _MAX_ADAPTERS, "max_lora_rank": fit_rank(config.patch_max_rank)}
    return config.model_copy(update={"engine_options": room | options})
