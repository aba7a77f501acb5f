"""A worker over the tiny model of :mod:`tests.service.tiny`. Run it with DATABASE LEASE_SECONDS."""

from __future__ import annotations

import sys

from rag.models.sentence_encoder import EmbeddingsEncoder
from rag.service.jobs.worker import PatchWorker
from tests.conftest import HashEmbeddings
from tests.service.tiny import CONFIG, load_tiny


def tiny_worker(database: str, lease_s: float = 30.0) -> PatchWorker:
    encoder = EmbeddingsEncoder(HashEmbeddings(), "hash")
    return PatchWorker(database, CONFIG, load_tiny, encoder, lease_s=lease_s)


if __name__ == "__main__":
    worker = tiny_worker(sys.argv[1], float(sys.argv[2]))
    print("ready", flush=True)
    worker.run()
