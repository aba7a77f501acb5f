"""What a model needs to run in rows, and what its configuration says about its window and its end tokens."""

from __future__ import annotations

import inspect

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rag.core.errors import ModelError

# What the weights of a causal language model were saved as. An encoder would load too, with a random head.
_GENERATORS = ("CausalLM", "LMHeadModel", "ConditionalGeneration")
_ATTENTION = ("full_attention", "sliding_attention", "chunked_attention")


def check_architecture(model: PreTrainedModel, name: str) -> None:
    """Refuse a model without a key-value cache: rows with another kind of state can be neither padded nor forked.

    Raises:
        ModelError: the model generates no text, or not by attention alone.
    """
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    others = sorted(kind for kind in kinds if kind not in _ATTENTION)
    saved_as = model.config.architectures or []
    if saved_as and not any(kind.endswith(_GENERATORS) for kind in saved_as):
        raise ModelError(f"model {name!r} is a {saved_as[0]}, which generates no text; choose a causal language model")
    takes_cache = "past_key_values" in inspect.signature(model.forward).parameters
    if others or not takes_cache or model.config.is_encoder_decoder:
        what = f"layers of type {', '.join(others)}" if others else "no key-value cache of a causal language model"
        raise ModelError(
            f"model {name!r} ({model.config.model_type}) has {what}; choose a decoder-only model of attention layers"
        )


def model_window(model: PreTrainedModel) -> int:
    """Most tokens of prompt and answer together, as the configuration says; 2048 where it says nothing."""
    config = model.config.get_text_config()
    for field_name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(config, field_name, None)
        if isinstance(value, int) and value > 0:
            return value
    return 2048


def end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end an answer."""
    generation_config = model.generation_config
    listed = generation_config.eos_token_id if generation_config is not None else None
    ids = listed if isinstance(listed, list) else [listed, model.config.get_text_config().eos_token_id]
    flat = [i for entry in [*ids, tokenizer.eos_token_id] for i in (entry if isinstance(entry, list) else [entry])]
    return frozenset(i for i in flat if i is not None)
