"""A service over a tiny random model and a crude encoder: everything is real but the size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from rag.core.settings.config import Config
from rag.generation.transformers.generator import TransformersGenerator
from rag.models.sentence_encoder import EmbeddingsEncoder
from rag.service.app import create_app
from rag.service.settings import ServiceSettings
from tests.conftest import HashEmbeddings
from tests.generation.conftest import tiny_model, tiny_tokenizer

CONFIG = Config(max_tokens=8, patch_profile="fast")  # its patches change what the tiny model says


def load_tiny() -> TransformersGenerator:
    torch.set_num_threads(1)
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=256)


def tiny_app(root: Path, load: Any = load_tiny, config: Config = CONFIG, **settings: Any) -> Any:
    encoder = EmbeddingsEncoder(HashEmbeddings(), "hash")
    return create_app(ServiceSettings(root, **settings), config, load, encoder)


def serve(root: Path, port: int, database: str = "") -> None:
    """Answer on this port of the loopback until a signal comes: for a process of its own."""
    import uvicorn

    settings = {"database": database, "job_lease_s": 2.0} if database else {}
    uvicorn.run(tiny_app(root, **settings), port=port, log_level="warning")
