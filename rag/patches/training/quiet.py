"""A start that reads nothing of what every prompt has: ``A`` outside the directions that unrelated prompts take.

``y = W x + B A x``. An unrelated prompt's ``x`` lies near the principal directions of the unrelated set. An ``A`` that
is orthogonal to these gives ``A x`` near 0 there, whatever ``B`` learns: the patch is silent by construction. ``A`` is
frozen, and all patches of a base model share it.

Source: the null-space constraint of model editing (Fang et al. 2024, AlphaEdit), here on the reading side of LoRA.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from rag.core.process.files import write_atomically
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import Sample
from rag.patches.profiles import Profile
from rag.patches.training.batched import Init, initial_adapter
from rag.patches.training.packing import Tokens
from rag.patches.training.samples import tokenize_sample
from rag.patches.training.twin import frozen_twin, training_dtype


def quiet_start(
    generator: TransformersGenerator, profile: Profile, unrelated: Sequence[Sample], file: Path | None
) -> Init:
    """The frozen ``A`` of a profile for a generator's model, from the file of an earlier process where it is there.

    Args:
        generator: the patches are for its model and its prompts.
        profile: its rank, layers and share of directions.
        unrelated: what patches must leave alone, with the base's own answers.
        file: where ``A`` is stored between processes; ``None`` stores none.
    """
    if file and file.is_file():
        try:
            return load(file.read_bytes())
        except SafetensorError:
            pass  # half-written by another version: it is only a cache
    model = frozen_twin(generator.model, training_dtype(generator.model, is_fast=profile.is_fast))
    tokens = [tokenize_sample(generator, sample, profile) for sample in unrelated]
    start = quiet_adapter(model, initial_adapter(model, profile), tokens, profile.quiet_share)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, save({name: a.contiguous() for name, a in start.items()}))
    return start


def quiet_adapter(model: Any, initial: Init, unrelated: Sequence[Tokens], share: float) -> Init:
    """The initial ``A`` of each layer without the directions of the unrelated samples; each row keeps its length.

    Args:
        model: the base model, without adapters.
        initial: ``A [r, in]`` by layer.
        unrelated: samples that a patch must leave alone.
        share: part of the directions that are taken out, largest first, 0 to below 1.
    """
    with torch.no_grad(), _inputs_recorded(model, list(initial)) as recorded:
        for sample in unrelated:
            model.base_model(torch.tensor([sample.ids], device=model.device), use_cache=False)
    return {name: _without(a, torch.cat(recorded[name]), share) for name, a in initial.items()}


def principal_directions(x: Tensor, count: int) -> Tensor:
    """The ``count`` largest principal directions of the rows of ``x [N, d]``, orthonormal, ``[d, count]``."""
    is_tall = x.shape[0] >= x.shape[1]
    vectors: Tensor = torch.linalg.eigh(x.mT @ x if is_tall else x @ x.mT)[1][:, -count:]
    if not is_tall:
        vectors = torch.linalg.qr(x.mT @ vectors)[0]
    return vectors


def _without(a: Tensor, x: Tensor, share: float) -> Tensor:
    count = int(share * min(x.shape))
    if not count:
        return a
    taken = principal_directions(x, count).to(a.device, a.dtype)
    rest: Tensor = a - (a @ taken) @ taken.mT
    length: Tensor = a.norm(dim=1, keepdim=True) / rest.norm(dim=1, keepdim=True).clamp_min(1e-9)
    return rest * length


@contextmanager
def _inputs_recorded(model: Any, names: Sequence[str]) -> Iterator[dict[str, list[Tensor]]]:
    """Inside, what each layer reads, ``[T, in]`` a forward, in float32 or finer."""
    recorded: dict[str, list[Tensor]] = {name: [] for name in names}

    def record(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0].reshape(-1, args[0].shape[-1])
            recorded[name].append(x.to(torch.promote_types(x.dtype, torch.float32)))

        return hook

    with ExitStack() as undo:
        for name in names:
            undo.callback(model.get_submodule(name).register_forward_pre_hook(record(name)).remove)
        yield recorded
