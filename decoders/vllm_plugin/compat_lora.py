"""Every internal of vLLM's LoRA support that this project touches, and a check of them (:mod:`.compat` has the rest).

An adapter is built in a worker, from tensors in memory. vLLM's own way reads it from a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from decoders.vllm_plugin.adapters import STEP
from decoders.vllm_plugin.compat import check
from decoders.vllm_plugin.names import Needs

LORA: Needs = {
    "vllm.lora.lora_model": (
        "LoRAModel.from_lora_tensors(lora_model_id, tensors, peft_helper, device, dtype, weights_mapper)",
    ),
    "vllm.lora.model_manager": (
        "LoRAModelManager.model",
        "LoRAModelManager.modules",
        "LoRAModelManager.packed_modules",
    ),
    "vllm.lora.peft_helper": ("PEFTHelper(r, lora_alpha, target_modules)",),
    "vllm.lora.utils": ("parse_fine_tuned_lora_name(name, weights_mapper)",),
    "vllm.lora.worker_manager": (
        "LRUCacheWorkerLoRAManager._load_adapter(lora_request)",
        "LRUCacheWorkerLoRAManager.create_lora_manager",  # which sets _adapter_manager
        "LRUCacheWorkerLoRAManager.list_adapters",
        "LRUCacheWorkerLoRAManager.lora_config",
        "LRUCacheWorkerLoRAManager.remove_adapter(adapter_id)",
    ),
    "vllm.v1.worker.lora_model_runner_mixin": ("LoRAModelRunnerMixin.load_lora_model",),
}


class WorkerLora:
    """The LoRA support of one worker.

    Args:
        manager: vLLM's manager of the worker's adapters (:func:`find_manager`).
    """

    def __init__(self, manager: Any) -> None:
        check(LORA)
        self._manager = manager

    @property
    def max_rank(self) -> int:
        """Largest rank of an adapter."""
        return int(self._manager.lora_config.max_lora_rank)

    def list_layers(self) -> dict[str, tuple[int, int]]:
        """Layers that take an adapter, by vLLM's name: widths of output and input, those of this worker's share."""
        models = self._manager._adapter_manager
        layers: dict[str, tuple[int, int]] = {}
        for name, module in models.modules.items():
            pairs = zip(module.lora_b_stacked, module.lora_a_stacked, strict=True)
            shapes = [(int(b.shape[-2]), int(a.shape[-1])) for b, a in pairs]
            names = models.packed_modules.get(name) or [name]
            # A fused layer may have one adapter for all of its parts.
            layers |= dict(zip(names, shapes, strict=False))
        return layers

    def rename(self, tensor_name: str) -> str:
        """vLLM's name of the layer that a tensor of a PEFT file belongs to.

        Raises:
            ValueError: it is not the name of such a tensor.
        """
        from vllm.lora.utils import parse_fine_tuned_lora_name

        return str(parse_fine_tuned_lora_name(tensor_name, self._mapper())[0])

    def build(self, lora_id: int, tensors: Mapping[str, Tensor], rank: int) -> Any:
        """An adapter as vLLM keeps it, from the tensors of a PEFT file; alpha = rank."""
        from vllm.lora.lora_model import LoRAModel
        from vllm.lora.peft_helper import PEFTHelper

        return LoRAModel.from_lora_tensors(
            lora_id,
            dict(tensors),
            PEFTHelper(r=rank, lora_alpha=rank, target_modules=[]),
            device="cpu",
            dtype=self._manager.lora_config.lora_dtype,
            weights_mapper=self._mapper(),
        )

    def forget(self, lora_id: int) -> None:
        """Drop a loaded adapter, if it is there."""
        if lora_id in self._manager.list_adapters():
            self._manager.remove_adapter(lora_id)
        STEP.forget()

    def replace_loading(self, load: Callable[[Any], Any | None]) -> None:
        """From now on ``load`` makes the adapter of a vLLM ``LoRARequest``; where it gives ``None``, vLLM does."""
        load_folder = self._manager._load_adapter
        self._manager._load_adapter = lambda request: load(request) or load_folder(request)

    def _mapper(self) -> Any:
        mapper = getattr(self._manager._adapter_manager.model, "hf_to_vllm_mapper", None)
        return mapper.get_rename_mapper() if mapper is not None else None


def find_manager(worker: Any) -> Any | None:
    """vLLM's manager of a worker's adapters; ``None`` where the engine was started without LoRA."""
    return getattr(worker.model_runner, "lora_manager", None)
