"""Contrastive pairs of the transformers generator against plain decoding: speed, memory, and equal tokens."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.patching import patch_document, read
from benchmarks.progress import Progress
from decoders.params import AdaCad, Cad, CkPlug, DecoderParams, Plain
from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.generation.base import Request
from rag.generation.transformers.generator import TransformersGenerator
from tests.oracles import twin

# Plain decoding reads one prompt per answer; "two streams" reads both and mixes nothing: the limit of every rule.
ARMS: dict[str, tuple[DecoderParams, bool]] = {
    "plain": (Plain(), False),
    "two streams": (Plain(), True),
    "cad": (Cad(), True),
    "adacad": (AdaCad(), True),
    "ckplug": (CkPlug(), True),
}
CHECKED = ("plain", "cad", "adacad", "ckplug")
LIBRARY = "library"
Tokens = list[tuple[int, ...]]


@dataclass(frozen=True)
class Load:
    """What is asked: answers of ``max_tokens`` tokens each, over prompts of ``num_passages`` passages."""

    batch_sizes: tuple[int, ...]
    max_tokens: int
    num_passages: int
    num_rounds: int
    num_alone: int


@dataclass(frozen=True)
class Rate:
    """Of one arm at one batch size: tokens per second of whole answers, seconds to all first tokens, memory at most."""

    tokens_per_s: float
    first_tokens_s: float
    step_ms: float
    peak_mib: float


def build_requests(generator: TransformersGenerator, load: Load, num_requests: int) -> list[Request]:
    """Questions about invented documents, each with its own document and those that follow; AdaCAD, no probes."""
    rows = read("patch_facts.jsonl")
    documents = [patch_document(row) for row in rows]
    passages = [Passage(d.doc_id, d.doc_id, d.doc_id, d.title, d.text) for d in documents]
    asked = [(number, question["question"]) for number, row in enumerate(rows) for question in row["questions"]]
    requests = []
    for number, question in (asked[index % len(asked)] for index in range(num_requests)):
        beside = [passages[(number + offset) % len(passages)] for offset in range(load.num_passages)]
        pair = build_prompts(question, beside)
        ids = generator.encode(pair.context), generator.encode(pair.parametric)
        requests.append(Request.pair(*ids, AdaCad(), Sampling(max_tokens=load.max_tokens), has_probes=False))
    return requests


def under(arm: str, requests: Sequence[Request]) -> list[Request]:
    """The same questions under the rule of ``arm``."""
    decoder, has_pairs = ARMS[arm]
    return [
        replace(r, decoder=decoder, parametric_ids=r.parametric_ids if has_pairs else r.context_ids) for r in requests
    ]


# ---- speed


def measure_rates(
    generator: TransformersGenerator, load: Load, figures: dict[str, Any], name: str, progress: Progress
) -> None:
    """One question at a time; then, by batch size, every arm and the library's own ``generate``. Fills ``figures``."""
    requests = build_requests(generator, load, max(load.batch_sizes))
    few = requests[: load.num_alone]
    alone = _rate(_alone(generator, few), few, replace(load, num_rounds=1))
    figures |= {
        "load": vars(load),
        "mean_context_tokens": statistics.mean(len(r.context_ids) for r in requests),
        "mean_parametric_tokens": statistics.mean(len(r.parametric_ids) for r in requests),
        "one_at_a_time": vars(alone),
        "at_once": {},
    }
    progress.say(f"  {name}, one question at a time, adacad: {alone.tokens_per_s:.1f} tokens/s")
    for size in load.batch_sizes:
        if progress.has_time(f"{name}, {size} at once"):
            figures["at_once"][str(size)] = _at_once(generator, requests[:size], load, alone)
            rates = figures["at_once"][str(size)]["rates"]
            line = ", ".join(f"{arm} {rate['tokens_per_s']:.1f}" for arm, rate in rates.items())
            progress.say(f"  {name}, {size} at once: {line} tokens/s")


def _at_once(generator: TransformersGenerator, requests: Sequence[Request], load: Load, alone: Rate) -> dict[str, Any]:
    rates = {arm: _rate(_arm(generator, arm, requests), requests, load) for arm in ARMS}
    rates[LIBRARY] = _rate(_library(generator, requests), requests, load)
    return {
        "rates": {arm: vars(rate) for arm, rate in rates.items()},
        "over_plain": {arm: _ratio(rates, arm, "plain") for arm in ARMS if arm != "plain"},
        "over_two_streams": {arm: _ratio(rates, arm, "two streams") for arm in ("cad", "adacad", "ckplug")},
        "plain_over_library": _ratio(rates, "plain", LIBRARY),
        "adacad_over_one_at_a_time": rates["adacad"].tokens_per_s / alone.tokens_per_s,
    }


