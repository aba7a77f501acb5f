"""Who answers the trials of a run: a contract, and the engine behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from decoders.params import Memory, settings_of
from eval.config import RunConfig
from eval.types import Trial
from rag.types import Answer, ScoredPassage

if TYPE_CHECKING:
    from rag.engine import Engine

OnAnswer = Callable[[], None]

_PACKAGES = ("concord-rag", "torch", "transformers", "sentence-transformers", "faiss-cpu", "bm25s", "vllm")


class Answerer(Protocol):
    """Answers batches of trials. Greedy answers depend on the trial alone, so a resumed run repeats them."""

    def identity(self) -> Mapping[str, str]:
        """What, beside the run's settings, the answers depend on."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Versions of the packages at work."""
        ...

    def warm_up(self) -> None:
        """Load what is loaded on first use, so that no question's latency holds it."""
        ...

    def rank(self, questions: Sequence[str], depth: int) -> list[list[ScoredPassage]]:
        """The best ``depth`` passages for each question, best first."""
        ...

    def answer(self, trials: Sequence[Trial], on_answer: OnAnswer) -> list[Answer]:
        """One answer per trial, in their order, as one batch; ``on_answer`` is called as each is finished.

        Raises:
            QuestionError: a question that cannot be asked; the runner then asks them one by one.
        """
        ...


@dataclass(frozen=True)
class EngineAnswerer:
    """The engine, asked with the decoder of ``config``."""

    engine: Engine
    config: RunConfig

    def identity(self) -> Mapping[str, str]:
        """The settings that the engine was opened with, and where it retrieves, what its library holds."""
        values = self.engine.config.model_dump(mode="json", exclude={"cache_dir", "decoder", "top_k", "max_tokens"})
        identity = {f"engine.{key}": str(value) for key, value in values.items()}
        if self.config.arm == "retrieved":
            contents = sorted(self.engine.library.hashes(is_live=True).items())
            identity["library"] = hashlib.sha256(repr(contents).encode()).hexdigest()[:16]
        return identity

    def versions(self) -> Mapping[str, str]:
        """Versions of the installed packages that a result can depend on."""
        return installed_versions()

    def warm_up(self) -> None:
        """Load the generator."""
        _ = self.engine.generator

    def rank(self, questions: Sequence[str], depth: int) -> list[list[ScoredPassage]]:
        """The engine's retrieval."""
        return self.engine.retrieve(questions, top_k=depth)

    def answer(self, trials: Sequence[Trial], on_answer: OnAnswer) -> list[Answer]:
        """One batch: retrieved by the engine where no trial brings passages, else with those given."""
        questions = [trial.question for trial in trials]
        options = self._decoding() | {"on_answer": lambda index, answer: on_answer()}
        if all(trial.passages is None for trial in trials):
            return self.engine.ask_many(questions, top_k=self.config.top_k, **options)
        passages = [trial.passages or () for trial in trials]
        return self.engine.answer_with(questions, passages, **options)

    def _decoding(self) -> dict[str, Any]:
        params = Memory() if self.config.arm == "memory" else self.config.decoder_params()
        return {"decoder": params.name, "max_tokens": self.config.max_tokens, **settings_of(params)}


def installed_versions() -> dict[str, str]:
    """Versions of the packages that a result can depend on, those not installed left out."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
