"""How fast a skill is trained: tokens and examples per second at several sizes of a step, for ``benchmarks/gpu.py``."""

from __future__ import annotations

import random
from typing import Any

import torch

from benchmarks.progress import Progress
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.training.packing import Tokens
from rag.skills.training.objectives import ReplyObjective
from rag.skills.training.settings import Training
from rag.skills.training.trainer import SkillTrainer

# As long as prompts of one passage and their replies are.
_MEAN_TOKENS, _REPLY_TOKENS = 200, 6
_NUM_STEPS = 8


def measure_training(
    generator: TransformersGenerator, step_tokens: tuple[int, ...], figures: dict[str, Any], progress: Progress
) -> None:
    """Random examples of mixed lengths: what they say does not change how long they take."""
    for size in step_tokens:
        if not progress.has_time(f"skills, {size} tokens a step"):
            return
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        examples = random_examples(max(8, _NUM_STEPS * size // _MEAN_TOKENS))
        trainer = SkillTrainer(generator.model, Training(step_tokens=size, num_checks=1))
        trained = trainer.train(examples, examples[:2], ReplyObjective())
        figures[str(size)] = {
            "tokens_per_s": trained.num_tokens / trained.seconds,
            "examples_per_s": len(examples) / trained.seconds,
            "peak_mib": torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0,
        }
        progress.say(f"  {size} tokens a step: {figures[str(size)]['tokens_per_s']:.0f} tokens per second")


def random_examples(number: int) -> list[Tokens]:
    """Prompts of half to one and a half times the mean length; the reply is the prompt's beginning, so it is learnt."""
    rng = random.Random(0)
    prompts = [
        [rng.randint(1000, 1100) for _ in range(rng.randint(_MEAN_TOKENS // 2, 3 * _MEAN_TOKENS // 2))]
        for _ in range(number)
    ]
    return [Tokens((*prompt, *prompt[:_REPLY_TOKENS]), len(prompt)) for prompt in prompts]
