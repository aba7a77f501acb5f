"""K adapters over one frozen model: row k of every forward runs with adapter k, and gradients reach that one alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rag.core.errors import ModelError
from rag.generation.transformers.lora import low_rank
from rag.patches.base import Tensors
from rag.patches.profiles import Profile

Init = dict[str, Tensor]
# Name, type, shape and offsets of one tensor in a safetensors file; fewer than this.
_TABLE_ENTRY_BYTES = 256


def decoder_layers(model: Any) -> nn.ModuleList:
    """The stack of layers: the longest list of modules in the model.

    Raises:
        ModelError: it has none.
    """
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ModelError(f"model {model.config.model_type!r} has no stack of layers to patch")
    return max(lists, key=len)


def learnt_layers(model: Any, profile: Profile) -> dict[str, nn.Linear]:
    """The linear layers that a profile changes, by name, bottom up.

    Raises:
        ModelError: the model has none of that name.
    """
    layers = decoder_layers(model)
    first = len(layers) - max(1, math.ceil(profile.layers * len(layers)))
    inside = {module for layer in layers[first:] for module in layer.modules()}
    layers_by_name = {
        name: module
        for name, module in model.named_modules()
        if module in inside and isinstance(module, nn.Linear) and name.rpartition(".")[2] in profile.targets
    }
    if not layers_by_name:
        wanted = ", ".join(profile.targets)
        raise ModelError(f"model {model.config.model_type!r} has no layers named {wanted}; patches need those")
    return layers_by_name


def initial_adapter(model: Any, profile: Profile) -> Init:
    """``A [r, in]`` of each layer, the same for every document: uniform in +-1/sqrt(in); every ``B`` begins at 0.

    Source: Hu et al. 2021, section 4.1, with the uniform distribution of the PEFT library.
    """
    generator = torch.Generator().manual_seed(profile.seed)
    return {
        name: (torch.rand(profile.rank, layer.in_features, generator=generator) * 2 - 1) / math.sqrt(layer.in_features)
        for name, layer in learnt_layers(model, profile).items()
    }


def adapter_bytes(model: Any, initial: Init, dtype: torch.dtype | None = None) -> int:
    """Bytes of one document's ``A`` and ``B`` in a file, with room for the file's own table of tensors.

    In ``dtype``, or in the precision of the training.
    """
    num_bytes = 0
    for name, start in initial.items():
        layer = model.get_submodule(name)
        num_numbers = start.numel() + start.shape[0] * layer.out_features
        num_bytes += num_numbers * (dtype or _training_dtype(layer)).itemsize + 2 * _TABLE_ENTRY_BYTES
    return num_bytes


def _training_dtype(layer: nn.Linear) -> torch.dtype:
    """At least float32, whatever the base runs in."""
    return torch.promote_types(layer.weight.dtype, torch.float32)


class BatchedAdapters:
    """The adapters of K documents in training, hooked into one model.

    Args:
        model: a :func:`rag.patches.training.twin.frozen_twin`.
        initial: ``A`` of each layer.
        num_documents: K.
        scale: alpha / rank.
        is_a_frozen: ``A`` stays as it began, the same for all documents; only ``B`` learns.
    """

    def __init__(
        self, model: Any, initial: Init, num_documents: int, scale: float, *, is_a_frozen: bool = False
    ) -> None:
        self._scale = scale
        self._is_a_frozen = is_a_frozen
        self._pairs: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
        self._hooks = []
        for name, start in initial.items():
            layer = model.get_submodule(name)
            a = start.to(layer.weight.device, _training_dtype(layer)).expand(num_documents, -1, -1).clone()
            b = a.new_zeros(num_documents, layer.out_features, a.shape[1])
            self._pairs[name] = pair = (nn.Parameter(a, requires_grad=not is_a_frozen), nn.Parameter(b))
            self._hooks.append(layer.register_forward_hook(self._hook(*pair)))

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Every ``A`` and ``B`` that learns."""
        return [parameter for pair in self._pairs.values() for parameter in pair if parameter.requires_grad]

    def remove(self) -> None:
        """Take the hooks off the model."""
        for hook in self._hooks:
            hook.remove()

    def tensors(self, row: int) -> Tensors:
        """Document ``row``'s adapter on the CPU, its scale multiplied into ``A``."""
        return {
            name: ((a[row].detach() * self._scale).cpu(), b[row].detach().clone().cpu())
            for name, (a, b) in self._pairs.items()
        }

    def _hook(self, a: Tensor, b: Tensor) -> Callable[..., Tensor]:
        def add(module: nn.Module, args: Sequence[Tensor], output: Tensor) -> Tensor:
            return output + (self._scale * low_rank(args[0].to(a.dtype), a, b)).to(output.dtype)

        return add
