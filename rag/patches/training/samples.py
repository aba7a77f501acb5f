"""From a sample to the tokens that a patch learns."""

from __future__ import annotations

from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import Sample
from rag.patches.profiles import Profile
from rag.patches.questions.recital import encode_address
from rag.patches.training.packing import Tokens


def tokenize_sample(generator: TransformersGenerator, sample: Sample, profile: Profile) -> Tokens:
    """The engine's own prompt for the question, then the answer as the profile words it.

    ``direct`` teaches the bare answer and the end of the turn; ``prag`` "The answer is {answer}.", as published,
    without the end of the turn; ``recite`` a sentence of the document, after its number.
    """
    end = [] if profile.style == "prag" or not sample.is_whole else [generator.tokenizer.eos_token_id]
    if profile.style == "recite":
        address = encode_address(generator, int(sample.question))
        return Tokens((*address, *generator.encode_text(f" {sample.answer}"), *end), len(address))
    passages = [Passage("", "", "", sample.title, sample.passage)] if sample.passage else []
    prompt = generator.encode(build_prompts(sample.question, passages).context)
    spoken = f"The answer is {sample.answer}." if profile.style == "prag" else sample.answer
    # A base model's prompt ends in "Answer:": the word after it begins with a blank.
    blank = "" if generator.tokenizer.chat_template else " "
    ids = generator.encode_text(blank + spoken)
    learnt_from = len(prompt) if profile.is_answer_only else 1
    return Tokens((*prompt, *ids, *end), learnt_from)
