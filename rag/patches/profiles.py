"""Profiles: how documents become patches, under a name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

from rag.core.errors import SettingError

_LATER = frozenset(
    ("is_a_frozen", "quiet_share", "silence_every", "is_fast", "num_wordings", "is_half", "is_until_learnt")
)


@dataclass(frozen=True)
class Profile:
    """How documents become patches. Every field is part of a patch's identity.

    Attributes:
        writer: who writes the samples: ``rules`` (deterministic) or ``model`` (the engine's own generator).
        style: ``prag`` trains on prompts with passages as published; ``direct`` on the engine's own prompt
            without passages, which is what is asked later; ``recite`` on the sentences by number.
        rank, alpha: of the adapter; its change is ``alpha / rank * B A``.
        layers: share of the model's layers that learn, counted from the top: 1.0 all of them.
        targets: names of the linear layers that learn.
        learning_rate, weight_decay, epochs: of AdamW; one step per pack of samples and epoch.
        has_decay: the learning rate falls to 0 in equal steps; else it stays.
        is_answer_only: the loss counts the answer's tokens alone, and the end of the turn; else every token.
        pack_tokens: samples of one document are packed into rows of up to this many tokens; 0 packs none.
        max_questions: most questions that ``rules`` writes about one answer.
        seed: of the initial adapter, which all documents share.
        is_a_frozen: ``A`` stays as it began, the same for all documents; only ``B`` learns.
        quiet_share: part of the directions of unrelated prompts, largest first, that ``A`` does not read.
        silence_every: an unrelated question, with the base model's own answer, after each so many samples; 0 none.
        is_fast: the frozen model runs in bfloat16 where the processor multiplies it natively.
        num_wordings: wordings of a question about each phrase; 0 asks only for names and numbers.
        is_half: patches are stored in float16.
        is_until_learnt: the training ends when every learnt token is more probable than all others together.
    """

    name: str
    writer: Literal["rules", "model"]
    style: Literal["prag", "direct", "recite"]
    rank: int
    alpha: float
    layers: float
    targets: tuple[str, ...]
    learning_rate: float
    weight_decay: float
    epochs: int
    has_decay: bool
    is_answer_only: bool
    pack_tokens: int
    max_questions: int
    seed: int = 0
    is_a_frozen: bool = False
    quiet_share: float = 0.0
    silence_every: int = 0
    is_fast: bool = False
    num_wordings: int = 0
    is_half: bool = False
    is_until_learnt: bool = False

    def fingerprint(self) -> str:
        """Twelve hex digits that differ when a field differs.

        Fields that came later count only where they are set: patches of an older version keep their profile.
        """
        fields = {name: value for name, value in asdict(self).items() if name not in _LATER or value}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]


_MLP = ("gate_proj", "up_proj", "down_proj")
# The published procedure: Su et al. 2025, Parametric RAG, section 3.2, with the hyper-parameters of its release.
PRAG = Profile("prag", "model", "prag", 2, 32.0, 1.0, _MLP, 3e-4, 0.01, 1, False, False, 0, 0)
# Ours; how each lever was chosen is in docs/LOG.md.
FAST = Profile("fast", "rules", "direct", 8, 64.0, 0.4, _MLP, 4.5e-3, 0.0, 4, True, True, 115, 3, is_half=True)
# Every sentence is asked about, and what belongs to no document is left as the base model answers it.
QUIET = replace(
    FAST,
    name="quiet",
    rank=16,
    alpha=256.0,
    pack_tokens=230,
    max_questions=1,
    is_a_frozen=True,
    quiet_share=0.5,
    silence_every=6,
    num_wordings=2,
)
# The sentence that answers is recited by the patch, then read like a passage: by the same reader, for the same verdict.
RECITE = replace(
    FAST,
    name="recite",
    style="recite",
    pack_tokens=230,
    epochs=24,
    max_questions=0,
    is_fast=True,
    is_until_learnt=True,
)
PROFILES = {profile.name: profile for profile in (PRAG, FAST, QUIET, RECITE)}


def load_profile(name: str) -> Profile:
    """The profile of this name.

    Raises:
        SettingError: there is none.
    """
    if name not in PROFILES:
        raise SettingError(f"unknown patch profile {name!r}; known are {', '.join(PROFILES)}")
    return PROFILES[name]
