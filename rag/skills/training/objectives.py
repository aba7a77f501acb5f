"""What a skill in training makes small: the cross entropy of replies, or of the wrong one of two replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from rag.patches.training.loss import token_losses
from rag.patches.training.packing import IGNORED, Tokens, pack, pad_packs
from rag.skills.training.batches import pad

Item = TypeVar("Item")
_Item = TypeVar("_Item", contravariant=True)
_ONE_ROW = 2**31


@dataclass(frozen=True)
class TokenPair:
    """A right and a wrong reply to one prompt.

    Attributes:
        chosen, rejected: the prompt, then the right and the wrong reply.
        reference: log probability of the right reply less that of the wrong one, by the adapter of the start, in nats.
    """

    chosen: Tokens
    rejected: Tokens
    reference: float = 0.0


class Objective(Protocol[_Item]):
    """Losses of a batch of items; their mean is made small."""

    def count_tokens(self, item: _Item) -> int:
        """Tokens that an item takes in a step."""

    def losses(self, model: Any, items: Sequence[_Item]) -> Tensor:
        """``[N]``, with gradients; N is the number of tokens or of items, whichever counts the same in the mean."""


class ReplyObjective:
    """Cross entropy of the replies, token by token."""

    def count_tokens(self, item: Tokens) -> int:
        """Of prompt and reply."""
        return len(item.ids)

    def losses(self, model: Any, items: Sequence[Tokens]) -> Tensor:
        """One loss for each learnt token."""
        batch = pad(items, model.device)
        return _reply_losses(model, {"input_ids": batch.ids}, batch.labels)


class PreferenceObjective:
    """The right reply becomes more probable than the wrong one, compared with the adapter of the start.

    Args:
        beta: how firmly the adapter is held to the start; the smaller, the further it may go.
        reply_weight: weight of the right reply's own cross entropy, for each token. Without it both replies may become
            improbable, the wrong one faster.

    Source: Rafailov et al. 2023 (DPO), eq. 7; Pang et al. 2024 (iterative reasoning preference optimization) for the
    second term.
    """

    def __init__(self, beta: float, reply_weight: float) -> None:
        self._beta, self._reply_weight = beta, reply_weight

    def count_tokens(self, item: TokenPair) -> int:
        """Of the prompt, which both replies share, and both replies."""
        return len(item.chosen.ids) + item.rejected.num_learnt

    def losses(self, model: Any, items: Sequence[TokenPair]) -> Tensor:
        """One loss for each pair."""
        scores = score_pairs(model, items)
        reference = scores.new_tensor([item.reference for item in items])
        num_chosen = scores.new_tensor([item.chosen.num_learnt for item in items])
        preferred = preference_losses(scores[:, 0] - scores[:, 1], reference, self._beta)
        return preferred - self._reply_weight * scores[:, 0] / num_chosen


def preference_losses(margins: Tensor, reference: Tensor, beta: float) -> Tensor:
    """``-log sigmoid(beta (margin - reference))`` of each pair, ``[N]``.

    Args:
        margins: log probability of the right reply less that of the wrong one, ``[N]``, in nats.
        reference: the same by the model of the start, ``[N]``.
        beta: as in :class:`PreferenceObjective`.

    Source: Rafailov et al. 2023, eq. 7.
    """
    return softplus(-beta * (margins - reference))


def score_pairs(model: Any, items: Sequence[TokenPair]) -> Tensor:
    """Log probabilities of the right and the wrong reply, ``[N, 2]``, in nats; the prompt is read once for both."""
    rows = [pack((item.chosen, item.rejected), _ONE_ROW)[0] for item in items]
    batch = pad_packs(rows, model.device)
    inputs = {"input_ids": batch.ids, "position_ids": batch.positions, "attention_mask": batch.mask}
    losses = _reply_losses(model, inputs, batch.labels)
    # Row by row, the right reply's tokens before those of the wrong one.
    counts = [reply.num_learnt for item in items for reply in (item.chosen, item.rejected)]
    return -torch.stack([piece.sum() for piece in torch.split(losses, counts)]).view(-1, 2)


def _reply_losses(model: Any, inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Cross entropy of the tokens that have a label, row by row."""
    hidden = model.base_model(**inputs, use_cache=False).last_hidden_state
    is_learnt = labels != IGNORED
    head = model.get_output_embeddings()
    return token_losses(hidden[is_learnt], head.weight, head.bias, labels[is_learnt])
