"""Label probabilities: a classification read off the next-token logits instead of generated text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rag.core.errors import SettingError


def first_tokens(labels: Sequence[str], encode: Callable[[str], Sequence[int]]) -> list[list[int]]:
    """The tokens that each label can begin with: at the start of a reply, and after a space.

    Args:
        labels: at least two.
        encode: token ids of a text, special tokens left out.

    Raises:
        SettingError: fewer than two labels, a label without a token, or two that begin with the same one.
    """
    ids = [list(dict.fromkeys(form[0] for form in map(encode, (label, f" {label}")) if form)) for label in labels]
    flat = [token for tokens in ids for token in tokens]
    if len(labels) < 2 or not all(ids) or len(set(flat)) < len(flat):
        raise SettingError(f"labels {list(labels)}: expected two or more that begin with different tokens")
    return ids


def label_probabilities(logits: Tensor, tokens: Sequence[Sequence[int]]) -> Tensor:
    """``[N, L]`` probabilities of L labels, scaled to sum to 1 over them.

    Args:
        logits: ``[N, V]``, of the token after each prompt.
        tokens: those that count for each label; a label has the sum of their probabilities.
    """
    columns = [logits[:, list(ids)].double().logsumexp(dim=-1) for ids in tokens]
    return torch.stack(columns, dim=-1).softmax(dim=-1)
