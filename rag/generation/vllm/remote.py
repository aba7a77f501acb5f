"""A vLLM server elsewhere: ``concord serve-llm``, or ``vllm serve`` with the plugin, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from decoders.pairing import KEY
from decoders.trace import TRACE_SIZE, StepTrace
from rag.core.errors import ModelError, QuestionError, SettingError, UnavailableError
from rag.generation.vllm.identity import ModelIdentity
from rag.generation.vllm.server import Job, Piece

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
                    raise self._refusal(reply)
                async for line in reply.aiter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]":
                        yield _piece(job, json.loads(line.removeprefix("data: ")))
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"the vLLM server at {self._url} does not answer ({type(error).__name__}); ask again when it is back"
            ) from error

    async def close(self) -> None:
        """Close the connections."""
        self._checks.close()
        client, self._client = self._client, None
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
        if job.half is not None:
            body["vllm_xargs"] = {KEY: job.half.to_text()}
        if job.cache_salt:
            body["cache_salt"] = job.cache_salt
        if job.has_trace:
            body["logprobs"] = TRACE_SIZE
        if job.json_schema:
            body["structured_outputs"] = {"json": job.json_schema}
        return body

    def _refusal(self, reply: httpx.Response) -> Exception:
        if reply.status_code == 404:
            return ModelError(self._has_changed("another model"))
        if _is_refusal(reply.status_code):
            return QuestionError(f"vLLM refused the request: {_reason(reply)}")
        return UnavailableError(f"the vLLM server is not able to answer now: {_reason(reply)}")


def _piece(job: Job, chunk: dict[str, Any]) -> Piece:
    if "error" in chunk:
        code, reason = chunk["error"].get("code"), chunk["error"].get("message", chunk["error"])
        if isinstance(code, int) and _is_refusal(code):
            raise QuestionError(f"vLLM refused the request: {reason}")
        raise UnavailableError(f"vLLM gave the answer up: {reason}")
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


def _reason(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"HTTP {reply.status_code}"
