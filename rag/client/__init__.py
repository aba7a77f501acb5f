"""A library behind a Concord service, with the methods of :class:`rag.engine.Engine`.

from rag.client import Client
answer = Client("http://127.0.0.1:8080", library="harbour").ask("Who runs the harbour?")
"""

from __future__ import annotations

from rag.client.asynchronous import AsyncClient
from rag.client.sync import Client

__all__ = ["AsyncClient", "Client"]
