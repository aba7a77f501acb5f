"""The nouns of the patches, and the contract of whatever turns documents into them.

A patch writer maps a document's samples to adapter tensors. The gradient trainer is one; a network that predicts the
tensors from the text can be another: store, composition and serving do not change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from rag.core.answer import PatchUse
from rag.core.errors import PatchError, SettingError
from rag.core.passages import ScoredPassage
from rag.core.query import Query
from rag.generation.base import Adapter

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "tuple[Tensor, Tensor]"]


@dataclass(frozen=True)
class PatchDocument:
    """A document to be made into a patch.

    Attributes:
        doc_id: its name in the library.
        title: its title, or its file name.
        text: all of it.
        content_hash: changes when its text does.
        passages: the text in the library's pieces.
    """

    doc_id: str
    title: str
    text: str
    content_hash: str
    passages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One thing to learn: the answer to a question, with or without a passage in the prompt."""

    question: str
    answer: str
    passage: str = ""


@dataclass(frozen=True)
class PatchInfo:
    """What a patch is: one line of ``concord patch ls``.

    Attributes:
        key: its name in the store.
        doc_id, title: of the document.
        content_hash: of the document's text.
        base: fingerprint of the model that it is for; ``base_name``: as the user named that model.
        profile, writer: the profile's name, and the fingerprint of all its settings.
        num_samples: questions it learnt.
        rank, size_bytes: of the tensors.
        sha256: of the weights' file.
    """

    key: str
    doc_id: str
    title: str
    content_hash: str
    base: str
    base_name: str
    profile: str
    writer: str
    num_samples: int
    rank: int = 0
    size_bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class FailedPatch:
    """A document without a patch, or an item of it that could not be written, and why."""

    doc_id: str
    reason: str


@dataclass(frozen=True)
class BuildReport:
    """What a build did, by doc_id.

    Attributes:
        built, skipped: documents whose patch is new, and whose patch was there.
        failed: documents that have none now.
        incomplete: single questions and rewrites that the model did not manage; their document has a patch.
    """

    built: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    failed: tuple[FailedPatch, ...] = ()
    incomplete: tuple[FailedPatch, ...] = ()


@dataclass(frozen=True)
class Profile:
    """How documents become patches. Every field is part of a patch's identity.

    Attributes:
        writer: who writes the samples: ``rules`` (deterministic) or ``model`` (the engine's own generator).
        style: ``prag`` trains on prompts with passages as published; ``direct`` on the engine's own prompt
            without passages, which is what is asked later.
        rank, alpha: of the adapter; its change is ``alpha / rank * B A``.
        layers: share of the model's layers that learn, counted from the top: 1.0 all of them.
        targets: names of the linear layers that learn.
        learning_rate, weight_decay, epochs: of AdamW; one step per pack of samples and epoch.
        has_decay: the learning rate falls to 0 in equal steps; else it stays.
        is_answer_only: the loss counts the answer's tokens alone, and the end of the turn; else every token.
        pack_tokens: samples of one document are packed into rows of up to this many tokens; 0 packs none.
        max_questions: most questions that ``rules`` writes about one answer.
        seed: of the initial adapter, which all documents share.
    """

    name: str
    writer: Literal["rules", "model"]
    style: Literal["prag", "direct"]
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

    def fingerprint(self) -> str:
        """Twelve hex digits that differ when a field differs."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


_MLP = ("gate_proj", "up_proj", "down_proj")
# The published procedure: Su et al. 2025, Parametric RAG, section 3.2, with the hyper-parameters of its release.
PRAG = Profile("prag", "model", "prag", 2, 32.0, 1.0, _MLP, 3e-4, 0.01, 1, False, False, 0, 0)
# Ours; how each lever was chosen is in docs/LOG.md.
FAST = Profile("fast", "rules", "direct", 8, 64.0, 0.4, _MLP, 4.5e-3, 0.0, 4, True, True, 115, 3)
PROFILES = {profile.name: profile for profile in (PRAG, FAST)}


def profile_named(name: str) -> Profile:
    """The profile of this name.

    Raises:
        SettingError: there is none.
    """
    if name not in PROFILES:
        raise SettingError(f"unknown patch profile {name!r}; known are {', '.join(PROFILES)}")
    return PROFILES[name]


def keys_named(infos: Sequence[PatchInfo], name: str) -> list[str]:
    """The patches that ``name`` means: a document's, or the one whose key it begins; none if it fits nothing.

    Raises:
        PatchError: it begins several.
    """
    of_document = [info.key for info in infos if info.doc_id == name]
    found = of_document or [info.key for info in infos if name and info.key.startswith(name)]
    if len(found) > 1 and not of_document:
        raise PatchError(f"{name!r} begins {len(found)} patches; give more of it")
    return found


class PatchWriter(Protocol):
    """Turns samples into adapter tensors, many documents at a time."""

    @property
    def fingerprint(self) -> str:
        """Of the writer and its settings; part of a patch's identity."""
        ...

    @property
    def base(self) -> str:
        """Fingerprint of the base model that the patches are for."""
        ...

    def write(
        self, documents: Sequence[Sequence[Sample]], max_documents: int | None = None
    ) -> Iterator[tuple[int, Tensors | PatchError]]:
        """By its index, the tensors of each document as they come, all scales multiplied in; or why it has none.

        Args:
            documents: the samples of each, at least one.
            max_documents: most documents at one time; ``None`` leaves it to the writer.
        """
        ...


@dataclass(frozen=True)
class Patching:
    """The patches of one query, and the adapter that they make together."""

    adapter: Adapter | None = None
    uses: tuple[PatchUse, ...] = ()


class Patcher(Protocol):
    """Chooses and composes the patches of a query from its ranking (:class:`rag.patches.patchset.PatchSet`)."""

    def patch(self, query: Query, ranking: Sequence[ScoredPassage]) -> Patching:
        """The patching of one query whose mode is not ``off``."""
        ...
