"""A worker over the tiny model of :mod:`tests.service.tiny`."""

from __future__ import annotations

from rag.models.sentence_encoder import EmbeddingsEncoder
from rag.service.jobs.worker import PatchWorker
from tests.conftest import HashEmbeddings
from tests.service.tiny import CONFIG, load_tiny


def tiny_worker(database: str, lease_s: float = 30.0) -> PatchWorker:
    encoder = EmbeddingsEncoder(HashEmbeddings(), "hash")
    return PatchWorker(database, CONFIG, load_tiny, encoder, lease_s=lease_s)


def work(database: str, lease_s: float) -> None:
    """Build until a signal comes: for a process of its own."""
    tiny_worker(database, lease_s).run()
