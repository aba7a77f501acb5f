"""Vector stores for a library: ``Engine.open(place, vector_store=qdrant)``, or the setting ``vector_store``.

Both keep their files in a folder and need no server. For a server, give its address in the place of the folder's.

    pip install langchain-qdrant langchain-milvus milvus-lite
    CONCORD_VECTOR_STORE=vector_stores:qdrant concord add library/ docs/
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

FOLDER = Path(os.environ.get("VECTORS", "vectors"))


def qdrant(embeddings: Embeddings, name: str) -> VectorStore:
    """A collection of Qdrant."""
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client.models import Distance, VectorParams

    client = qdrant_client(FOLDER / "qdrant")
    if not client.collection_exists(name):
        size = len(embeddings.embed_query("size"))
        client.create_collection(name, vectors_config=VectorParams(size=size, distance=Distance.COSINE))
    return QdrantVectorStore(client, name, embedding=embeddings)


def milvus(embeddings: Embeddings, name: str) -> VectorStore:
    """A collection of Milvus Lite, which is made with the first passage."""
    from langchain_milvus import Milvus

    FOLDER.mkdir(exist_ok=True)
    return Milvus(embeddings, collection_name=name, connection_args={"uri": str(FOLDER / "milvus.db")})


@cache
def qdrant_client(folder: Path) -> Any:
    """One client for each folder: Qdrant locks it."""
    from qdrant_client import QdrantClient

    return QdrantClient(path=str(folder), force_disable_check_same_thread=True)
