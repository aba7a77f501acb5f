"""A scheduler without a model: vLLM's own classes, driven by a simulated worker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 1,
    "num_hidden_layers": 1,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
}

# For those who name other sources of vLLM, as the file says.
collect_ignore = [] if os.environ.get("CONCORD_VLLM_SOURCES") else ["test_sources.py"]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that vLLM takes for a model as long as it loads no weights."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    return folder


@pytest.fixture
def make_scheduler(model_folder: Path) -> Callable[..., Any]:
    """Schedulers of the plugin over ``num_blocks`` blocks of 16 tokens."""
    import torch
    from vllm.config import CacheConfig, LoRAConfig, ModelConfig, SchedulerConfig, VllmConfig
    from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
    from vllm.v1.structured_output import StructuredOutputManager

    from decoders.vllm_plugin.scheduler import PairScheduler

    def make(
        *,
        num_blocks: int = 200,
        budget: int = 64,
        max_rows: int = 16,
        is_async: bool = False,
        policy: str = "fcfs",
        prefill_interval: int = 1,
        max_loras: int = 0,
    ) -> PairScheduler:
        model = ModelConfig(model=str(model_folder), skip_tokenizer_init=True, dtype="float32", max_model_len=1024)
        scheduling = SchedulerConfig(
            max_num_seqs=max_rows,
            max_num_batched_tokens=budget,
            max_model_len=1024,
            enable_chunked_prefill=True,
            is_encoder_decoder=False,
            policy=policy,
            prefill_schedule_interval=prefill_interval,
        )
        cache = CacheConfig(block_size=16, enable_prefix_caching=True)
        lora = LoRAConfig(max_loras=max_loras, max_lora_rank=8) if max_loras else None
        config = VllmConfig(model_config=model, scheduler_config=scheduling, cache_config=cache, lora_config=lora)
        config.scheduler_config.async_scheduling = is_async
        cache.num_gpu_blocks = num_blocks
        spec = FullAttentionSpec(block_size=16, num_kv_heads=1, head_size=16, dtype=torch.float32)
        groups = [KVCacheGroupSpec(["layer"], spec)]
        kv = KVCacheConfig(num_blocks=num_blocks, kv_cache_tensors=[], kv_cache_groups=groups)
        return PairScheduler(config, kv, StructuredOutputManager(config), block_size=16, log_stats=False)

    return make


@pytest.fixture(scope="session")
def adapters(generator: Any) -> list[Any]:
    """Two adapters strong enough to change what the model says."""
    import torch

    from rag.generation.base import Adapter

    config = generator.model.config
    saved = []
    for number in range(2):
        noise = torch.Generator().manual_seed(number)
        tensors = {
            f"model.layers.{layer}.mlp.{name}": (
                torch.randn(4, num_in, generator=noise) * 0.05,
                torch.randn(num_out, 4, generator=noise) * 0.05,
            )
            for layer in range(20, 30)
            for name, num_in, num_out in (
                ("gate_proj", config.hidden_size, config.intermediate_size),
                ("up_proj", config.hidden_size, config.intermediate_size),
                ("down_proj", config.intermediate_size, config.hidden_size),
            )
        }
        saved.append(Adapter.single(f"adapter-{number}", tensors))
    return saved
