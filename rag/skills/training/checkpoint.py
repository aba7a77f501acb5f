"""Where a training run stands, on disk: a run that was killed goes on from there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rag.core.errors import StorageError


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on.

    Attributes:
        key: of the data, the model and the settings; another run's checkpoint is not taken.
        step: steps that are done.
        adapter: the numbers of the adapter.
        optimizer: the optimizer's state.
        best: the adapter with the lowest held-out loss so far.
        losses: held-out losses, in order, and the step of each.
    """

    key: str
    step: int
    adapter: dict[str, Tensor]
    optimizer: dict[str, Any]
    best: dict[str, Tensor]
    losses: tuple[tuple[int, float], ...]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it, whole or not at all.

    Raises:
        StorageError: the disk does not take it.
    """
    scratch = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            torch.save(vars(checkpoint), file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise StorageError(f"cannot write the training state to {path}: {error.strerror or error}") from error


def load_checkpoint(path: Path, key: str) -> Checkpoint | None:
    """The state of the same run; ``None`` where there is none, or that of another run, or a damaged file."""
    if not path.is_file():
        return None
    try:
        checkpoint = Checkpoint(**torch.load(path, weights_only=True))
    except Exception:  # torch raises whatever the damage made it stumble on
        return None
    return checkpoint if checkpoint.key == key else None
