"""What answers the trials of a run: the contract, and the engine as its implementation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Protocol

from decoders.params import DecoderParams
from eval.run.config import RunConfig
from eval.types import Trial
from rag.core.answer import Answer, PatchUse
from rag.core.errors import QuestionError
from rag.core.passages import Passage, ScoredPassage, rank_passages
from rag.core.settings.config import Config
from rag.library.base import Library
from rag.patches.base import PatchDocument
from rag.patches.profiles import load_profile

if TYPE_CHECKING:
    from rag.engine import Engine
    from rag.patches.base import Patching
    from rag.pipeline.state import State
    from rag.pipeline.timings import Timings

OnAnswer = Callable[[], None]

_PACKAGES = ("concord-rag", "torch", "transformers", "sentence-transformers", "faiss-cpu", "bm25s", "vllm")


class Answerer(Protocol):
    """Answers batches of trials. A greedy answer depends only on its trial, so a resumed run gets the same one."""

    def identity(self) -> Mapping[str, str]:
        """Everything that the answers depend on, except the run's settings."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Versions of the packages that the answers depend on."""
        ...

    def warm_up(self, trials: Sequence[Trial]) -> None:
        """Load models and make patches, so that they do not count in the latency of the first questions."""
        ...

    def rank(self, questions: Sequence[str], depth: int) -> list[list[ScoredPassage]]:
        """The best ``depth`` passages for each question, best first."""
        ...

    def answer(
        self, trials: Sequence[Trial], decoders: Sequence[DecoderParams], on_answer: OnAnswer
    ) -> list[list[Answer]]:
        """Every trial with every decoder, as one batch: answers by decoder, then by trial, in their orders.

        ``on_answer`` is called as each is finished.

        Raises:
            QuestionError: a question that cannot be asked; the runner then asks them one by one.
        """
        ...

    def factory(self) -> Callable[[], Answerer]:
        """Opens an answerer with the same settings in another process; can be pickled."""
        ...


@dataclass(frozen=True)
class EngineAnswerer:
    """The engine, asked with the settings of ``config``."""

    engine: Engine
    config: RunConfig

    def identity(self) -> Mapping[str, str]:
        """The engine's settings; a digest of its library where it retrieves; the patch profile where it is patched."""
        values = self.engine.config.model_dump(mode="json", exclude={"cache_dir", "decoder", "top_k", "max_tokens"})
        identity = {f"engine.{key}": str(value) for key, value in values.items()}
        if self.config.arm == "retrieved":
            contents = sorted(self.engine.library.hashes(is_live=True).items())
            identity["library"] = hashlib.sha256(repr(contents).encode()).hexdigest()[:16]
        if not self.config.is_retrieval_only and (skill := self._skill()):
            identity["skill"] = skill
        if self.config.patches != "none":
            identity["patch_profile"] = load_profile(self.engine.config.patch_profile).fingerprint()
        return identity

    def versions(self) -> Mapping[str, str]:
        """Versions of the installed packages that a result can depend on."""
        return installed_versions()

    def warm_up(self, trials: Sequence[Trial]) -> None:
        """Load the generator, and make the patches of ``trials``."""
        _ = self.engine.generator
        self._find_patches(trials)

    def rank(self, questions: Sequence[str], depth: int) -> list[list[ScoredPassage]]:
        """The engine's retrieval."""
        return self.engine.retrieve(questions, top_k=depth)

    def answer(
        self, trials: Sequence[Trial], decoders: Sequence[DecoderParams], on_answer: OnAnswer
    ) -> list[list[Answer]]:
        """One batch. A question's prompts are the same for all decoders, so the generator reads them once."""
        from rag.pipeline.run import run_stages
        from rag.pipeline.timings import Timings  # brings LangChain, which comparing and reporting can do without

        timings = Timings()
        patchings: Sequence[Patching | None] = self._patchings(trials, timings) or [None] * len(trials)
        first = [self._state(*item) for item in zip(trials, patchings, strict=True)]
        searched = run_stages(self.engine.pipeline.search, first, timings)
        states = [
            replace(state, query=replace(state.query, decoder=params)) for params in decoders for state in searched
        ]
        answers: dict[int, Answer] = {}
        for index, event in self.engine.pipeline.answer(states, timings):
            if isinstance(event, Answer):
                answers[index] = event
                on_answer()
        num = len(trials)
        return [[answers[row * num + column] for column in range(num)] for row in range(len(decoders))]

    def factory(self) -> Callable[[], Answerer]:
        """Opens the same library, which the other process must be able to reach."""
        return partial(_reopen, self.engine.library.opener(), self.config)

    def _skill(self) -> str:
        """What names the weights of the skill that reads the passages; empty for none. "auto" alone names nothing."""
        skill = self.engine.components.skills.reader(self.engine.config.skill)
        return skill.adapter.name if skill else ""

    def _state(self, trial: Trial, patching: Patching | None) -> State:
        """The trial as the pipeline's state: the engine finds the passages where the trial has none."""
        from rag.pipeline.state import given_state, new_state

        query = self.engine.query(trial.question, max_tokens=self.config.max_tokens, top_k=self.config.top_k)
        if trial.passages is None:
            return replace(new_state(query), patching=patching)
        return given_state(query, rank_passages(trial.passages), patching)

    def _patchings(self, trials: Sequence[Trial], timings: Timings) -> list[Patching] | None:
        """The patches that each trial asks for; ``None`` where none does."""
        if not any(trial.patched for trial in trials):
            return None
        with timings.stage("patch"):
            uses = self._find_patches(trials)
            chosen = [tuple(use for p in trial.patched if (use := uses[p])) for trial in trials]
            for trial, patches in zip(trials, chosen, strict=True):
                if trial.patched and not patches:
                    names = ", ".join(repr(passage.doc_id) for passage in trial.patched)
                    raise QuestionError(f"no patch can be made of {names}: too short or too plain to ask about")
            return [self.engine.patches.use(patches) for patches in chosen]

    def _find_patches(self, trials: Sequence[Trial]) -> dict[Passage, PatchUse | None]:
        """The patch of each document that ``trials`` name, made now where it is missing."""
        passages = list(dict.fromkeys(passage for trial in trials for passage in trial.patched))
        if not passages:
            return {}
        return dict(zip(passages, self.engine.patches.find_or_build([_document(p) for p in passages]), strict=True))


def _document(passage: Passage) -> PatchDocument:
    content = hashlib.sha256(f"{passage.title}\n{passage.text}".encode()).hexdigest()
    return PatchDocument(passage.doc_id, passage.title, passage.text, content, (passage.text,))


def _reopen(open_library: Callable[[], Library], config: RunConfig) -> EngineAnswerer:
    from rag import Engine

    return EngineAnswerer(Engine(open_library(), Config.load(**config.engine)), config)


def installed_versions() -> dict[str, str]:
    """Versions of the packages that a result can depend on, those not installed left out."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
