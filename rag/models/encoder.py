"""Loading the sentence encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.config import Config
from rag.models.defaults import ENCODER
from rag.models.loading import as_model_error, quiet, resolve_device
from rag.models.resolve import resolve_encoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_encoder(config: Config) -> tuple[str, SentenceTransformer]:
    """The sentence encoder that ``config`` names, and the name under which libraries remember it.

    Raises:
        ModelError: no such model, or not a sentence encoder.
    """
    name, folder = resolve_encoder(config)
    with quiet(), as_model_error(name):
        from sentence_transformers import SentenceTransformer

        return name, SentenceTransformer(folder, device=resolve_device(config.device))


def encoder_name(config: Config) -> str:
    """The name of the encoder that ``config`` names, without loading it."""
    return ENCODER.name if config.encoder == "default" else config.encoder
