"""A vLLM server elsewhere: ``concord serve-llm``, or ``vllm serve`` with the plugin, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from decoders.pairing import KEY
from decoders.trace import TRACE_SIZE, StepTrace
from rag.core.errors import ModelError, QuestionError, SettingError, UnavailableError
from rag.generation.vllm.generator import Job, Piece

_CONNECT_TIMEOUT_S = 10.0


class RemoteVllm:
    """vLLM's completions endpoint, prompts and answers as token ids.

    Args:
        url: the server's address, such as ``http://gpu-host:8000``.
        api_key: the server's key, if it asks for one.
        num_ranks: its data-parallel size; a pair goes to one rank.

    Raises:
        UnavailableError: nobody answers there.
    """

    def __init__(self, url: str, *, api_key: str | None = None, num_ranks: int = 1) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._num_ranks = num_ranks
        self._client: httpx.AsyncClient | None = None
        card = self._card()
        self.model = str(card["id"])
        self.root = str(card.get("root") or card["id"])
        self.window = int(card["max_model_len"])

    def _card(self) -> dict[str, Any]:
        try:
            reply = httpx.get(f"{self._url}/v1/models", headers=self._headers, timeout=_CONNECT_TIMEOUT_S)
            reply.raise_for_status()
            return dict(reply.json()["data"][0])
        except httpx.HTTPStatusError as error:
            raise ModelError(f"the vLLM server at {self._url} refused: {_reason(error.response)}") from error
        except (httpx.HTTPError, ValueError, LookupError) as error:
            raise UnavailableError(
                f"no vLLM server answers at {self._url} ({error}); start one with 'concord serve-llm'"
            ) from error

    async def run(self, job: Job) -> AsyncGenerator[Piece, None]:
        """The pieces of one job; closing the connection aborts it."""
        if job.adapter is not None:
            raise SettingError("a vLLM server over HTTP runs no patches; take engine='vllm' or 'transformers' for them")
        if self._client is None:
            timeout = httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S)
            limits = httpx.Limits(max_connections=None)
            self._client = httpx.AsyncClient(timeout=timeout, limits=limits, headers=self._headers)
        headers = {"X-data-parallel-rank": str(int(job.key[:8], 16) % self._num_ranks)} if self._num_ranks > 1 else {}
        try:
            async with self._client.stream(
                "POST", f"{self._url}/v1/completions", json=self._body(job), headers=headers
            ) as reply:
                if reply.status_code >= 400:
                    await reply.aread()
                    raise _refusal(reply)
                async for line in reply.aiter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]":
                        yield _piece(job, json.loads(line.removeprefix("data: ")))
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"the vLLM server at {self._url} does not answer ({type(error).__name__}); ask again when it is back"
            ) from error

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _body(self, job: Job) -> dict[str, Any]:
        draw = job.draw
        body: dict[str, Any] = {
            "model": self.model,
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
        if job.half is not None:
            body["vllm_xargs"] = {KEY: job.half.to_text()}
        if job.cache_salt:
            body["cache_salt"] = job.cache_salt
        if job.has_trace:
            body["logprobs"] = TRACE_SIZE
        return body


def _piece(job: Job, chunk: dict[str, Any]) -> Piece:
    if "error" in chunk:
        raise UnavailableError(f"vLLM gave the answer up: {chunk['error'].get('message', chunk['error'])}")
    choice = chunk["choices"][0]
    if choice.get("finish_reason") == "abort":
        raise UnavailableError(f"vLLM gave the answer up: {choice.get('stop_reason') or 'aborted'}")
    token_ids = tuple(choice.get("token_ids") or ())
    if not job.has_trace:
        return Piece(token_ids)
    positions = (choice.get("logprobs") or {}).get("top_logprobs") or ()
    return Piece(token_ids, tuple(StepTrace.from_numbers(list(position.values())[1:]) for position in positions))


def _refusal(reply: httpx.Response) -> Exception:
    if reply.status_code < 500 and reply.status_code not in (408, 429):
        return QuestionError(f"vLLM refused the request: {_reason(reply)}")
    return UnavailableError(f"the vLLM server is not able to answer now: {_reason(reply)}")


def _reason(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"HTTP {reply.status_code}"
