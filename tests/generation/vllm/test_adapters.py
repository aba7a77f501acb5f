"""Adapters beside an engine: what workers keep, how long, and for whom. The engine is the workers' own book-keeping."""

from __future__ import annotations

import asyncio
import hashlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM is not installed")

from rag.generation.adapters.adapter import Adapter, AdapterPart
from rag.generation.adapters.compose import compose
from rag.generation.adapters.packed import PackedTensors, pack
from rag.generation.vllm.adapters import engine as engines
from rag.generation.vllm.adapters.engine import EngineAdapters, adapter_options
from rag.generation.vllm.adapters.held import HeldAdapters
from rag.generation.vllm.adapters.recipe import KEY, AdapterLimits, AdapterRefused, PartsMissing, Recipe
from rag.generation.vllm.adapters.worker import AdapterWorker, WorkerAdapters

LAYERS = {"model.layers.0.mlp.up_proj": (16, 8), "model.layers.1.mlp.up_proj": (16, 8)}


def part(seed: int, rank: int = 2, width: int = 8) -> PackedTensors:
    noise = torch.Generator().manual_seed(seed)
    return pack(
        {layer: (torch.randn(rank, width, generator=noise), torch.randn(16, rank, generator=noise)) for layer in LAYERS}
    )


def adapter(*seeds: int, weight: float = 1.0, rank: int = 2, max_rank: int = 64) -> Adapter:
    return Adapter(str(seeds), tuple(AdapterPart(part(seed, rank), weight) for seed in seeds), max_rank)


class Lora:
    """The LoRA support of a worker without a model."""

    max_rank = 8

    def __init__(self) -> None:
        self.forgotten: list[int] = []

    def list_layers(self) -> dict[str, tuple[int, int]]:
        return LAYERS

    def rename(self, tensor_name: str) -> str:
        return tensor_name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")

    def replace_loading(self, load: Any) -> None:
        self.load = load

    def build(self, lora_id: int, tensors: Any, rank: int) -> Any:
        return dict(tensors), rank

    def forget(self, lora_id: int) -> None:
        self.forgotten.append(lora_id)


class Engine:
    """One worker in this process, called as vLLM calls its workers."""

    def __init__(self, max_mib: float = 1.0) -> None:
        self.worker, self.lora, self.calls = AdapterWorker(), Lora(), list[str]()
        self.worker._concord_adapters = WorkerAdapters(self.lora, max_mib, is_sharded=False)
        options = adapter_options(max_mib, "base")
        self.vllm_config = SimpleNamespace(
            additional_config=options["additional_config"],
            lora_config=SimpleNamespace(),
            parallel_config=SimpleNamespace(worker_extension_cls=options["worker_extension_cls"]),
        )

    async def collective_rpc(self, method: str, args: tuple[Any, ...]) -> list[Any]:
        self.calls.append(method)
        await asyncio.sleep(0)
        return [getattr(self.worker, method)(*args)]


async def send(adapters: EngineAdapters, adapter: Adapter, salt: str = "") -> None:
    for one in adapter.parts:
        await adapters.put(one.tensors.digest, salt, one.tensors.to_bytes())


def test_an_adapter_is_composed_from_what_was_sent_once() -> None:
    engine, wanted = Engine(), adapter(1, 2, weight=0.5)

    async def run() -> None:
        adapters = EngineAdapters(engine)
        assert await adapters.limits() == AdapterLimits(8, 1.0, "base")
        recipe = Recipe.describe(wanted, "")
        with pytest.raises(PartsMissing) as missing:
            async with adapters.hold(recipe):
                pass
        assert set(missing.value.digests) == {one.tensors.digest for one in wanted.parts}
        await send(adapters, wanted)
        for _ in range(3):
            async with adapters.hold(recipe) as request:
                tensors, rank = engine.lora.load(request)
        expected = compose([(one.tensors, 0.5) for one in wanted.parts], 64)
        assert rank == expected.rank == 4
        torch.testing.assert_close(
            tensors["base_model.model.model.layers.1.mlp.up_proj.lora_A.weight"],
            expected.tensors["model.layers.1.mlp.up_proj"][0],
        )
        assert engine.calls.count("concord_hold_adapter") == 2  # the one that failed, and one for all that follow

    asyncio.run(run())


def test_tenants_have_parts_of_their_own() -> None:
    """Whoever knows the name of another tenant's patch does not get it; nor does one name stand for both."""
    wanted = adapter(1)

    async def run() -> None:
        adapters = EngineAdapters(Engine())
        await send(adapters, wanted, salt="ann")
        ann, ben = Recipe.describe(wanted, "ann"), Recipe.describe(wanted, "ben")
        async with adapters.hold(ann) as request:
            assert request.lora_name == ann.name != ben.name
        with pytest.raises(PartsMissing):
            async with adapters.hold(ben):
                pass

    asyncio.run(run())


