"""Tiny random models of many architectures, and a word-level tokenizer for them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

VOCAB = 200
_SIZES = {"vocab_size": VOCAB, "eos_token_id": 1, "bos_token_id": 2, "pad_token_id": 0}
_LLAMA = _SIZES | {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
# What makes each one different: grouped heads, windows shorter than the prompts, learned positions, ALiBi without
# position ids, soft-capping, attention sinks, code older than the attention interface, experts.
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _LLAMA),
    "mistral-window": ("MistralConfig", _LLAMA | {"sliding_window": 8}),
    "qwen2": ("Qwen2Config", _LLAMA),
    "qwen3": ("Qwen3Config", _LLAMA | {"head_dim": 8}),
    "gemma2-window": ("Gemma2Config", _LLAMA | {"head_dim": 8, "sliding_window": 8}),
    "gemma3-window": ("Gemma3TextConfig", _LLAMA | {"head_dim": 8, "sliding_window": 8}),
    "phi3-window": ("Phi3Config", _LLAMA | {"sliding_window": 8}),
    "gpt2": ("GPT2Config", _SIZES | {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 256}),
    "opt": (
        "OPTConfig",
        _SIZES
        | {
            "hidden_size": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "word_embed_proj_dim": 32,
        },
    ),
    "bloom": ("BloomConfig", _SIZES | {"hidden_size": 32, "n_layer": 3, "n_head": 4}),
    "neox": (
        "GPTNeoXConfig",
        _SIZES | {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4},
    ),
    "falcon": ("FalconConfig", _SIZES | {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}),
    "gpt-oss-window": (
        "GptOssConfig",
        _LLAMA | {"head_dim": 8, "sliding_window": 8, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    "mixtral": ("MixtralConfig", _LLAMA | {"num_local_experts": 4}),
}


# Its attention takes the softmax in float32, where float64's largest mask is infinite: padding would be nan.
_FLOAT32 = frozenset(("bloom",))


def tiny_model(architecture: str) -> Any:
    """In float64: tests compare batches with single runs, and float32's rounding would decide close calls."""
    name, settings = ARCHITECTURES[architecture]
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(getattr(transformers, name)(**settings)).eval()
    if architecture not in _FLOAT32:
        model.double()
    if "num_local_experts" in settings:
        model.set_experts_implementation("eager")  # the grouped product knows no float64
    for parameter in model.parameters():
        if parameter.dim() > 1:  # the library's small initial weights would make every token equally likely
            torch.nn.init.normal_(parameter, std=0.2)
    return model


def tiny_tokenizer(*, adds_bos: bool = False, adds_eos: bool = False) -> PreTrainedTokenizerFast:
    words = {"<unk>": 0, "<eos>": 1, "<bos>": 2, **{f"w{i}": i for i in range(3, VOCAB)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    pattern = f"{'<bos> ' if adds_bos else ''}$A{' <eos>' if adds_eos else ''}"
    special = [("<bos>", 2), ("<eos>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing(single=pattern, special_tokens=special)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>", bos_token="<bos>")


@pytest.fixture(params=sorted(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)
