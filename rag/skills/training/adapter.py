"""One adapter in training, hooked into one frozen model."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rag.core.errors import ModelError
from rag.patches.base import Tensors
from rag.skills.training.settings import Training


class SkillAdapter:
    """``y = W x + (alpha / rank) B A x`` on every chosen layer of every block.

    ``A`` begins uniform in +-1/sqrt(in), ``B`` at 0, or both where an earlier training left them. Both are float32,
    whatever the model computes in.

    Args:
        model: a :func:`rag.patches.training.twin.frozen_twin`.
        training: rank, alpha, modules and seed.
        start: an adapter to go on from, all scales multiplied in; its ranks and layers are taken.

    Raises:
        ModelError: the model has no layer of these names.

    Source: Hu et al. 2021 (LoRA), eq. 3.
    """

    def __init__(self, model: Any, training: Training, start: Tensors | None = None) -> None:
        self._scale = training.alpha / training.rank
        self._pairs: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
        self._hooks = []
        layers = find_layers(model, training.modules if start is None else {name.rpartition(".")[2] for name in start})
        tensors = self._unscale(start) if start is not None else _begin(layers, training)
        for name, (a, b) in tensors.items():
            device = layers[name].weight.device
            self._pairs[name] = pair = nn.Parameter(a.to(device)), nn.Parameter(b.to(device))
            self._hooks.append(layers[name].register_forward_hook(self._hook(*pair)))

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Every ``A`` and ``B``."""
        return [parameter for pair in self._pairs.values() for parameter in pair]

    def remove(self) -> None:
        """Take the hooks off the model."""
        for hook in self._hooks:
            hook.remove()

    def tensors(self) -> Tensors:
        """``A`` with its scale multiplied in, and ``B``, by layer, on the CPU in float32."""
        return {
            name: ((a.detach() * self._scale).cpu(), b.detach().clone().cpu()) for name, (a, b) in self._pairs.items()
        }

    def state(self) -> dict[str, Tensor]:
        """A copy of all numbers, for a checkpoint."""
        return {
            f"{name}.{side}": tensor.detach().to("cpu", copy=True)
            for name, pair in self._pairs.items()
            for side, tensor in zip("ab", pair, strict=True)
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """The numbers of a checkpoint."""
        with torch.no_grad():
            for name, pair in self._pairs.items():
                for side, tensor in zip("ab", pair, strict=True):
                    tensor.copy_(state[f"{name}.{side}"])

    def _unscale(self, tensors: Tensors) -> dict[str, tuple[Tensor, Tensor]]:
        """``A`` and ``B`` as they are trained, in tensors of their own."""
        return {name: (a.float() / self._scale, b.float().clone()) for name, (a, b) in tensors.items()}

    def _hook(self, a: Tensor, b: Tensor) -> Callable[..., Tensor]:
        def add(module: nn.Module, args: Sequence[Tensor], output: Tensor) -> Tensor:
            x = args[0]
            return output + self._scale * linear(linear(x, a.to(x.dtype)), b.to(x.dtype))

        return add


def _begin(layers: Mapping[str, nn.Linear], training: Training) -> dict[str, tuple[Tensor, Tensor]]:
    """``A`` at random and ``B`` at 0, by layer."""
    generator = torch.Generator().manual_seed(training.seed)
    return {
        name: (
            (torch.rand(training.rank, layer.in_features, generator=generator) * 2 - 1) / math.sqrt(layer.in_features),
            torch.zeros(layer.out_features, training.rank),
        )
        for name, layer in layers.items()
    }


def find_layers(model: Any, modules: Collection[str]) -> dict[str, nn.Linear]:
    """The linear layers with these last names, by full name.

    Raises:
        ModelError: there are none.
    """
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in modules
    }
    if not found:
        raise ModelError(
            f"model {model.config.model_type!r} has no layers named {', '.join(modules)}; skills need those"
        )
    return found
