"""The gradient writer: many documents at once over one frozen model.

Each step reads one row of samples per document. A document's loss is the mean over its own tokens, and the losses are
summed: no gradient of one document reaches another's adapter, AdamW works element by element, so K documents together
end where K separate runs would, up to rounding.

Source: the algebra is ours; objective and schedule of the ``prag`` profile are Su et al. 2025 (Parametric RAG).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from rag.core.errors import ModelError, PatchError
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import Profile, Sample, Tensors
from rag.patches.fingerprint import model_fingerprint
from rag.patches.training.batched import BatchedAdapters, decoder_layers, frozen_twin, initial_adapter, learnt_layers
from rag.patches.training.loss import token_losses
from rag.patches.training.packing import IGNORED, Batch, Pack, batch_of, pack
from rag.patches.training.samples import tokens_of
from rag.patches.training.upper import lower_skipped, lower_states


class GradientWriter:
    """Trains patches for a generator's model; contract of :class:`rag.patches.base.PatchWriter`.

    Args:
        generator: whose model and prompts the patches are for.
        profile: how to train.
        max_tokens: tokens of one step, over all its documents; bounds the memory.
    """

    def __init__(self, generator: TransformersGenerator, profile: Profile, max_tokens: int | None = None) -> None:
        self._generator = generator
        self._profile = profile
        self._model = frozen_twin(generator.model)
        self._window = generator.window
        self._max_tokens = max_tokens or _tokens_that_fit(self._model)
        self._initial = initial_adapter(self._model, profile)
        self._layers = decoder_layers(self._model)
        self._first = _first_learnt(self._layers, learnt_layers(self._model, profile))
        _check_head(self._model)

    @property
    def fingerprint(self) -> str:
        """Of the profile."""
        return self._profile.fingerprint()

    @property
    def base(self) -> str:
        """Fingerprint of the model."""
        return model_fingerprint(self._generator.model)

    def write(
        self, documents: Sequence[Sequence[Sample]], max_documents: int | None = None
    ) -> Iterator[tuple[int, Tensors | PatchError]]:
        """Adapters by document index, as groups of documents are done."""
        rows = [self._rows(samples) for samples in documents]
        too_long = [index for index, packs in enumerate(rows) if max(max(p.positions) for p in packs) >= self._window]
        for index in too_long:
            yield index, PatchError(f"a sample of it exceeds the model's window of {self._window} tokens")
        groups = grouped(rows, self._max_tokens, max_documents, without=too_long)
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
        tokens = [tokens_of(self._generator, sample, self._profile) for sample in samples]
        return pack(tokens, self._profile.pack_tokens)

    def _train(self, documents: Sequence[Sequence[Pack]]) -> list[Tensors]:
        profile = self._profile
        with torch.inference_mode(False), torch.enable_grad():
            adapters = BatchedAdapters(self._model, self._initial, len(documents), profile.alpha / profile.rank)
            optimizer = torch.optim.AdamW(
                adapters.parameters, lr=profile.learning_rate, weight_decay=profile.weight_decay
            )
            try:
                batches = [batch_of(rows, self._model.device) for rows in zip(*documents, strict=True)]
                states = [self._lower(batch) if profile.epochs > 1 and self._first else None for batch in batches]
                num_steps = profile.epochs * len(batches)
                for epoch in range(profile.epochs):
                    for at, (batch, below) in enumerate(zip(batches, states, strict=True)):
                        if profile.has_decay:
                            share = 1 - (epoch * len(batches) + at) / num_steps
                            optimizer.param_groups[0]["lr"] = profile.learning_rate * share
                        optimizer.zero_grad()
                        self._losses(batch, below).sum().backward()  # type: ignore[no-untyped-call]
                        optimizer.step()
            finally:
                adapters.remove()
        return [adapters.tensors(row) for row in range(len(documents))]

    def _losses(self, batch: Batch, below: Tensor | None) -> Tensor:
        """Mean loss of each document over its learnt tokens, ``[K]``."""
        skipped = nullcontext() if below is None else lower_skipped(self._layers, self._first, below)
        with skipped:
            hidden = self._model.base_model(**_inputs(batch)).last_hidden_state
        rows, columns = (batch.labels != IGNORED).nonzero(as_tuple=True)
        head = self._model.get_output_embeddings()
        losses = token_losses(hidden[rows, columns], head.weight, head.bias, batch.labels[rows, columns])
        sums = losses.new_zeros(len(batch.labels)).index_add(0, rows, losses)
        return sums / (batch.labels != IGNORED).sum(dim=1)

    def _lower(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            return lower_states(self._model.base_model, self._layers, self._first, _inputs(batch))


def _inputs(batch: Batch) -> dict[str, Any]:
    return {
        "input_ids": batch.ids,
        "attention_mask": batch.mask,
        "position_ids": batch.positions,
        "use_cache": False,
    }


def grouped(
    documents: Sequence[Sequence[Pack]],
    max_tokens: int,
    max_documents: int | None = None,
    without: Sequence[int] = (),
) -> list[list[int]]:
    """Documents that train together: as many rows each, alike lengths, ``max_tokens`` in a padded step at most."""

    def longest(index: int) -> int:
        return max(map(len, documents[index]))

    groups: list[list[int]] = []
    able = [index for index in range(len(documents)) if index not in without]
    for index in sorted(able, key=lambda i: (len(documents[i]), -longest(i), i)):
        if groups:
            head = groups[-1][0]
            is_alike = len(documents[head]) == len(documents[index]) and longest(index) * 4 >= longest(head) * 3
            is_full = max_documents is not None and len(groups[-1]) >= max_documents
            if is_alike and not is_full and (len(groups[-1]) + 1) * longest(head) <= max_tokens:
                groups[-1].append(index)
                continue
        groups.append([index])
    return groups


def _first_learnt(layers: Any, learnt: dict[str, Any]) -> int:
    modules = set(learnt.values())
    return next(at for at, layer in enumerate(layers) if modules & set(layer.modules()))


def _tokens_that_fit(model: Any) -> int:
    """Tokens whose activations, about 34 float32 vectors of the hidden size a layer, take half the free memory."""
    config = model.config.get_text_config()
    if model.device.type == "cuda":
        free_bytes, cap = torch.cuda.mem_get_info(model.device)[0] // 2, 65536
    else:
        free_bytes, cap = 2 * 2**30, 2048
    return int(max(256, min(cap, free_bytes // (34 * 4 * config.hidden_size * config.num_hidden_layers))))


def _check_head(model: Any) -> None:
    """Refuse models that change their logits after the head; the trainer applies the head itself."""
    ids = torch.arange(4, device=model.device)[None]
    with torch.inference_mode():
        head = model.get_output_embeddings()
        own = head(model.base_model(ids, use_cache=False).last_hidden_state)
        if not torch.allclose(own, model(ids, use_cache=False).logits, atol=1e-3, rtol=1e-3):
            raise ModelError(f"model {model.config.model_type!r} changes its logits after the head; no patch trains it")
