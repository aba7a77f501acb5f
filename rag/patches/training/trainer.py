"""The trainer: many documents at once over one frozen model.

Each step reads one row of samples per document. A document's loss is the mean over its own tokens, and the losses are
summed: no gradient of one document reaches another's adapter, AdamW works element by element, so K documents together
end where K separate runs would, up to rounding.

Source: the algebra is ours; objective and schedule of the ``prag`` profile are Su et al. 2025 (Parametric RAG).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from rag.core.errors import ModelError, PatchError
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import Sample, Tensors
from rag.patches.profiles import Profile
from rag.patches.training.batched import (
    BatchedAdapters,
    Init,
    adapter_bytes,
    decoder_layers,
    initial_adapter,
    learnt_layers,
)
from rag.patches.training.grouping import group_documents
from rag.patches.training.loss import are_greedy, token_losses
from rag.patches.training.packing import IGNORED, Batch, Pack, pack, pad_packs
from rag.patches.training.probe import solved_samples, split_rows
from rag.patches.training.samples import tokenize_sample
from rag.patches.training.twin import frozen_twin, training_dtype
from rag.patches.training.upper import lower_skipped, lower_states

# A token whose loss is below this is more probable than all others together.
_LEARNT = math.log(2)


@dataclass(frozen=True)
class Trained:
    """One document's adapter, and which of its samples it answers, in their order; no probe gives none."""

    tensors: Tensors
    is_solved: tuple[bool, ...] = ()


