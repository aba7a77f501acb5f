"""The batched generator: equal to the one-at-a-time twin on every architecture, whatever the batch."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from decoders.params import AdaCad, Cad, CkPlug, Coiecd, DecoderParams, Dial, Memory, Plain
from rag.core.errors import ModelError, QuestionError, SettingError
from rag.core.query import Message, Sampling
from rag.generation.base import Chunk, Done, Request
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import VOCAB, tiny_model, tiny_tokenizer
from tests.oracles import twin

EOS = frozenset([1])
RULES: list[tuple[DecoderParams, twin.Rule]] = [
    (Plain(), twin.plain),
    (Memory(), twin.memory),
    (Cad(), twin.cad(1.0)),
    (AdaCad(), twin.adacad),
    (CkPlug(0.0), twin.ckplug(0.0)),
    (CkPlug(0.75), twin.ckplug(0.75)),
    (CkPlug(), twin.ckplug(None)),
    (Coiecd(), twin.coiecd),
    (Dial(0.0), twin.dial(0.0)),
    (Dial(0.5), twin.plain),
    (Dial(0.75), twin.dial(0.75)),
    (Dial(1.0), twin.memory),
    (Dial(), twin.dial(None)),
]


def prompts(num: int, seed: int = 0) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    rng = random.Random(seed)

    def words(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.randrange(3, VOCAB) for _ in range(rng.randrange(low, high)))

    return [(words(12, 40), words(3, 9)) for _ in range(num)]


def requests(num: int, params: DecoderParams = AdaCad(), seed: int = 0) -> list[Request]:  # noqa: B008 - frozen
    return [Request.pair(c, p, params, Sampling(max_tokens=16)) for c, p in prompts(num, seed)]


@pytest.fixture(scope="module")
def llama() -> TransformersGenerator:
    return TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")


def test_equals_the_twin(architecture: str) -> None:
    """All rules at once, in one batch with their probes, so that rows are shared, fork and leave."""
    model = tiny_model(architecture)
    pairs = prompts(2, seed=2)
    expected = [twin.generate(model, c, p, rule, 16, EOS) for _, rule in RULES for c, p in pairs]
    generator = TransformersGenerator(model, tiny_tokenizer(), architecture)
    batch = [Request.pair(c, p, params, Sampling(max_tokens=16)) for params, _ in RULES for c, p in pairs]
    got = generator.generate(batch)
    assert [list(result.token_ids) for result in got] == expected
    assert len({tuple(tokens) for tokens in expected}) > len(pairs)  # the rules do differ


def test_probes_are_the_streams_own_answers(llama: TransformersGenerator) -> None:
    plain, memory = (llama.generate(requests(6, params)) for params in (Plain(), Memory()))
    for result, context, parametric in zip(llama.generate(requests(6)), plain, memory, strict=True):
        assert result.context_answer == context.text
        assert result.memory_answer == parametric.text


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_batch_mates_do_not_matter(llama: TransformersGenerator, batch_size: int) -> None:
    every = requests(8)
    expected = {request.context_ids: llama.generate([request])[0] for request in every}
    random.Random(batch_size).shuffle(every)
    for first in range(0, len(every), batch_size):
        batch = every[first : first + batch_size]
        for request, result in zip(batch, llama.generate(batch), strict=True):
            alone = expected[request.context_ids]
            assert result.token_ids == alone.token_ids
            assert [s.jsd for s in result.steps] == pytest.approx([s.jsd for s in alone.steps], abs=1e-5)


def test_more_requests_than_rows() -> None:
    model = tiny_model("llama")
    every = requests(10)
    whole = TransformersGenerator(model, tiny_tokenizer(), "tiny").generate(every)
    narrow = TransformersGenerator(model, tiny_tokenizer(), "tiny", max_rows=4).generate(every)
    assert [r.token_ids for r in narrow] == [r.token_ids for r in whole]


def test_equal_requests_share_rows(llama: TransformersGenerator) -> None:
    request = requests(1)[0]
    results = llama.generate([request] * 5)
    assert len(set(results)) == 1


def test_stream_gives_the_text_in_pieces(llama: TransformersGenerator) -> None:
    events = list(llama.stream(requests(3)))
    results = llama.generate(requests(3))
    for index, result in enumerate(results):
        pieces = [event.text for event in events if isinstance(event, Chunk) and event.index == index]
        assert "".join(pieces).strip() == result.text
        assert len(pieces) > 1
    assert [event.generation for event in sorted(filter(is_done, events), key=lambda e: e.index)] == results


def is_done(event: object) -> bool:
    return isinstance(event, Done)


def test_a_closed_stream_stops(llama: TransformersGenerator) -> None:
    stream = llama.stream(requests(2))
    next(stream)
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)


def test_stop_strings_end_the_answer(llama: TransformersGenerator) -> None:
    request = requests(1)[0]
    free = llama.generate([request])[0]
    word = free.text.split()[3]
    cut = llama.generate([replace(request, sampling=replace(request.sampling, stop=(word,)))])[0]
    assert cut.text == free.text[: free.text.index(word)].strip()
    assert cut.finish_reason == "stop"


def test_sampling_is_seeded_and_drawn_once_per_pair(llama: TransformersGenerator) -> None:
    def sample(seed: int, mates: int = 0) -> tuple[int, ...]:
        sampling = Sampling(max_tokens=16, temperature=1.5, top_p=0.95, sample_top_k=50, min_p=0.01, seed=seed)
        batch = [replace(request, sampling=sampling) for request in requests(1 + mates)]
        return llama.generate(batch)[0].token_ids

    assert sample(1) == sample(1) == sample(1, mates=4)
    assert len({sample(seed) for seed in range(5)}) > 1


def test_length_is_reported(llama: TransformersGenerator) -> None:
    request = requests(1)[0]
    short = llama.generate([replace(request, sampling=Sampling(max_tokens=2))])[0]
    assert short.finish_reason == "length"
    assert len(short.token_ids) == len(short.steps) == 2


def test_too_long_a_prompt_is_refused(llama: TransformersGenerator) -> None:
    long = Request.pair((5,) * 250, (5,), Plain(), Sampling(max_tokens=16))
    with pytest.raises(QuestionError, match="window of 256 tokens"):
        llama.generate([long])


def test_a_tokenizer_that_adds_bos_and_eos() -> None:
    tokenizer = tiny_tokenizer(adds_bos=True, adds_eos=True)
    ids = TransformersGenerator(tiny_model("llama"), tokenizer, "tiny").encode([Message("user", "w5 w6 w7")])
    assert ids == (2, 5, 6, 7)


def test_a_chat_template_is_used_once() -> None:
    tokenizer = tiny_tokenizer(adds_bos=True)
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %} w9 {{ m.content }}{% endfor %} w10"
    model = tiny_model("llama")
    messages = [Message("user", "w5"), Message("assistant", "w6"), Message("user", "w7")]
    assert TransformersGenerator(model, tokenizer, "t").encode(messages) == (2, 9, 5, 9, 6, 9, 7, 10)
    plain = TransformersGenerator(model, tokenizer, "t", prompt_style="plain")
    assert plain.default_stop == ("\n",)
    assert plain.encode(messages[:1]) == (2, 5)
    with pytest.raises(SettingError, match="no chat template"):
        TransformersGenerator(model, tiny_tokenizer(), "t", prompt_style="chat")


def test_models_without_a_key_value_cache_are_refused() -> None:
    from transformers import AutoModelForCausalLM, MambaConfig

    config = MambaConfig(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, state_size=8)
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(ModelError, match="mamba"):
        TransformersGenerator(model, tiny_tokenizer(), "mamba")


def test_a_reply_that_is_given_gets_its_probability(llama: TransformersGenerator) -> None:
    """Beside free answers to the same prompts, whose tokens it must not change."""
    (prompt, _), (other, _) = prompts(2, seed=5)
    free = [Request.single(ids, Sampling(max_tokens=8)) for ids in (prompt, other)]
    replies = [llama.encode_reply(text) for text in ("w9 w8 w7", "w9 w8 w8", "w30")]
    assert replies[0] == (9, 8, 7, 1) if llama.default_stop == () else replies[0][:3] == (9, 8, 7)
    alone = llama.generate(free)
    asked = [free[0].saying(reply) for reply in replies]
    *scored, one, two = llama.generate([*asked, *free])
    assert [one.token_ids, two.token_ids] == [answer.token_ids for answer in alone]
    for reply, generation in zip(replies, scored, strict=True):
        with torch.no_grad():
            logits = llama.model(torch.tensor([[*prompt, *reply]])).logits[0].double()
        rows = logits[len(prompt) - 1 : -1].log_softmax(-1)
        expected = [float(row[token]) for row, token in zip(rows, reply, strict=True)]
        assert [step.token_id for step in generation.steps] == list(reply)
        assert [step.context_logprob for step in generation.steps] == pytest.approx(expected, abs=1e-5)
