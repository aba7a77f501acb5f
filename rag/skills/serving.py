"""Skills of one engine, ready to run: chosen, loaded once, and as adapters."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from rag.core.errors import ConcordError, PatchError, SettingError, SkillError
from rag.core.process.lazy import lazy_property
from rag.core.settings.config import Config
from rag.generation.adapters.adapter import Adapter
from rag.generation.base import AdapterRunner, Generator
from rag.generation.load import generator_fingerprint
from rag.generation.request import ActiveSkill
from rag.skills.card import JUDGE, READER
from rag.skills.choose import AUTO, NONE, choose_skill, may_answer
from rag.skills.store import Skill, SkillStore, read_tensors, skills_folder


class SkillSet:
    """The skills that one generator can run. Threads may share it.

    Args:
        config: where skills are kept, and the model's name.
        generator: gives the engine's generator.
    """

    def __init__(self, config: Config, generator: Callable[[], Generator]) -> None:
        self._config = config
        self._generator = generator
        self._active: dict[tuple[str, str], tuple[int, ActiveSkill | None]] = {}
        self._loaded: dict[str, ActiveSkill] = {}
        self._lock = Lock()
        self.store = SkillStore(skills_folder(config.cache_dir))

    @lazy_property
    def base(self) -> str:
        """Fingerprint of the generator's model."""
        generator = self._generator()
        # A server tells the fingerprint of its own weights; this machine's copy may lack them.
        return str(getattr(generator, "base", "")) or generator_fingerprint(generator, self._config)

    def reader(self, wanted: str) -> ActiveSkill | None:
        """What reads passages: ``auto``, ``none``, a name, or a folder.

        Raises:
            SkillError: there is no such skill, or it was made for another model.
            SettingError: a skill was asked for, and the engine runs none.
        """
        return self._find(wanted, READER)

    def judge(self, wanted: str = AUTO) -> ActiveSkill | None:
        """What judges passages; as :meth:`reader`."""
        return self._find(wanted, JUDGE)

    def _find(self, wanted: str, kind: str) -> ActiveSkill | None:
        if wanted == NONE:
            return None
        with self._lock:
            stamp = self.store.stamp
            stamped = self._active.get((wanted, kind))
            if stamped is None or stamped[0] != stamp:
                stamped = self._active[wanted, kind] = stamp, self._choose(wanted, kind)
        return stamped[1]

    def _may_run(self, kind: str) -> bool:
        """Nothing is asked of the model where no skill could be meant, or the engine takes no adapters."""
        is_meant = any(may_answer(skill, self._config.model, kind) for skill in self.store.ls())
        return is_meant and isinstance(self._generator(), AdapterRunner)

    def _choose(self, wanted: str, kind: str) -> ActiveSkill | None:
        if wanted == AUTO and not self._may_run(kind):
            return None
        generator = self._generator()
        try:
            base = self.base
        except ConcordError:  # the weights of an engine elsewhere may be out of reach
            if wanted == AUTO:
                return None
            raise
        skill = choose_skill(wanted, self.store, base, self._config.model, kind)
        if skill is None:
            return None
        active = self._load(skill)
        try:
            _check_runs(generator, active)
        except SettingError:
            if wanted == AUTO:
                return None
            raise
        return active

    def _load(self, skill: Skill) -> ActiveSkill:
        tensors, digest = read_tensors(skill)
        name = digest[:32]
        if name not in self._loaded:
            adapter = Adapter.single(name, tensors, is_lasting=True)
            self._loaded[name] = ActiveSkill(skill.card.name, skill.card.instruction, adapter)
        return self._loaded[name]


def _check_runs(generator: Generator, skill: ActiveSkill) -> None:
    """Refuse a skill that the engine would not run, before a question is read.

    Raises:
        SettingError: its rank is too large, or the engine runs no adapters.
        SkillError: it changes layers that the model does not have.
    """
    if not isinstance(generator, AdapterRunner):
        raise SettingError(f"{type(generator).__name__} runs no skills; take skill='none', or engine='transformers'")
    try:
        generator.check_adapter(skill.adapter)
    except PatchError as error:
        raise SkillError(f"skill {skill.name!r} does not fit this model ({error}); train it again") from error
