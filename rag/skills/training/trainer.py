"""The trainer of skills: one adapter over a frozen model, many examples or pairs, losses on the replies alone.

Source: LoRA after Hu et al. 2021; the examples' design is in :mod:`rag.skills.data.examples`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

import torch

from rag.core.errors import ModelError
from rag.patches.base import Tensors
from rag.patches.training.twin import frozen_twin
from rag.skills.training.adapter import SkillAdapter
from rag.skills.training.batches import plan_batches
from rag.skills.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from rag.skills.training.objectives import Item, Objective, TokenPair, score_pairs
from rag.skills.training.settings import Training

_SAVE_EVERY_S = 120.0


@dataclass(frozen=True)
class Trained:
    """What a run ended with.

    Attributes:
        tensors: the adapter with the lowest held-out loss.
        losses: held-out loss before the first step, and after each check.
        num_steps: steps that were done.
        num_tokens: tokens that were read, filling left out.
        seconds: of this process; a run that went on after a kill counts from there.
        is_early: it stopped before its last step, since the held-out loss no longer fell.
    """

    tensors: Tensors
    losses: tuple[tuple[int, float], ...]
    num_steps: int
    num_tokens: int
    seconds: float
    is_early: bool


class SkillTrainer:
    """Trains one adapter for a model.

    Args:
        model: a causal language model; its weights are read and never changed.
        training: the numbers.
        start: an adapter to go on from, all scales multiplied in; without one it begins anew.
    """

    def __init__(self, model: Any, training: Training, start: Tensors | None = None) -> None:
        self._model = frozen_twin(model)
        self._training = training
        self._start = start

    def train(
        self,
        examples: Sequence[Item],
        held_out: Sequence[Item],
        objective: Objective[Item],
        *,
        state: Path | None = None,
        key: str = "",
        show: Callable[[int, int, float], None] = lambda step, total, loss: None,
    ) -> Trained:
        """One pass over the examples.

        Args:
            examples: to learn.
            held_out: the loss on these decides which state is kept, and when to stop.
            objective: what is made small.
            state: file of the checkpoint; a run with the same ``key`` goes on from it.
            show: is told the step, the number of steps and the step's loss.

        Raises:
            ModelError: the loss is no number, or the first half of the run did not bring it down.
            StorageError: the checkpoint cannot be written.
        """
        with self._adapted() as adapter, torch.enable_grad():
            run = _Run(self._model, self._training, adapter, objective, examples, held_out)
            return run.train(state, key, show)

    def refer(
        self, pairs: Sequence[TokenPair], show: Callable[[int, int], None] = lambda step, total: None
    ) -> list[TokenPair]:
        """The pairs with the margin that the adapter of the start gives each.

        Args:
            show: is told how many pairs are done, and their number.
        """
        references: dict[int, float] = {}
        with self._adapted(), torch.no_grad():
            lengths = [len(pair.chosen.ids) + pair.rejected.num_learnt for pair in pairs]
            for batch in plan_batches(lengths, self._training.step_tokens, self._training.seed):
                scores = score_pairs(self._model, [pairs[index] for index in batch])
                references |= zip(batch, (scores[:, 0] - scores[:, 1]).tolist(), strict=True)
                show(len(references), len(pairs))
        return [replace(pair, reference=references[index]) for index, pair in enumerate(pairs)]

    @contextmanager
    def _adapted(self) -> Iterator[SkillAdapter]:
        """The adapter of the start, hooked into the model."""
        with torch.inference_mode(False):
            adapter = SkillAdapter(self._model, self._training, self._start)
            try:
                yield adapter
            finally:
                adapter.remove()


class _Run(Generic[Item]):
    def __init__(
        self,
        model: Any,
        training: Training,
        adapter: SkillAdapter,
        objective: Objective[Item],
        examples: Sequence[Item],
        held_out: Sequence[Item],
    ) -> None:
        self._model, self._training, self._adapter, self._objective = model, training, adapter, objective
        self._examples, self._plan = examples, self._cut(examples)
        self._checks = [[held_out[index] for index in batch] for batch in self._cut(held_out)]
        self._optimizer = torch.optim.AdamW(adapter.parameters, lr=0.0, weight_decay=0.0)

    def _cut(self, items: Sequence[Item]) -> list[list[int]]:
        lengths = [self._objective.count_tokens(item) for item in items]
        return plan_batches(lengths, self._training.step_tokens, self._training.seed)

    def train(self, state: Path | None, key: str, show: Callable[[int, int, float], None]) -> Trained:
        start, saved = time.monotonic(), load_checkpoint(state, key) if state else None
        first, best, losses = self._resume(saved) if saved else (0, self._adapter.state(), [(0, self._held_out_loss())])
        total, every, last_save, step = len(self._plan), self._check_interval(), time.monotonic(), first
        num_tokens, is_early = 0, False
        for step in range(first, total):
            batch = [self._examples[index] for index in self._plan[step]]
            loss = self._step(batch, step)
            num_tokens += sum(map(self._objective.count_tokens, batch))
            show(step + 1, total, loss)
            if (step + 1) % every == 0 or step + 1 == total:
                losses.append((step + 1, self._held_out_loss()))
                self._refuse_stuck(losses, step + 1, total)
                if losses[-1][1] <= min(value for _, value in losses):
                    best = self._adapter.state()
                is_early = step + 1 < total and self._has_stopped_falling(losses)
            if state and (is_early or time.monotonic() - last_save > _SAVE_EVERY_S):
                save_checkpoint(state, self._checkpoint(key, step + 1, best, losses))
                last_save = time.monotonic()
            if is_early:
                break
        self._adapter.load(best)
        seconds = time.monotonic() - start
        return Trained(self._adapter.tensors(), tuple(losses), step + 1, num_tokens, seconds, is_early)

    def _step(self, batch: Sequence[Item], step: int) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self._training.learning_rate * _slope(step, len(self._plan), self._training.warmup)
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._objective.losses(self._model, batch).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._adapter.parameters, self._training.max_norm)
        value = loss.item()
        if not math.isfinite(value):
            raise ModelError(f"the loss is no number at step {step + 1}; lower the learning rate")
        self._optimizer.step()
        return value

    def _held_out_loss(self) -> float:
        with torch.no_grad():
            return float(torch.cat([self._objective.losses(self._model, batch) for batch in self._checks]).mean())

    def _check_interval(self) -> int:
        return max(1, len(self._plan) // self._training.num_checks)

    def _has_stopped_falling(self, losses: Sequence[tuple[int, float]]) -> bool:
        values = [value for _, value in losses]
        return len(values) - 1 - values.index(min(values)) >= self._training.patience

    def _refuse_stuck(self, losses: Sequence[tuple[int, float]], step: int, total: int) -> None:
        if step >= total / 2 and min(value for _, value in losses) >= losses[0][1]:
            raise ModelError(
                f"the held-out loss has not fallen in {step} steps ({losses[0][1]:.3f}, now {losses[-1][1]:.3f}); "
                "give more data, or lower the learning rate"
            )

    def _checkpoint(self, key: str, step: int, best: dict[str, Any], losses: list[tuple[int, float]]) -> Checkpoint:
        return Checkpoint(key, step, self._adapter.state(), self._optimizer.state_dict(), best, tuple(losses))

    def _resume(self, saved: Checkpoint) -> tuple[int, dict[str, Any], list[tuple[int, float]]]:
        self._adapter.load(saved.adapter)
        self._optimizer.load_state_dict(saved.optimizer)
        return saved.step, saved.best, [(step, loss) for step, loss in saved.losses]


def _slope(step: int, total: int, warmup: float) -> float:
    """The share of the learning rate: up in a line, then down in a line to 0."""
    rising = max(1, round(warmup * total))
    return (step + 1) / rising if step < rising else (total - step) / max(1, total - rising)
