"""In each vLLM worker: parts are kept in memory, and an adapter is composed when a step needs it.

vLLM adds the methods of :class:`AdapterWorker` to its worker (``--worker-extension-cls``) and calls them for
``collective_rpc``, between two steps. An adapter is checked when it is held, because an error in a step would end the
engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from rag.core.process.heap import trim_heap
from rag.generation.adapters.packed import PackedTensors, name_tensors, parse_tensors
from rag.generation.vllm.adapters.held import HeldAdapters
from rag.generation.vllm.adapters.recipe import IN_MEMORY, AdapterRefused

_MIB = 2**20
# An adapter is thousands of small tensors that come and go between those that stay. The C library keeps the gaps.
_RELEASES_PER_TRIM = 8


class WorkerAdapters:
    """The adapters of one worker.

    Args:
        lora: the worker's LoRA support (:class:`decoders.vllm_plugin.compat_lora.WorkerLora`).
        max_mib: MiB of parts to keep.
        is_sharded: each worker has a share of each layer, so that widths say little.
    """

    def __init__(self, lora: Any, max_mib: float, *, is_sharded: bool) -> None:
        self._lora = lora
        self._is_sharded = is_sharded
        self._layers: dict[str, tuple[int, int]] = lora.list_layers()
        self._held = HeldAdapters(lora.max_rank, int(max_mib * _MIB))
        self._loaded: dict[int, str] = {}
        self._num_released = 0
        lora.replace_loading(self._load)

    @property
    def max_rank(self) -> int:
        """Largest rank of an adapter."""
        return int(self._lora.max_rank)

    def put(self, key: str, content: bytes) -> None:
        """Keep a part, given as a safetensors file.

        Raises:
            AdapterRefused: it is no adapter of this model.
        """
        try:
            tensors = parse_tensors(load(content))
        except (SafetensorError, ValueError, KeyError) as error:
            raise AdapterRefused(f"the adapter cannot be read: {error}") from error
        self._check(tensors)
        self._held.put(key, tensors)

    def hold(self, lora_id: int, name: str, parts: Sequence[tuple[str, float]], max_rank: int) -> list[str]:
        """See :meth:`rag.generation.vllm.adapters.held.HeldAdapters.hold`."""
        missing = self._held.hold(lora_id, name, parts, max_rank)
        if not missing and self._loaded.get(lora_id, name) != name:
            self._lora.forget(lora_id)  # another adapter had this number before
        return missing

    def release(self, lora_id: int) -> None:
        """Undo one :meth:`hold`."""
        self._held.release(lora_id)
        self._num_released += 1
        if self._num_released % _RELEASES_PER_TRIM == 0:
            trim_heap()

    def _check(self, tensors: PackedTensors) -> None:
        for group in tensors.groups:
            if not bool(group.a.isfinite().all() and group.b.isfinite().all()):
                raise AdapterRefused("the adapter holds numbers that are not finite")
            for layer in group.layers:
                widths = self._layers.get(self._lora.rename(f"base_model.model.{layer}.lora_A.weight"))
                if widths is None:
                    raise AdapterRefused(f"the adapter changes {layer!r}, which takes no adapter in this engine")
                if not self._is_sharded and widths != (group.b.shape[1], group.a.shape[2]):
                    raise AdapterRefused(
                        f"the adapter changes {layer!r} by {group.b.shape[1]} x {group.a.shape[2]}; "
                        f"the model has {widths[0]} x {widths[1]} there"
                    )

    def _load(self, request: Any) -> Any | None:
        if request.lora_path != IN_MEMORY:
            return None
        composed = self._held.compose(request.lora_int_id)
        self._loaded[request.lora_int_id] = self._held.name(request.lora_int_id)
        while len(self._loaded) > 10_000:
            # Far more than vLLM keeps loaded.
            self._loaded.pop(next(iter(self._loaded)))
        return self._lora.build(request.lora_int_id, name_tensors(composed.tensors), composed.rank)


class AdapterWorker:
    """What vLLM's workers learn. Each method returns plain values, errors as text: vLLM passes on no others."""

    def concord_start_adapters(self, max_mib: float) -> tuple[int, str]:
        """Begin to keep adapters; returns the largest rank, 0 where the engine runs none, and why not."""
        from decoders.vllm_plugin.compat_lora import WorkerLora, find_manager

        adapters = getattr(self, "_concord_adapters", None)
        if adapters is None:
            manager = find_manager(self)
            if manager is None:
                return 0, "the worker's model takes no adapters"
            is_sharded = int(self.parallel_config.tensor_parallel_size) > 1  # type: ignore[attr-defined]
            try:
                lora = WorkerLora(manager)
            except ImportError as error:
                return 0, str(error)
            adapters = self._concord_adapters = WorkerAdapters(lora, max_mib, is_sharded=is_sharded)
        return adapters.max_rank, ""

    def concord_put_part(self, key: str, content: bytes) -> str:
        """Keep a part; returns why not."""
        try:
            self._concord_adapters.put(key, bytes(content))
        except AdapterRefused as error:
            return str(error)
        return ""

    def concord_hold_adapter(
        self, lora_id: int, name: str, parts: Sequence[tuple[str, float]], max_rank: int
    ) -> tuple[list[str], str]:
        """Hold an adapter; returns the missing parts, and why not."""
        try:
            return self._concord_adapters.hold(lora_id, name, parts, max_rank), ""
        except AdapterRefused as error:
            return [], str(error)

    def concord_release_adapter(self, lora_id: int) -> None:
        """Undo one hold."""
        self._concord_adapters.release(lora_id)