def _ratio(by_arm: dict[str, Rate], arm: str, base: str) -> float:
    return by_arm[arm].tokens_per_s / by_arm[base].tokens_per_s


Run = Callable[[int], None]


def _arm(generator: TransformersGenerator, arm: str, requests: Sequence[Request]) -> Run:
    asked = under(arm, requests)

    def run(num_tokens: int) -> None:
        generate(generator, asked, num_tokens)

    return run


def _library(generator: TransformersGenerator, requests: Sequence[Request]) -> Run:
    model: Any = generator.model
    length = max(len(r.context_ids) for r in requests)
    padded = [[0] * (length - len(r.context_ids)) + list(r.context_ids) for r in requests]
    mask = [[0] * (length - len(r.context_ids)) + [1] * len(r.context_ids) for r in requests]
    ids, attended = (torch.tensor(rows, device=model.device) for rows in (padded, mask))

    def run(num_tokens: int) -> None:
        with torch.inference_mode():
            bounds = {"max_new_tokens": num_tokens, "min_new_tokens": num_tokens}
            model.generate(ids, attention_mask=attended, do_sample=False, pad_token_id=0, **bounds)

    return run


def _alone(generator: TransformersGenerator, requests: Sequence[Request]) -> Run:
    def run(num_tokens: int) -> None:
        for request in requests:
            twin.generate(generator.model, request.context_ids, request.parametric_ids, twin.adacad, num_tokens)

    return run


def _rate(run: Run, requests: Sequence[Request], load: Load) -> Rate:
    """The median of the rounds, after a short run in which kernels are chosen and memory is taken."""
    run(3)
    is_cuda = torch.cuda.is_available()
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    first = statistics.median(_seconds(run, 1) for _ in range(load.num_rounds))
    whole = statistics.median(_seconds(run, load.max_tokens) for _ in range(load.num_rounds))
    return Rate(
        tokens_per_s=len(requests) * load.max_tokens / whole,
        first_tokens_s=first,
        step_ms=1e3 * (whole - first) / (load.max_tokens - 1),
        peak_mib=torch.cuda.max_memory_allocated() / 2**20 if is_cuda else 0.0,
    )


def _seconds(run: Run, num_tokens: int) -> float:
    started = time.perf_counter()
    run(num_tokens)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def generate(generator: TransformersGenerator, requests: Sequence[Request], num_tokens: int) -> Tokens:
    """The tokens of ``num_tokens`` steps, by request."""
    bounded = [replace(request, sampling=Sampling(max_tokens=num_tokens)) for request in requests]
    return [generation.token_ids for generation in generator.generate(bounded)]


# ---- tokens


def alone_tokens(generator: TransformersGenerator, requests: Sequence[Request], num_tokens: int) -> dict[str, Tokens]:
    """By arm, the tokens of every request on its own."""
    return {arm: [generate(generator, [request], num_tokens)[0] for request in under(arm, requests)] for arm in CHECKED}


def batched_tokens(
    generator: TransformersGenerator, requests: Sequence[Request], num_tokens: int, num_counted: int
) -> dict[str, Tokens]:
    """By arm, the tokens of the first ``num_counted`` requests, all requests asked at once."""
    return {arm: generate(generator, under(arm, requests), num_tokens)[:num_counted] for arm in CHECKED}


def identical(left: dict[str, Tokens], right: dict[str, Tokens]) -> dict[str, float]:
    """Share of equal answers by arm, over all arms, and share of tokens before an answer's first difference."""
    pairs = {arm: list(zip(left[arm], right[arm], strict=True)) for arm in left}
    every = [pair for by_arm in pairs.values() for pair in by_arm]
    by_arm = {arm: statistics.fmean(float(a == b) for a, b in of_arm) for arm, of_arm in pairs.items()}
    agreed = sum(_num_equal(a, b) for a, b in every) / sum(len(a) for a, _ in every)
    return by_arm | {"answers": statistics.fmean(float(a == b) for a, b in every), "tokens_before_difference": agreed}


def _num_equal(left: Sequence[int], right: Sequence[int]) -> int:
    differing = (number for number, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
    return next(differing, len(left))
