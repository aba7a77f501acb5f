"""Beside a vLLM engine: adapters are held in its workers while requests run with them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rag.generation.vllm.adapters.recipe import IN_MEMORY, AdapterLimits, AdapterRefused, PartsMissing, Recipe, part_key

# Adapters that no request runs with, and that are held all the same: the next question often has the same patches.
_MAX_IDLE = 16
# Where an engine's settings of ours are (vLLM's ``additional_config``).
_MAX_MIB, _BASE = "concord_adapter_mib", "concord_base"
_DEFAULT_MIB = 256.0
_log = logging.getLogger(__name__)


def adapter_options(max_mib: float, base: str = "") -> dict[str, Any]:
    """The fields of vLLM's ``AsyncEngineArgs`` that teach it adapters from memory.

    Args:
        max_mib: most MiB of parts in each worker.
        base: fingerprint of the model's weights, for those who ask.
    """
    return {
        "worker_extension_cls": "rag.generation.vllm.adapters.worker.AdapterWorker",
        "additional_config": {_MAX_MIB: max_mib, _BASE: base},
    }


@dataclass
class _Held:
    recipe: Recipe
    placing: asyncio.Task[None]
    num_users: int = 0


class EngineAdapters:
    """The adapters of one engine, in the engine's event loop.

    Args:
        engine: vLLM's ``AsyncLLM``, started with :func:`adapter_options`.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        settings = engine.vllm_config.additional_config
        is_dict = isinstance(settings, dict)
        self._max_mib = float(settings.get(_MAX_MIB, _DEFAULT_MIB)) if is_dict else _DEFAULT_MIB
        self._base = str(settings.get(_BASE, "")) if is_dict else ""
        self._starting: asyncio.Task[tuple[int, str]] | None = None
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._releasing: set[asyncio.Task[Any]] = set()

    async def limits(self) -> AdapterLimits:
        """What the engine takes.

        Raises:
            AdapterRefused: the engine was started with adapters, and does not run ours.
        """
        lora = self._engine.vllm_config.lora_config
        if lora is None or "AdapterWorker" not in str(self._engine.vllm_config.parallel_config.worker_extension_cls):
            return AdapterLimits(0)
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._call("concord_start_adapters", self._max_mib))
        max_rank, problem = await asyncio.shield(self._starting)
        if problem:
            raise AdapterRefused(problem)
        return AdapterLimits(max_rank, self._max_mib, self._base)

    async def put(self, digest: str, salt: str, content: bytes) -> None:
        """Keep a part in the workers.

        Raises:
            AdapterRefused: the engine runs no adapters; the content is another than ``digest`` names, or no adapter
                of this model.
        """
        await self._check_enabled()
        if hashlib.sha256(content).hexdigest() != digest:
            raise AdapterRefused("the adapter differs from what its name says; send it again")
        problem = await self._call("concord_put_part", part_key(digest, salt), content)
        if problem:
            raise AdapterRefused(problem)

    @asynccontextmanager
    async def hold(self, recipe: Recipe) -> AsyncIterator[Any]:
        """vLLM's ``LoRARequest`` for an adapter, which the workers keep while the context lasts.

        Raises:
            PartsMissing: some of its parts have to be sent first.
            AdapterRefused: the engine runs no adapters, or none of this rank, or other weights than it was meant for.
        """
        from decoders.vllm_plugin.compat import LoRARequest

        await self._check_enabled()
        if recipe.base and self._base and recipe.base != self._base:
            raise AdapterRefused(
                f"the patches or the skill were chosen for a model with other weights ({recipe.base}) than this server "
                f"runs now ({self._base}); start the asking side anew"
            )
        held = self._held.get(recipe.name)
        if held is None or _has_failed(held.placing):
            held = self._held[recipe.name] = _Held(recipe, asyncio.ensure_future(self._place(recipe)))
        held.num_users += 1
        self._held.move_to_end(recipe.name)
        try:
            # Shielded: another request may wait for the same placing.
            await asyncio.shield(held.placing)
            yield LoRARequest(recipe.name, recipe.lora_id, IN_MEMORY)
        finally:
            held.num_users -= 1
            self._trim()

    async def _check_enabled(self) -> None:
        if (await self.limits()).max_rank == 0:
            raise AdapterRefused("this vLLM engine runs no patches; start it with --enable-lora")

    async def _place(self, recipe: Recipe) -> None:
        parts = [(part_key(digest, recipe.salt), weight) for digest, weight in recipe.parts]
        missing, problem = await self._call("concord_hold_adapter", recipe.lora_id, recipe.name, parts, recipe.max_rank)
        if problem:
            raise AdapterRefused(problem)
        if missing:
            raise PartsMissing(tuple(recipe.keyed[key] for key in missing))

    def _trim(self) -> None:
        """Release the adapters that were used longest ago, and forget those that could not be placed."""
        idle = [name for name, held in self._held.items() if held.num_users == 0 and held.placing.done()]
        failed = [name for name in idle if _has_failed(self._held[name].placing)]
        placed = [name for name in idle if name not in failed]
        for name in (*failed, *placed[: max(0, len(placed) - _MAX_IDLE)]):
            held = self._held.pop(name)
            if name not in failed:
                task = asyncio.ensure_future(self._release(held.recipe.lora_id))
                self._releasing.add(task)
                task.add_done_callback(self._releasing.discard)

    async def _release(self, lora_id: int) -> None:
        try:
            await self._call("concord_release_adapter", lora_id)
        except Exception as error:  # the engine has died: foreign code, many kinds; its memory has gone with it
            _log.debug("adapter %s was not released: %r", lora_id, error)

    async def _call(self, method: str, *arguments: Any) -> Any:
        """Call all workers, which do the same in the same order; the reply of the first."""
        return (await self._engine.collective_rpc(method, args=arguments))[0]


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
