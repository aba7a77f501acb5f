"""A vLLM server elsewhere: ``concord serve-llm``, or ``vllm serve`` with the plugin, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NoReturn

import httpx

from decoders.pairing import KEY
from decoders.trace import TRACE_SIZE, StepTrace
from rag.core.errors import ModelError, QuestionError, SettingError, UnavailableError
from rag.generation.vllm.adapters import recipe as recipes
from rag.generation.vllm.adapters.recipe import PATH, AdapterLimits, PartsMissing, Recipe
from rag.generation.vllm.adapters.sender import PartSender
from rag.generation.vllm.identity import ModelIdentity
from rag.generation.vllm.server import MAX_SENDINGS, TOO_LITTLE_MEMORY, Job, Piece

_CONNECT_TIMEOUT_S = 10.0
# Health checks come every few seconds: a server that takes longer counts as down.
_CHECK_TIMEOUT_S = 2.0


class RemoteVllm:
    """vLLM's completions endpoint, prompts and answers as token ids.

    Args:
        url: the server's address, such as ``http://gpu-host:8000``.
        api_key: the server's key, if it asks for one.
        num_ranks: its data-parallel size; a pair goes to one rank.

    Raises:
        UnavailableError: no server answers there.
        ModelError: the server refuses to say which model it runs.
    """

    def __init__(self, url: str, *, api_key: str | None = None, num_ranks: int = 1) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._num_ranks = num_ranks
        self._client: httpx.AsyncClient | None = None
        self._sender: PartSender | None = None
        self._limits: AdapterLimits | None = None
        self._checks = httpx.Client(headers=self._headers, timeout=_CHECK_TIMEOUT_S)
        self.identity, self.window = self._ask_model(_CONNECT_TIMEOUT_S)

    def check(self) -> None:
        """Ask the server whether it would answer now, and with the same model.

        Raises:
            UnavailableError: it is down or unwell.
            ModelError: it runs another model now.
        """
        self._get("/health", _CHECK_TIMEOUT_S)
        identity, _ = self._ask_model(_CHECK_TIMEOUT_S)
        if identity != self.identity:
            raise ModelError(self._has_changed(identity.served_name))

    def _ask_model(self, timeout_s: float) -> tuple[ModelIdentity, int]:
        """Which model the server runs, and its window in tokens."""
        reply = self._get("/v1/models", timeout_s)
        try:
            # Adapters are listed too, each with the model that it belongs to.
            cards = [card for card in reply.json()["data"] if not card.get("parent")]
            return ModelIdentity.from_served_names([str(card["id"]) for card in cards]), int(cards[0]["max_model_len"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(f"{self._url} is no vLLM server: it does not describe its model ({error!r})") from error

    def _get(self, path: str, timeout_s: float) -> httpx.Response:
        try:
            reply = self._checks.get(f"{self._url}{path}", timeout=timeout_s)
            reply.raise_for_status()
        except httpx.HTTPStatusError as error:
            kind = UnavailableError if error.response.status_code >= 500 else ModelError
            raise kind(f"the vLLM server at {self._url} refused: {_reason(error.response)}") from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(
                f"no vLLM server answers at {self._url} ({reason}); start one with 'concord serve-llm'"
            ) from error
        return reply

    def _has_changed(self, name: str) -> str:
        return (
            f"the vLLM server at {self._url} no longer runs {self.identity.served_name} but {name}; "
            "start it with the model of before, or start this side anew"
        )

    async def run(self, job: Job) -> AsyncGenerator[Piece, None]:
        """The pieces of one job; closing the connection aborts it."""
        client, sender = self._connect()
        parts = [part.tensors for part in job.adapter.parts] if job.adapter else []
        try:
            for _ in range(MAX_SENDINGS):
                await sender.send(parts, job.cache_salt)
                try:
                    async with aclosing(self._stream(client, job)) as pieces:
                        async for piece in pieces:
                            yield piece
                    return
                except PartsMissing as missing:
                    # The server was started anew, or has dropped them for others. No token has come yet.
                    sender.forget(missing.digests, job.cache_salt)
        except httpx.HTTPStatusError as error:
            raise self._refusal(error.response) from error
        except httpx.HTTPError as error:
            raise self._no_answer(error) from error
        raise SettingError(TOO_LITTLE_MEMORY)

    def _connect(self) -> tuple[httpx.AsyncClient, PartSender]:
        if self._client is None or self._sender is None:
            timeout = httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S)
            limits = httpx.Limits(max_connections=None)
            self._client = httpx.AsyncClient(timeout=timeout, limits=limits, headers=self._headers)
            self._sender = PartSender(self._client, self._url)
        return self._client, self._sender

    async def _stream(self, client: httpx.AsyncClient, job: Job) -> AsyncGenerator[Piece, None]:
        headers = {"X-data-parallel-rank": str(int(job.key[:8], 16) % self._num_ranks)} if self._num_ranks > 1 else {}
        body = self._body(job)
        async with client.stream("POST", f"{self._url}/v1/completions", json=body, headers=headers) as reply:
            if reply.status_code >= 400:
                await reply.aread()
                raise self._refusal(reply)
            async for line in reply.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    chunk = self._chunk(line.removeprefix("data: "))
                    if "error" in chunk or chunk["choices"]:  # some servers end with the number of tokens alone
                        yield _piece(job, chunk)

    def _chunk(self, text: str) -> dict[str, Any]:
        """One event of a stream; a proxy may end a stream in the middle of one."""
        try:
            chunk = json.loads(text)
        except ValueError:
            chunk = None
        if not isinstance(chunk, dict) or not ("error" in chunk or "choices" in chunk):
            raise UnavailableError(f"the answer of the vLLM server at {self._url} was cut off; ask again")
        return chunk

    async def adapter_limits(self) -> AdapterLimits:
        """Which adapters the server takes; a server of another kind takes none."""
        if self._limits is None:
            try:
                reply = await asyncio.to_thread(self._checks.get, f"{self._url}{PATH}", timeout=_CONNECT_TIMEOUT_S)
            except httpx.HTTPError as error:
                raise self._no_answer(error) from error
            if reply.status_code >= 500:
                raise self._refusal(reply)
            self._limits = AdapterLimits(**reply.json()) if reply.status_code == 200 else AdapterLimits(0)
        return self._limits

    async def close(self) -> None:
        """Close the connections."""
        self._checks.close()
        client, self._client, self._sender = self._client, None, None
        if client is not None:
            await client.aclose()

    def _body(self, job: Job) -> dict[str, Any]:
        draw = job.draw
        body: dict[str, Any] = {
            "model": self.identity.served_name,
            "prompt": list(job.prompt_ids),
            "temperature": draw.temperature,
            "top_p": draw.top_p,
            "top_k": draw.top_k,
            "min_p": draw.min_p,
            "max_tokens": job.max_tokens,
            "stop_token_ids": list(job.stop_token_ids),
            "stream": True,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }
        if not draw.is_greedy:
            body["seed"] = draw.seed
        extra = {KEY: job.half.to_text()} if job.half is not None else {}
        if job.adapter is not None:
            base = self._limits.base if self._limits else ""
            extra[recipes.KEY] = Recipe.describe(job.adapter, job.cache_salt, base).to_text()
        if extra:
            body["vllm_xargs"] = extra
        if job.cache_salt:
            body["cache_salt"] = job.cache_salt
        if job.has_trace:
            body["logprobs"] = TRACE_SIZE
        if job.json_schema:
            body["structured_outputs"] = {"json": job.json_schema}
        return body

    def _no_answer(self, error: httpx.HTTPError) -> UnavailableError:
        reason = type(error).__name__
        return UnavailableError(f"the vLLM server at {self._url} does not answer ({reason}); ask again when it is back")

    def _refusal(self, reply: httpx.Response) -> Exception:
        if reply.status_code == 404:
            return ModelError(self._has_changed("another model"))
        if _is_refusal(reply.status_code):
            return QuestionError(f"vLLM refused the request: {_reason(reply)}")
        return UnavailableError(f"the vLLM server is not able to answer now: {_reason(reply)}")


def _piece(job: Job, chunk: dict[str, Any]) -> Piece:
    if "error" in chunk:
        _raise_error(chunk["error"])
    choice = chunk["choices"][0]
    if choice.get("finish_reason") == "abort":
        raise UnavailableError(f"vLLM gave the answer up: {choice.get('stop_reason') or 'aborted'}")
    token_ids = tuple(choice.get("token_ids") or ())
    if not job.has_trace:
        return Piece(token_ids)
    positions = (choice.get("logprobs") or {}).get("top_logprobs") or ()
    return Piece(token_ids, tuple(StepTrace.from_numbers(list(position.values())[1:]) for position in positions))


def _is_refusal(status: int) -> bool:
    """Whether the request is at fault, and the same one will never be answered."""
    return 400 <= status < 500 and status not in (408, 429)


def _raise_error(error: Any) -> NoReturn:
    """The error that came where a token should have come."""
    message, code = (error.get("message", str(error)), error.get("code")) if isinstance(error, dict) else (error, None)
    if missing := PartsMissing.from_message(message):
        raise missing
    if isinstance(code, int) and _is_refusal(code):
        raise SettingError(f"vLLM refused the request: {message}")
    raise UnavailableError(f"vLLM gave the answer up: {message}")


def _reason(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"HTTP {reply.status_code}"
