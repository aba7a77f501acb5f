"""The final text: the model's draft where it says what the policy chose, else what was chosen itself.

The draft is the answer that the model wrote with all passages at hand. It is verified against the positions, and
repaired once: where it states none of them, the leading one takes its place. Only a question that asks for a fact is
repaired; a summary, a reason or a poem has no single position.

Source: verification with one repair after KALMV (Baek et al. 2023); the rules are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.conflicts.answers.same import normalize
from rag.conflicts.verdict.compose import compose
from rag.conflicts.verdict.policy import Choice, choose
from rag.core.verdict import OnSilence, Policy, Position, Verdict

# A longer draft explains; no position replaces it, unless it was cut off. Words.
MAX_FACT_WORDS = 40
# Below this confidence of the one position, a draft whose words stand in the same passages is left alone.
REPAIR_FROM = 0.5
_I = re.IGNORECASE
_FACT = re.compile(
    r"\b(?:who|whom|whose|what|which|when|where|how\s+(?!to\b|do\b|does\b|did\b|can\b|should\b)\w+)\b", re.I
)
_POLAR = re.compile(r"^\W*(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had)\b", _I)
_LONG = re.compile(
    r"\b(?:why|explain|describe|summari[sz]e|summary|compare|discuss|write|translate|tell me about|what happened)\b",
    re.I,
)


@dataclass(frozen=True)
class Followed:
    """What a person gets.

    Attributes:
        text: the final answer.
        verdict: with the flags ``repaired`` (the draft stated no position) or ``unsupported`` (it stated none, and
            there was none to put in its place).
    """

    text: str
    verdict: Verdict


def follow(
    verdict: Verdict,
    draft: str,
    question: str,
    passages: Mapping[str, str],
    policy: Policy = "documents",
    on_silence: OnSilence = "say",
    *,
    is_cut: bool = False,
) -> Followed:
    """The final text of an answer.

    Args:
        verdict: what the sources say.
        draft: the model's answer from all passages.
        question: what was asked.
        passages: by passage_id, the texts that the draft was made from.
        policy: what the answer follows.
        on_silence: what is said where the documents are silent.
        is_cut: the draft was cut off at its longest length.
    """
    choice = choose(verdict, policy)
    is_long = len(draft.split()) > MAX_FACT_WORDS and not is_cut
    if not asks_for_fact(question) or is_long:
        return Followed(draft, verdict)
    if verdict.kind == "none":
        return Followed(compose(verdict, choice, draft, on_silence), verdict)
    if choice.memory is not None or not choice.positions:
        return Followed(compose(verdict, choice, draft, on_silence), verdict)
    if _is_stated(draft, choice, verdict.positions):
        return Followed(compose(verdict, choice, draft, on_silence), verdict)
    if policy == "documents" and _is_doubtful(verdict.positions):
        texts = [passages[reading.passage_id] for reading in verdict.positions[0].readings]
        if is_supported(draft, question, texts):
            return Followed(draft, verdict)
    return Followed(compose(verdict, choice, "", on_silence), _flagged(verdict, "repaired"))


def asks_for_fact(question: str) -> bool:
    """Whether a short answer is wanted: a name, a date, a number, yes or no."""
    if _LONG.search(question):
        return False
    return bool(_FACT.search(question) or _POLAR.match(question))


def is_supported(draft: str, question: str, passages: Iterable[str]) -> bool:
    """Whether one passage holds every word by which the draft goes beyond the question."""
    new = set(normalize(draft).split()) - set(normalize(question).split())
    return bool(new) and any(new <= set(normalize(passage).split()) for passage in passages)


def _is_doubtful(positions: Sequence[Position]) -> bool:
    return len(positions) == 1 and positions[0].confidence < REPAIR_FROM


def _is_stated(draft: str, choice: Choice, positions: Sequence[Position]) -> bool:
    """The draft states a chosen position and none of the others."""
    chosen = set(map(id, choice.positions))
    stated = [id(position) in chosen for position in positions if _states(draft, position)]
    return any(stated) and all(stated)


def _states(draft: str, position: Position) -> bool:
    said = f" {normalize(draft)} "
    wordings = {normalize(reading.answer) for reading in position.readings} | {normalize(position.answer)}
    return any(f" {wording} " in said for wording in wordings if wording)


def _flagged(verdict: Verdict, flag: str) -> Verdict:
    return replace(verdict, flags=(*verdict.flags, flag))
