"""Questions that a patch must leave alone, with the answers that the model gives anyway.

A few of them stand among a document's samples, so that the patch learns where it has nothing to say. They are about
nothing in particular; what matters is that they are asked as any question is asked.
"""

from __future__ import annotations

from decoders.params import Memory
from rag.generation.base import Request
from rag.generation.transformers import TransformersGenerator
from rag.patches.packing import Tokens
from rag.prompts import build_prompts
from rag.types import Sampling

_MAX_TOKENS = 16
QUESTIONS = (
    "Who invented the telephone?",
    "Where do penguins live?",
    "How many legs does a spider have?",
    "When did the Second World War end?",
    "What is the capital of Kenya?",
    "Which animal gives wool?",
    "What year did the Titanic sink?",
    "Who wrote Don Quixote?",
    "In which country is the city of Lima?",
    "What is bread made of?",
    "How many minutes are in an hour?",
    "Which river flows through London?",
    "Who was the first president of the United States?",
    "What do plants need to grow?",
    "On which continent is Brazil?",
    "What is the chemical symbol of iron?",
)


def anchors(generator: TransformersGenerator, num_anchors: int) -> list[Tokens]:
    """The first questions with the model's own greedy answers, as tokens to learn.

    Source: ours, after the rehearsal of Robins 1995 (pseudo-items answered by the network itself).
    """
    prompts = [generator.encode(build_prompts(question, []).context) for question in QUESTIONS[:num_anchors]]
    sampling = Sampling(max_tokens=_MAX_TOKENS)
    answers = generator.generate([Request(ids, ids, Memory(), sampling, has_probes=False) for ids in prompts])
    end = generator.tokenizer.eos_token_id
    return [
        Tokens((*ids, *answer.token_ids, *([end] if answer.finish_reason == "stop" else [])), len(ids))
        for ids, answer in zip(prompts, answers, strict=True)
    ]
