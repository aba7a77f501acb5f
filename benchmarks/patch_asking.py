"""Questions with chosen patches, as the profile uses them: an adapter on the answer, or recitals that are read.

Patches that recite go through the whole pipeline, with the reader and the verdict as they ship; only the search is left
out. Where nothing that was recited answers, the model's own answer stands (``on_silence`` memory), as without a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.patching import MAX_TOKENS, answers
from rag import Engine
from rag.core.answer import PatchUse
from rag.core.passages import Passage, ScoredPassage
from rag.generation.base import Adapter
from rag.patches.profiles import load_profile
from rag.pipeline.run import collect, run_stages
from rag.pipeline.state import State, given_state
from rag.pipeline.timings import Timings


@dataclass(frozen=True)
class Asker:
    """Asks an engine with patches chosen by hand."""

    engine: Engine

    @property
    def is_reciting(self) -> bool:
        """Whether the patches of the engine's profile recite."""
        return load_profile(self.engine.config.patch_profile).style == "recite"

    def ask(
        self,
        questions: Sequence[str],
        uses: Sequence[PatchUse | None],
        texts: Sequence[tuple[str, str]] | None = None,
    ) -> list[str]:
        """Greedy answers, each with its patch or with none; without passages, or each under a title and its text."""
        if not self.is_reciting:
            adapters = [self._alone(use) for use in uses]
            return answers(self.engine.patches.trainable, questions, adapters, texts)
        states = [
            self._state(question, use, texts[row] if texts else None)
            for row, (question, use) in enumerate(zip(questions, uses, strict=True))
        ]
        timings = Timings()
        searched = run_stages(self.engine.pipeline.search, states, timings)
        replies = collect(self.engine.pipeline.answer(searched, timings), len(states))
        return [reply.text for reply in replies]

    def _state(self, question: str, use: PatchUse | None, text: tuple[str, str] | None) -> State:
        mode = "off" if use is None else "auto" if text else "only"
        query = self.engine.query(question, patches=mode, decoder="plain", max_tokens=MAX_TOKENS, on_silence="memory")
        ranking = [ScoredPassage(Passage("text:0", "text", "text", *text), 1.0)] if text else []
        return given_state(query, ranking, self.engine.patches.use([use]) if use else None)

    def _alone(self, use: PatchUse | None) -> Adapter | None:
        return self.engine.patches.adapter([use]) if use else None
