"""The generator over a real vLLM: the same tokens as ``transformers``, and what happens when something goes wrong."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import httpx
import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

from decoders.pairing import KEY, Half
from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Dial, Memory, Plain
from rag.core.errors import ModelError, QuestionError, SettingError, UnavailableError
from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Message, Sampling
from rag.core.settings.config import Config
from rag.generation.adapters.packed import pack
from rag.generation.base import Adapter, Generation, Request
from rag.generation.load import load_generator
from rag.generation.vllm.adapters import recipe as recipes
from rag.generation.vllm.adapters.recipe import Recipe
from rag.generation.vllm.generator import VllmGenerator
from rag.models.fingerprint import model_fingerprint
from tests.vllm_plugin.soak import TIE, score_gap

pytestmark = pytest.mark.real
DECODERS: dict[str, DecoderParams] = {
    "plain": Plain(),
    "cad": Cad(),
    "adacad": AdaCad(),
    "ckplug-0": CkPlug(alpha=0.0),
    "ckplug-auto": CkPlug(),
    "coiecd": Coiecd(),
    "dial-0": Dial(0.0),
    "dial-auto": Dial(),
}
NUM_PROMPTS = 24


@pytest.fixture(scope="module")
def vllm() -> Iterator[VllmGenerator]:
    engine = load_generator(Config(engine="vllm", engine_options={"max_num_seqs": 64, "max_model_len": 1024}))
    assert isinstance(engine, VllmGenerator)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server as ``concord serve-llm`` starts it, with a key."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "from rag.cli.app import main; main()"
    options = ["--port", str(port), "--max-num-seqs", "16", "--max-model-len", "512", "--api-key", "secret"]
    process = subprocess.Popen([sys.executable, "-c", start, "serve-llm", *options], start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 400
        while not _is_ready(url):
            assert process.poll() is None, "the server ended while it started"
            assert time.monotonic() < deadline, "the server does not come up"
            time.sleep(1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def remote(server: str) -> Iterator[VllmGenerator]:
    patch = pytest.MonkeyPatch()
    patch.setenv("CONCORD_ENGINE_KEY", "secret")
    engine = load_generator(Config(engine=server))
    assert isinstance(engine, VllmGenerator)
    yield engine
    engine.close()
    patch.undo()


@pytest.fixture(scope="module")
def requests(generator: Any, facts: list[dict[str, Any]]) -> list[Request]:
    pairs = []
    for number, fact in enumerate(facts[:NUM_PROMPTS]):
        kind = "conflicting" if number % 2 else "agreeing"
        pair = build_prompts(fact["question"], [Passage("p:0", "p", "s", "", fact[f"{kind}_context"])])
        ids = generator.encode(pair.context), generator.encode(pair.parametric)
        pairs.append(Request.pair(*ids, AdaCad(), Sampling(max_tokens=12), has_probes=False))
    return pairs


Compared = dict[str, list[tuple[Request, Generation, Generation]]]


@pytest.fixture(scope="module")
def compared(vllm: VllmGenerator, generator: Any, requests: list[Request]) -> Compared:
    """Request, answer of transformers and of vLLM by decoder; all in one batch, which reads each prompt once."""
    asked = [(name, replace(request, decoder=params)) for name, params in DECODERS.items() for request in requests]
    both = [engine.generate([request for _, request in asked]) for engine in (generator, vllm)]
    outcomes: Compared = {name: [] for name in DECODERS}
    for (name, request), one, other in zip(asked, *both, strict=True):
        outcomes[name].append((request, one, other))
    return outcomes


def assert_close_call(generator: Any, request: Request, one: Generation, other: Generation) -> None:
    """The answers part at two tokens whose scores are so close that rounding decides: it differs between machines."""
    pairs = zip([s.token_id for s in one.steps], [s.token_id for s in other.steps], strict=False)
    place, (a, b) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    gap = score_gap(generator._model, request, one.token_ids[:place], a, b)
    assert gap < TIE, f"departs at token {place}: {a} and {b}, whose scores differ by {gap:.3g}"


@pytest.mark.parametrize("decoder", DECODERS)
def test_equals_transformers(compared: Compared, generator: Any, decoder: str) -> None:
    for request, one, other in compared[decoder]:
        if one.token_ids != other.token_ids:
            assert_close_call(generator, request, one, other)
            continue
        assert one.text == other.text
        assert one.finish_reason == other.finish_reason
        for step, twin in zip(one.steps, other.steps, strict=True):
            assert twin.jsd == (None if decoder == "plain" else pytest.approx(step.jsd, abs=1e-4))
            assert twin.weight == pytest.approx(step.weight, abs=1e-3)
            assert twin.parametric_top == step.parametric_top
            # Plain decoding is one ordinary request to vLLM, which reports no trace.
            assert twin.context_top == (None if decoder == "plain" else step.context_top)


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 24}, "is_sure": {"type": "boolean"}},
    "required": ["name", "is_sure"],
    "additionalProperties": False,
}
CONSTRAINED: list[DecoderParams] = [Plain(), Dial(), Dial(0.0), Cad(2.0), Memory()]


@pytest.mark.parametrize("place", ["vllm", "remote"])
def test_a_schema_holds_under_every_decoder(
    place: str, requests: list[Request], request: pytest.FixtureRequest
) -> None:
    """In one batch with answers that have none, which stay as they are."""
    engine: VllmGenerator = request.getfixturevalue(place)
    free = requests[:4]
    alone = engine.generate(free)
    bound = Sampling(max_tokens=48, json_schema=json.dumps(SCHEMA))
    draws = [bound, replace(bound, temperature=1.0, seed=3)]
    asked = [
        replace(free[number % 4], decoder=params, sampling=draw, has_probes=has_probes)
        for number, (params, draw, has_probes) in enumerate(product(CONSTRAINED, draws, (False, True)))
    ]
    mixed = engine.generate([*asked, *free])
    for answer in mixed[: len(asked)]:
        assert answer.finish_reason == "stop", answer.text
        values = json.loads(answer.text)
        assert sorted(values) == ["is_sure", "name"]
        assert isinstance(values["is_sure"], bool)
        assert all(step.jsd is None or 0 <= step.jsd <= math.log(2) + 1e-4 for step in answer.steps)
    assert [answer.text for answer in mixed[len(asked) :]] == [answer.text for answer in alone]


def test_a_schema_that_is_none_is_refused(vllm: VllmGenerator, requests: list[Request]) -> None:
    bad = Sampling(max_tokens=4, json_schema='{"type": "nonsense"}')
    with pytest.raises(QuestionError, match="refused"):
        vllm.generate([replace(requests[0], decoder=Plain(), sampling=bad)])


def test_sampling_draws_once_per_pair_and_by_the_seed(
    vllm: VllmGenerator, generator: Any, requests: list[Request]
) -> None:
    drawn = Sampling(max_tokens=12, temperature=1.0, top_p=0.9, sample_top_k=50, min_p=0.02, seed=11)
    asked = [replace(request, sampling=drawn) for request in requests[:8]]
    expected = [answer.text for answer in generator.generate(asked)]
    assert [answer.text for answer in vllm.generate(asked)] == expected
    other = [replace(request, sampling=replace(drawn, seed=12)) for request in asked]
    assert [answer.text for answer in vllm.generate(other)] != expected


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_single_stream_equals_transformers(
    vllm: VllmGenerator, generator: Any, requests: list[Request], temperature: float
) -> None:
    """Whatever its rule; the other stream is not told of."""
    # Among few tokens: over the whole vocabulary, rounding would decide which of two neighbours a draw hits.
    drawn = Sampling(max_tokens=12, temperature=temperature, sample_top_k=20, seed=3)
    asked = [Request.single(request.context_ids, drawn) for request in requests[:6]]
    memory = [Request({"parametric": r.streams["parametric"]}, Memory(), drawn, has_probes=False) for r in requests[:6]]
    for one, other in zip(generator.generate([*asked, *memory]), vllm.generate([*asked, *memory]), strict=True):
        assert one.token_ids == other.token_ids
    for answer in vllm.generate(asked):
        assert {(step.jsd, step.parametric_entropy, step.parametric_top) for step in answer.steps} == {(None,) * 3}


@pytest.mark.parametrize("place", ["vllm", "remote"])
def test_a_reply_that_is_given_gets_its_probability(
    place: str, generator: Any, requests: list[Request], request: pytest.FixtureRequest
) -> None:
    """Among answers that choose their own tokens."""
    engine: VllmGenerator = request.getfixturevalue(place)
    free = [Request.single(one.context_ids, Sampling(max_tokens=6)) for one in requests[:3]]
    asked = [one.saying(engine.encode_reply(text)) for one in free for text in ("Edda Lindqvist", "in 1999", "yes")]
    *expected, _, _, _ = generator.generate([*asked, *free])
    *told, _, _, _ = engine.generate([*asked, *free])
    for wanted, one, other in zip(asked, expected, told, strict=True):
        assert [step.token_id for step in other.steps] == list(wanted.forced)
        logprobs = [step.context_logprob for step in one.steps]
        assert [step.context_logprob for step in other.steps] == pytest.approx(logprobs, abs=1e-3)


def test_passage_streams_are_refused(vllm: VllmGenerator, requests: list[Request]) -> None:
    streams = {**requests[0].streams, "passage:1": requests[0].streams["context"]}
    with pytest.raises(SettingError, match="passage:1"):
        vllm.generate([replace(requests[0], streams=streams, has_probes=True)])


def test_probes_are_each_streams_own_answer(vllm: VllmGenerator, generator: Any, requests: list[Request]) -> None:
    asked = [replace(request, has_probes=True) for request in requests[:8]]
    for one, other in zip(generator.generate(asked), vllm.generate(asked), strict=True):
        assert (one.context_answer, one.memory_answer) == (other.context_answer, other.memory_answer)


def test_over_http_too(remote: VllmGenerator, generator: Any, requests: list[Request]) -> None:
    asked = [replace(r, decoder=d) for r in requests[:3] for d in DECODERS.values()]
    for request, one, other in zip(asked, generator.generate(asked), remote.generate(asked), strict=True):
        if one.token_ids != other.token_ids:
            assert_close_call(generator, request, one, other)
            continue
        assert [s.jsd for s in other.steps] == pytest.approx([s.jsd for s in one.steps], abs=1e-4)


def build_patched(requests: list[Request], adapters: list[Any], salt: str = "") -> list[Request]:
    """Questions with as many different sets of patches, among pairs, patches against patches, and plain ones."""
    asked = []
    for number, request in enumerate(requests):
        weights = (1.0, round(0.3 + number / 50, 2))
        parts = [replace(adapter.parts[0], weight=w) for adapter, w in zip(adapters, weights, strict=True)]
        both = Adapter(f"both-{number}", tuple(parts[:: 1 - 2 * (number % 2)]))
        ids = request.parametric_ids
        patched = Request.pair(
            ids, ids, (AdaCad(), Plain())[number % 2], Sampling(max_tokens=6), has_probes=False,
            context_adapter=both, cache_salt=salt,
        )  # fmt: skip
        asked += [patched, request, patched.with_adapter("parametric", adapters[0])][: 1 + number % 3]
    return asked


def test_different_patches_for_each_question_over_http(
    remote: VllmGenerator, server: str, generator: Any, requests: list[Request], adapters: list[Any]
) -> None:
    """The answers of this process; then of a server that has lost the patches, and for a tenant that never sent any."""
    assert remote.base == model_fingerprint(generator.model)
    asked = build_patched(requests, adapters)
    expected = generator.generate(asked)
    assert len({answer.token_ids for answer in expected}) > len(requests) / 2  # else this test could not fail
    for request, one, other in zip(asked, expected, remote.generate(asked), strict=True):
        if one.token_ids != other.token_ids:
            assert_close_call(generator, request, one, other)
    recipe = Recipe.describe(adapters[0], "ben")
    refused = post(server, {"vllm_xargs": {recipes.KEY: recipe.to_text()}})
    assert adapters[0].parts[0].tensors.digest in refused.text
    for answered in (build_patched(requests[:2], adapters, "ben"), build_patched(requests[:2], adapters, "ann")):
        # This side believes that all parts are there.
        sender: Any = remote._server._sender  # type: ignore[attr-defined]
        sent = next(iter(sender._sent.values()))
        sender._sent |= {(one.parts[0].tensors.digest, salt): sent for one in adapters for salt in ("ann", "ben")}
        for one, other in zip(generator.generate(answered), remote.generate(answered), strict=True):
            assert one.token_ids[0] == other.token_ids[0]


def test_bad_patches_over_http(
    remote: VllmGenerator, server: str, requests: list[Request], adapters: list[Any]
) -> None:
    """Each gets a line that says what is wrong, and the server goes on."""
    big = Adapter("big", adapters[0].parts * 17)
    with pytest.raises(SettingError, match=r"rank 68, and vLLM takes up to 64; .*--max-lora-rank 128"):
        remote.check_adapter(big)
    with pytest.raises(SettingError, match="rank 68; this engine takes 64"):
        remote.generate([requests[0].with_adapter("context", big)])
    narrow = pack({layer: (a[:, :9], b) for layer, (a, b) in adapters[0].tensors.items()})
    with pytest.raises(QuestionError, match=r"the model has \d+ x \d+ there"):
        remote.generate([requests[0].with_adapter("context", Adapter.single("narrow", narrow))])
    content = narrow.to_bytes()
    for key, digest, status in (("wrong", narrow.digest, 401), ("secret", "0" * 64, 400), ("secret", "x/y", 404)):
        headers = {"Authorization": f"Bearer {key}"}
        reply = httpx.put(f"{server}{recipes.PATH}/{digest}", content=content, headers=headers, timeout=30)
        assert reply.status_code == status
    refused = post(server, {"vllm_xargs": {recipes.KEY: "nonsense"}})
    assert recipes.KEY in refused.text
    assert remote.generate(requests[:1])[0].text


def post(server: str, body: dict[str, Any]) -> httpx.Response:
    request = {"model": "SmolLM2-135M-Instruct", "prompt": [1, 2, 3], "max_tokens": 4, "temperature": 0} | body
    return httpx.post(f"{server}/v1/completions", json=request, headers={"Authorization": "Bearer secret"}, timeout=60)


@pytest.mark.parametrize("which", ["vllm", "remote"])
def test_a_client_that_leaves_frees_both_halves(
    which: str, requests: list[Request], request: pytest.FixtureRequest
) -> None:
    engine: VllmGenerator = request.getfixturevalue(which)
    long = replace(requests[0], sampling=Sampling(max_tokens=300), decoder=CkPlug(alpha=0.9))
    before = engine.generate(requests[:2])
    streams = [engine.stream([long]) for _ in range(4)]
    for events in streams:
        next(events)
    for events in streams:
        events.close()
    # The rows are free again: the same questions are answered, by the same words.
    assert [a.text for a in engine.generate(requests[:2])] == [a.text for a in before]


def test_threads_share_the_engine(vllm: VllmGenerator, generator: Any, requests: list[Request]) -> None:
    expected = vllm.generate(requests[:8])
    answers: dict[int, Generation] = {}

    def ask(number: int) -> None:
        answers[number] = vllm.generate([requests[number]])[0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, one in enumerate(expected):
        if one.token_ids != answers[number].token_ids:
            assert_close_call(generator, requests[number], one, answers[number])


def test_stop_strings_end_both_halves(vllm: VllmGenerator, requests: list[Request]) -> None:
    whole = vllm.generate([requests[0]])[0].text
    stop = whole.split()[1]
    asked = replace(requests[0], sampling=Sampling(max_tokens=12, stop=(stop,)))
    cut = vllm.generate([asked])[0]
    assert cut.finish_reason == "stop"
    assert cut.text == whole.split(stop)[0].strip()


def test_a_prompt_over_the_window_is_refused(vllm: VllmGenerator) -> None:
    ids = vllm.encode([Message("user", "word " * 1200)])
    with pytest.raises(QuestionError, match="window"):
        vllm.generate([Request.pair(ids, ids, AdaCad(), Sampling())])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"vllm_xargs": {KEY: "nonsense"}}, "JSON object"),
        ({"vllm_xargs": {KEY: '{"pair": "x", "role": "context", "decoder": "magic"}'}}, "unknown decoder"),
        ({"n": 2, "temperature": 1.0}, "n=2"),
        ({"logit_bias": {"5": 1.0}}, "logit_bias"),
        ({"min_tokens": 3}, "min_tokens"),
        ({"logprobs": 3}, "logprobs"),
        ({"use_beam_search": True}, "beam search"),
    ],
)
def test_bad_pairs_get_http_400(server: str, body: dict[str, Any], reason: str) -> None:
    half = Half("x", "context", AdaCad())
    request = {"model": "SmolLM2-135M-Instruct", "prompt": [1, 2, 3], "max_tokens": 4, "temperature": 0}
    request |= {"vllm_xargs": {KEY: half.to_text()}} | body
    reply = httpx.post(f"{server}/v1/completions", json=request, headers={"Authorization": "Bearer secret"}, timeout=30)
    assert reply.status_code == 400, reply.text
    assert reason in reply.text


def test_a_pair_id_used_twice_is_told_why(server: str, remote: VllmGenerator, requests: list[Request]) -> None:
    """Over plain HTTP, as another client would: the first stays, the second learns the reason."""
    half = Half("twice", "context", AdaCad())
    request = {"model": "SmolLM2-135M-Instruct", "prompt": [1, 2, 3], "max_tokens": 4, "temperature": 0}
    request |= {"vllm_xargs": {KEY: half.to_text()}}
    headers = {"Authorization": "Bearer secret"}
    waiting = threading.Thread(target=lambda: _ignore(server, request, headers))
    waiting.start()
    time.sleep(1)
    reply = httpx.post(f"{server}/v1/completions", json=request, headers=headers, timeout=30)
    waiting.join()
    assert "in use" in reply.text
    assert remote.generate(requests[:1])[0].text


def _ignore(server: str, request: dict[str, Any], headers: dict[str, str]) -> None:
    with suppress(httpx.TimeoutException):
        httpx.post(f"{server}/v1/completions", json=request, headers=headers, timeout=4)


def test_a_wrong_key_and_a_dead_address_are_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCORD_ENGINE_KEY", "wrong")
    with pytest.raises(ModelError, match="refused"):
        load_generator(Config(engine=server))
    with pytest.raises(UnavailableError, match="serve-llm"):
        load_generator(Config(engine="http://127.0.0.1:9"))


def test_a_dead_engine_fails_its_answers_and_comes_back(vllm: VllmGenerator, requests: list[Request]) -> None:
    """Last in this file: it kills the engine."""
    expected = vllm.generate(requests[:1])[0].text
    long = replace(requests[0], sampling=Sampling(max_tokens=600), decoder=CkPlug(alpha=0.9))
    events = vllm.stream([long])
    next(events)
    _kill_engine()
    with pytest.raises(UnavailableError):
        list(events)
    assert vllm.generate(requests[:1])[0].text == expected


def _kill_engine() -> None:
    """kill -9 for the engine core's process (not the server's, which is no child of ours)."""
    listing = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    pids = [int(line.split()[0]) for line in listing.stdout.splitlines() if "EngineCore" in line]
    assert pids, listing.stdout
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
