"""Sends the parts of adapters to a server, each once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import httpx

from rag.generation.vllm.adapters.recipe import PATH, SALT_HEADER

if TYPE_CHECKING:
    from rag.generation.adapters.packed import PackedTensors

# Parts that this side remembers to have sent; of older ones it asks again by sending them.
_MAX_REMEMBERED = 10_000
# A server that neither takes a part nor breaks the connection would keep all who wait for it: they share one sending.
_TIMEOUT_S = 120.0


class PartSender:
    """The parts that one server has got from here.

    Args:
        client: to the server.
        url: its address.
        timeout_s: longest wait for the server over one part; then it is sent again for whoever asks next.
    """

    def __init__(self, client: httpx.AsyncClient, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._client = client
        self._url = url
        self._timeout_s = timeout_s
        self._sent: OrderedDict[tuple[str, str], asyncio.Task[None]] = OrderedDict()

    def forget(self, digests: Iterable[str], salt: str) -> None:
        """The server does not have these parts any more."""
        for digest in digests:
            self._sent.pop((digest, salt), None)

    async def send(self, parts: Iterable[PackedTensors], salt: str) -> None:
        """Send what the server has not got yet; several callers may want the same.

        Raises:
            httpx.HTTPError: the server did not take a part; as ``HTTPStatusError`` where it said why.
        """
        await asyncio.gather(*(self._send_once(part, salt) for part in parts))

    async def _send_once(self, part: PackedTensors, salt: str) -> None:
        key = (part.digest, salt)
        sending = self._sent.get(key)
        if sending is None or _has_failed(sending):
            sending = self._sent[key] = asyncio.ensure_future(self._put(part, salt))
        # Shielded: another caller may wait for the same part, and goes on when this one is cancelled.
        await asyncio.shield(sending)
        if key in self._sent:  # not where another caller has learnt meanwhile that the server lost it
            self._sent.move_to_end(key)
        while len(self._sent) > _MAX_REMEMBERED:
            self._sent.popitem(last=False)

    async def _put(self, part: PackedTensors, salt: str) -> None:
        url = f"{self._url}{PATH}/{part.digest}"
        headers = {SALT_HEADER: salt}
        reply = await self._client.put(url, content=part.to_bytes(), headers=headers, timeout=self._timeout_s)
        reply.raise_for_status()


def _has_failed(sending: asyncio.Task[None]) -> bool:
    return sending.done() and (sending.cancelled() or sending.exception() is not None)
