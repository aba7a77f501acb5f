"""How a skill is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

ALL_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Preferring:
    """The numbers of a preference stage, beside those of its :class:`Training`.

    Attributes:
        beta: how firmly the skill is held to what it was; the smaller, the further it may go.
        reply_weight: weight of the cross entropy of the right replies.
        share_right: share of the examples that the skill gets right which are learnt too, so that it stays so.
    """

    beta: float = 0.1
    reply_weight: float = 0.2
    share_right: float = 0.3


@dataclass(frozen=True)
class Training:
    """The numbers of one training run.

    Attributes:
        rank, alpha: of the adapter; what it adds is multiplied by alpha / rank.
        modules: last names of the linear layers that learn.
        learning_rate: at its highest, after the warm-up; it then falls to 0 in a line.
        warmup: share of the steps in which it rises.
        step_tokens: tokens of one step, filling included; bounds the memory.
        max_norm: gradients are scaled down to it.
        num_checks: how often the held-out loss is measured.
        patience: checks without a better held-out loss after which training stops.
        seed: of the first adapter and of the order.
    """

    rank: int = 16
    alpha: float = 32.0
    modules: tuple[str, ...] = ALL_PROJECTIONS
    learning_rate: float = 8e-4
    warmup: float = 0.04
    step_tokens: int = 2048
    max_norm: float = 1.0
    num_checks: int = 12
    patience: int = 5
    seed: int = 0

    def for_preferences(self) -> Training:
        """The same for a preference stage: shorter steps, which do not undo what was learnt, and fewer checks."""
        return replace(self, learning_rate=2e-4, num_checks=6, patience=3)
