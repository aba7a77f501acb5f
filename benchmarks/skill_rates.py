"""What a skill costs: tokens a second with it, as a share of those without it.

python benchmarks/skill_rates.py [--quick]

A random adapter of rank 16 on all seven projections of the default model, so no skill need exist. ``plain`` runs the
context stream alone (every row has the skill), ``adacad`` the parametric stream beside it (half of the rows have it).
The two ways alternate, and the best of the rounds counts. Times are of the process, which other work on the machine
disturbs less than the clock.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass

import torch

from decoders.params import AdaCad, DecoderParams, Plain
from rag.core.process.threads import configure_threads
from rag.core.query import Sampling
from rag.core.settings.config import Config
from rag.generation.adapters.adapter import Adapter
from rag.generation.base import Request
from rag.generation.load import load_generator
from rag.generation.transformers.generator import TransformersGenerator

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
RANK = 16
CONTEXT_TOKENS, QUESTION_TOKENS = 300, 40


@dataclass(frozen=True)
class Load:
    """What is asked at once."""

    decoder: DecoderParams
    num_answers: int
    num_tokens: int

    def requests(self, adapter: Adapter | None) -> list[Request]:
        """Distinct prompts, so that none shares a row."""
        sampling = Sampling(max_tokens=self.num_tokens)
        return [
            Request.pair(
                tuple(range(1000 + number, 1000 + number + CONTEXT_TOKENS)),
                tuple(range(5000 + number, 5000 + number + QUESTION_TOKENS)),
                self.decoder,
                sampling,
                has_probes=False,
                context_adapter=adapter,
            )
            for number in range(self.num_answers)
        ]


def random_skill(generator: TransformersGenerator) -> Adapter:
    """A seeded adapter too small to change what is said, so that both ways make as many tokens."""
    random = torch.Generator().manual_seed(0)
    tensors = {}
    for name, module in generator.model.named_modules():
        if name.rpartition(".")[2] in PROJECTIONS:
            out_features, in_features = module.weight.shape
            a = torch.randn(RANK, in_features, generator=random) * 0.02
            tensors[name] = (a, torch.randn(out_features, RANK, generator=random) * 1e-6)
    return Adapter.single("benchmark", tensors, is_lasting=True)


def rate(generator: TransformersGenerator, load: Load, adapter: Adapter | None) -> float:
    """Generated tokens a second of the process, prompts included."""
    requests = load.requests(adapter)
    started = time.process_time()
    generations = generator.generate(requests)
    return sum(len(generation.steps) for generation in generations) / (time.process_time() - started)


def measure(generator: TransformersGenerator, load: Load, adapter: Adapter, num_rounds: int) -> dict[str, float]:
    """The best rate of each way, and their ratio."""
    rate(generator, load, adapter)  # the merged copy is made
    pairs = [(rate(generator, load, None), rate(generator, load, adapter)) for _ in range(num_rounds)]
    without, with_skill = (max(rates) for rates in zip(*pairs, strict=True))
    return {"without": round(without, 2), "with": round(with_skill, 2), "ratio": round(with_skill / without, 3)}


def main() -> None:
    """Print one JSON object: by decoder and number of answers at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few answers, short ones")
    is_quick = parser.parse_args().quick
    configure_threads()
    generator = load_generator(Config(engine="transformers"))
    assert isinstance(generator, TransformersGenerator)
    adapter = random_skill(generator)
    figures = {}
    for decoder in (Plain(), AdaCad()):
        for num_answers in (4,) if is_quick else (1, 8, 32):
            load = Load(decoder, num_answers, 16 if is_quick else 48)
            key = f"{decoder.name} {num_answers}"
            figures[key] = measure(generator, load, adapter, 2 if is_quick else 3)
            print(key, figures[key], flush=True)
    generator.close()
    print(json.dumps({"skill_rates": figures}))


if __name__ == "__main__":
    main()
