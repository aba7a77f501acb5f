"""What an engine cannot run as a pair, refused before it is queued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decoders.pairing import PairError

if TYPE_CHECKING:
    from decoders.vllm_plugin.compat import Request, Scheduler
    from decoders.vllm_plugin.registry import Pair


def check_half(request: Request, engine: Scheduler) -> None:
    """Refuse settings that no half can have.

    Raises:
        PairError: with the reason.
    """
    if engine.num_spec_tokens:
        raise PairError("speculative decoding does not work with pairs; start the engine without it")
    if engine.connector is not None:
        raise PairError("a pair needs its key-value cache in one engine; start it without a KV connector")
    if request.resumable or request.num_prompt_tokens < 2:
        raise PairError("a half needs a whole prompt of at least 2 tokens, and takes no streamed input")
    if request.num_prompt_tokens + request.max_tokens > engine.max_model_len:
        raise PairError(
            f"prompt of {request.num_prompt_tokens} tokens and answer of up to {request.max_tokens} exceed the "
            f"window of {engine.max_model_len}; shorten the prompt or lower max_tokens"
        )


def check_pair(pair: Pair, engine: Scheduler) -> None:
    """Refuse halves that do not fit the engine together, since each would wait for the other without end.

    Raises:
        PairError: with the reason.
    """
    halves = pair.in_order()
    blocks = sum(num_blocks(half.num_prompt_tokens + half.max_tokens, engine) for half in halves)
    available = engine.kv_cache_manager.block_pool.num_gpu_blocks - 1
    adapters = {half.lora_request.lora_int_id for half in halves if half.lora_request}
    if blocks > available:
        reason = f"the pair needs {blocks} blocks of key-value cache, the engine has {available}"
    elif engine.max_num_active_reqs < 2 or engine.max_num_scheduled_tokens < 2:
        reason = "a pair needs two rows and two tokens per step; raise max_num_seqs and max_num_batched_tokens"
    elif engine.lora_config and len(adapters) > engine.lora_config.max_loras:
        reason = f"the halves have {len(adapters)} adapters, the engine runs {engine.lora_config.max_loras} at once"
    else:
        return
    raise PairError(reason)


def num_blocks(num_tokens: int, engine: Scheduler) -> int:
    """Blocks of key-value cache that ``num_tokens`` tokens take."""
    return -(-num_tokens // engine.block_size)
