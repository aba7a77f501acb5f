"""Small GGUF files, written as converters for other programs write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode

from tests.generation.conftest import tiny_model

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
VOCABULARY = ["<unk>", "</s>", "<s>", *bytes_to_unicode().values(), "he", "hel"]


def small_llama() -> LlamaForCausalLM:
    """A random model whose vocabulary is :data:`VOCABULARY`."""
    model = tiny_model("llama").float()
    model.resize_token_embeddings(len(VOCABULARY))
    return model


def write_gguf(
    file: Path, model: Any, architecture: str = "llama", leave_out: str = "", tokenizer: str = "gpt2", **fields: str
) -> Path:
    """Write ``model`` in float32 with a byte-level tokenizer; ``fields`` are further texts of the header."""
    writer = gguf.GGUFWriter(str(file), architecture)
    config = model.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for key, value in fields.items():
        writer.add_string(f"general.{key}", value)
    writer.add_tokenizer_model(tokenizer)
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([3, 3, 3] + [1] * (len(VOCABULARY) - 3))
    writer.add_token_merges(["h e", "he l"])
    writer.add_unk_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    for name, tensor in gguf_tensors(model).items():
        if name != leave_out:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def gguf_tensors(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The weights under the names of a GGUF file; queries and keys with the halves of their heads interleaved."""
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    tensors = {}
    for name, weight in model.state_dict().items():
        array = weight.numpy()
        if name.startswith("model.layers."):
            _, _, layer, inner, _ = name.replace("self_attn.", "self_attn/").replace("mlp.", "mlp/").split(".")
            short = NAMES[inner.replace("/", ".")]
            if short in heads:
                rows, columns = array.shape
                array = array.reshape(heads[short], 2, rows // heads[short] // 2, columns).swapaxes(1, 2)
                array = np.ascontiguousarray(array.reshape(rows, columns))
            tensors[f"blk.{layer}.{short}.weight"] = array
        else:
            outer = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
            tensors[f"{outer[name.removesuffix('.weight')]}.weight"] = array
    return tensors


@pytest.fixture(scope="session")
def llama() -> LlamaForCausalLM:
    with torch.no_grad():
        return small_llama()


@pytest.fixture(scope="session")
def llama_gguf(tmp_path_factory: pytest.TempPathFactory, llama: LlamaForCausalLM) -> Path:
    """A whole, convertible file. Not to be changed."""
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    return write_gguf(file, llama, name="Tiny", license="apache-2.0")