def test_memory_stays_within_the_limit() -> None:
    """200 adapters, one after the other; the one that is in use stays, whatever comes."""
    size = part(0).num_bytes
    engine = Engine(max_mib=5 * size / 2**20)
    held: HeldAdapters = engine.worker._concord_adapters._held

    async def run() -> None:
        adapters = EngineAdapters(engine)
        first = adapter(1000)
        await send(adapters, first)
        async with adapters.hold(Recipe.describe(first, "")) as request:
            for number in range(200):
                one = adapter(number)
                await send(adapters, one)
                async with adapters.hold(Recipe.describe(one, "")):
                    assert held.num_bytes <= 5 * size
            assert engine.lora.load(request)[1] == 2
        await asyncio.sleep(0.01)  # releases are not waited for
        assert len(held) <= engines._MAX_IDLE + 1

    asyncio.run(run())


def test_many_requests_share_one_adapter() -> None:
    engine, wanted = Engine(), adapter(1)

    async def run() -> None:
        adapters = EngineAdapters(engine)
        await send(adapters, wanted)

        async def use() -> int:
            async with adapters.hold(Recipe.describe(wanted, "")) as request:
                await asyncio.sleep(0)
                return int(request.lora_int_id)

        assert len(set(await asyncio.gather(*(use() for _ in range(20))))) == 1
        assert engine.calls.count("concord_hold_adapter") == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no safetensors", "cannot be read"),
        (part(1, width=9).to_bytes(), r"by 16 x 9; the model has 16 x 8"),
        (pack({"model.layers.7.mlp.up_proj": part(1)["model.layers.0.mlp.up_proj"]}).to_bytes(), "takes no adapter"),
        (pack({k: (a * float("nan"), b) for k, (a, b) in part(1).items()}).to_bytes(), "not finite"),
    ],
)
def test_bad_parts_are_refused(content: bytes, reason: str) -> None:
    async def run() -> None:
        adapters = EngineAdapters(Engine())
        with pytest.raises(AdapterRefused, match=reason):
            await adapters.put(hashlib.sha256(content).hexdigest(), "", content)
        with pytest.raises(AdapterRefused, match="differs from what its name says"):
            await adapters.put("0" * 64, "", content)

    asyncio.run(run())


def test_rank_over_the_limit_and_cut_rank() -> None:
    async def run() -> None:
        engine = Engine()
        adapters = EngineAdapters(engine)
        big, cut = adapter(1, 2, 3, 4, 5), adapter(1, 2, 3, 4, 5, max_rank=6)
        await send(adapters, big)
        with pytest.raises(AdapterRefused, match="rank 10; this engine takes 8"):
            async with adapters.hold(Recipe.describe(big, "")):
                pass
        async with adapters.hold(Recipe.describe(cut, "")) as request:
            assert engine.lora.load(request)[1] == 6

    asyncio.run(run())


def test_a_server_that_was_started_anew_with_other_weights() -> None:
    """Of the same shape, tokenizer and name: only the fingerprint of the weights tells them apart."""

    async def run() -> None:
        adapters, wanted = EngineAdapters(Engine()), adapter(1)
        await send(adapters, wanted)
        with pytest.raises(AdapterRefused, match=r"other weights \(tuned\) than this server runs now \(base\)"):
            async with adapters.hold(Recipe.describe(wanted, "", "tuned")):
                pass
        for base in ("base", ""):
            async with adapters.hold(Recipe.describe(wanted, "", base)):
                pass

    asyncio.run(run())


def test_a_number_that_two_names_have() -> None:
    held = HeldAdapters(max_rank=8, max_bytes=2**20)
    held.put("a", part(1))
    assert held.hold(5, "one", [("a", 1.0)], 8) == held.hold(5, "one", [("a", 1.0)], 8) == []
    held.release(5)
    with pytest.raises(AdapterRefused, match="ask again"):
        held.hold(5, "two", [("a", 0.5)], 8)
    held.release(5)
    assert held.hold(5, "two", [("a", 0.5)], 8) == []


def test_what_was_loaded_under_the_same_number_is_dropped() -> None:
    lora = Lora()
    worker = WorkerAdapters(lora, 1.0, is_sharded=False)
    worker.put("a", part(1).to_bytes())
    request = SimpleNamespace(lora_path="concord:memory", lora_int_id=5)
    for name, weight in (("one", 1.0), ("two", 0.5)):
        worker.hold(5, name, [("a", weight)], 8)
        assert lora.load(request) is not None
        worker.release(5)
    assert lora.forgotten == [5]
    assert lora.load(SimpleNamespace(lora_path="/a/folder", lora_int_id=1)) is None


def test_recipes_are_named_by_content() -> None:
    recipe = Recipe.describe(adapter(1, 2), "ann")
    assert Recipe.from_extra_args({KEY: recipe.to_text()}) == recipe
    assert Recipe.from_extra_args({"other": 1}) is Recipe.from_extra_args(None) is None
    others = [adapter(2, 1), adapter(1, 2, weight=0.5), adapter(1, 2, max_rank=3), adapter(1)]
    assert len({recipe.name, *(Recipe.describe(other, "ann").name for other in others)}) == 5


@pytest.mark.parametrize(
    "text",
    ["nonsense", "{}", json.dumps({"parts": [], "max_rank": 8, "salt": ""}), '{"parts": [["a"]], "max_rank": 1}', "3",
     '{"parts": [["a", NaN]], "max_rank": 1, "salt": ""}'],
)  # fmt: skip
def test_bad_recipes_are_refused(text: str) -> None:
    with pytest.raises(AdapterRefused, match=KEY):
        Recipe.from_extra_args({KEY: text})