class Trainer:
    """Trains adapters for a generator's model. Threads may share one; they train one after the other.

    Args:
        generator: the patches are for its model and its prompts.
        profile: how to train.
        max_tokens: tokens of one step, over all its documents; bounds the memory.
        initial: ``A`` of each layer, which all documents share; ``None`` draws it as the profile says.
        is_probed: ask each adapter for its samples after the training, which costs one forward pass over them.

    Raises:
        ModelError: the model lacks the profile's layers, or changes its logits after the head.
    """

    def __init__(
        self,
        generator: TransformersGenerator,
        profile: Profile,
        max_tokens: int | None = None,
        *,
        initial: Init | None = None,
        is_probed: bool = False,
    ) -> None:
        self._is_probed = is_probed
        self._generator = generator
        self._profile = profile
        self._model = frozen_twin(generator.model, training_dtype(generator.model, is_fast=profile.is_fast))
        self._window = generator.window
        self._max_tokens = max_tokens or _tokens_that_fit(self._model, profile)
        self._initial = initial or initial_adapter(self._model, profile)
        self._layers = decoder_layers(self._model)
        self._first = _first_learnt(self._layers, learnt_layers(self._model, profile))
        self._hooking = Lock()  # adapters in training are hooks on the one twin
        _check_head(self._model)

    def patch_bytes(self, dtype: torch.dtype | None = None) -> int:
        """Bytes of one document's adapter on disk, at most; in ``dtype``, or as it was trained."""
        return adapter_bytes(self._model, self._initial, dtype)

    def train(
        self, documents: Sequence[Sequence[Sample]], max_documents: int | None = None
    ) -> Iterator[tuple[int, Tensors | PatchError]]:
        """Adapters by document index, as groups of documents are done; or why a document has none.

        Args:
            documents: the samples of each, at least one.
            max_documents: most documents that train together.
        """
        for index, result in self.train_probed(documents, max_documents):
            yield index, result.tensors if isinstance(result, Trained) else result

    def train_probed(
        self, documents: Sequence[Sequence[Sample]], max_documents: int | None = None
    ) -> Iterator[tuple[int, Trained | PatchError]]:
        """As :meth:`train`, each adapter with what it answers afterwards if the trainer probes."""
        rows = [self._rows(samples) for samples in documents]
        too_long = [index for index, packs in enumerate(rows) if max(max(p.positions) for p in packs) >= self._window]
        for index in too_long:
            yield index, PatchError(f"one of its samples exceeds the model's window of {self._window} tokens")
        groups = group_documents(rows, self._max_tokens, max_documents, without=too_long)
        while groups:
            group = groups.pop(0)
            try:
                trained = self._train([rows[i] for i in group])
            except torch.OutOfMemoryError:
                if len(group) == 1:
                    raise
                middle = len(group) // 2
                groups[:0] = [group[:middle], group[middle:]]
                continue
            yield from zip(group, trained, strict=True)

    def _rows(self, samples: Sequence[Sample]) -> list[Pack]:
        tokens = [tokenize_sample(self._generator, sample, self._profile) for sample in samples]
        return pack(tokens, self._profile.pack_tokens)

    def _train(self, documents: Sequence[Sequence[Pack]]) -> list[Trained]:
        profile = self._profile
        with self._hooking, torch.inference_mode(False), torch.enable_grad():
            scale, is_a_frozen = profile.alpha / profile.rank, profile.is_a_frozen
            adapters = BatchedAdapters(self._model, self._initial, len(documents), scale, is_a_frozen=is_a_frozen)
            batches = [pad_packs(rows, self._model.device) for rows in zip(*documents, strict=True)]
            states = [self._lower(batch) if profile.epochs > 1 and self._first else None for batch in batches]
            try:
                self._run_epochs(adapters, batches, states)
                solved = self._probe(documents, batches, states) if self._is_probed else [[] for _ in documents]
            finally:
                adapters.remove()
        return [Trained(adapters.tensors(row), tuple(flags)) for row, flags in enumerate(solved)]

    def _run_epochs(self, adapters: BatchedAdapters, batches: Sequence[Batch], states: Sequence[Tensor | None]) -> None:
        """One AdamW step per batch and epoch; it ends before the last epoch where the profile says so."""
        profile = self._profile
        optimizer = torch.optim.AdamW(adapters.parameters, lr=profile.learning_rate, weight_decay=profile.weight_decay)
        num_steps = profile.epochs * len(batches)
        for epoch in range(profile.epochs):
            is_learnt = profile.is_until_learnt
            for step, (batch, below) in enumerate(zip(batches, states, strict=True), start=epoch * len(batches)):
                if profile.has_decay:
                    optimizer.param_groups[0]["lr"] = profile.learning_rate * (1 - step / num_steps)
                optimizer.zero_grad()
                losses = token_losses(*self._head(batch, below))
                _mean_by_row(losses, batch).sum().backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                is_learnt = is_learnt and bool((losses < _LEARNT).all())
            if is_learnt and self._are_learnt(batches, states):  # the last steps may have undone it
                break

    def _are_learnt(self, batches: Sequence[Batch], states: Sequence[Tensor | None]) -> bool:
        with torch.no_grad():
            steps = zip(batches, states, strict=True)
            return all(bool((token_losses(*self._head(batch, below)) < _LEARNT).all()) for batch, below in steps)

    def _probe(
        self, documents: Sequence[Sequence[Pack]], batches: Sequence[Batch], states: Sequence[Tensor | None]
    ) -> list[list[bool]]:
        """Which samples each document's adapter answers now."""
        with torch.no_grad():
            by_batch = [
                split_rows(batch, are_greedy(*self._head(batch, below)))
                for batch, below in zip(batches, states, strict=True)
            ]
        by_document = zip(*by_batch, strict=True)
        return [solved_samples(packs, flags) for packs, flags in zip(documents, by_document, strict=True)]

    def _head(self, batch: Batch, below: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """What :func:`token_losses` takes, for the learnt tokens of all rows."""
        skipped = nullcontext() if below is None else lower_skipped(self._layers, self._first, below)
        with skipped:
            hidden = self._model.base_model(**_inputs(batch)).last_hidden_state
        is_learnt = batch.labels != IGNORED
        head = self._model.get_output_embeddings()
        return hidden[is_learnt], head.weight, head.bias, batch.labels[is_learnt]

    def _lower(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            return lower_states(self._model.base_model, self._layers, self._first, _inputs(batch))


def _mean_by_row(losses: Tensor, batch: Batch) -> Tensor:
    """Mean loss of each document over its learnt tokens, ``[K]``."""
    counts = (batch.labels != IGNORED).sum(dim=1)
    rows = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    return losses.new_zeros(len(counts)).index_add(0, rows, losses) / counts


def _inputs(batch: Batch) -> dict[str, Any]:
    return {
        "input_ids": batch.ids,
        "attention_mask": batch.mask,
        "position_ids": batch.positions,
        "use_cache": False,
    }


def _first_learnt(layers: Any, learnt: dict[str, Any]) -> int:
    modules = set(learnt.values())
    return next(index for index, layer in enumerate(layers) if modules & set(layer.modules()))


def _tokens_that_fit(model: Any, profile: Profile) -> int:
    """Tokens whose activations, about 34 float32 vectors of the hidden size a layer, take half the free memory.

    A group that trains until all of it is learnt waits for its slowest document, so it is small on a CPU, which gains
    little from larger ones.
    """
    config = model.config.get_text_config()
    if model.device.type == "cuda":
        free_bytes, cap = torch.cuda.mem_get_info(model.device)[0] // 2, 65536
    else:
        free_bytes, cap = 2 * 2**30, 512 if profile.is_until_learnt else 2048
    return int(max(256, min(cap, free_bytes // (34 * 4 * config.hidden_size * config.num_hidden_layers))))


def _check_head(model: Any) -> None:
    """Refuse models that change their logits after the head; the trainer applies the head itself."""
    ids = torch.arange(4, device=model.device)[None]
    with torch.inference_mode():
        head = model.get_output_embeddings()
        logits = head(model.base_model(ids, use_cache=False).last_hidden_state)
        if not torch.allclose(logits, model(ids, use_cache=False).logits, atol=1e-3, rtol=1e-3):
            raise ModelError(
                f"model {model.config.model_type!r} changes its logits after the head; patches cannot be trained on it"
            )
