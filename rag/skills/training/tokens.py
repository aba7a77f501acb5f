"""From examples and judgements to the tokens that a skill learns: the engine's own prompts, then the reply."""

from __future__ import annotations

from rag.core.prompts import build_prompts
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.training.packing import Tokens
from rag.skills.data.examples import Example
from rag.skills.data.judging import Judgement
from rag.skills.data.preferences import Preference
from rag.skills.prompts import judge_prompt
from rag.skills.training.objectives import TokenPair


def encode_prompt(generator: TransformersGenerator, item: Example | Preference | Judgement) -> tuple[int, ...]:
    """The prompt that the engine builds for it."""
    if isinstance(item, Judgement):
        return generator.encode(judge_prompt(item.question, item.passage, item.answer))
    return generator.encode(build_prompts(item.question, item.passages).context)


def tokenize(generator: TransformersGenerator, item: Example | Judgement) -> Tokens:
    """Prompt, reply and the end of the turn; the reply and the end are learnt."""
    return _tokens(generator, encode_prompt(generator, item), item.label if isinstance(item, Judgement) else item.reply)


def tokenize_pair(generator: TransformersGenerator, item: Preference) -> TokenPair:
    """The prompt with the right reply, and with the wrong one."""
    prompt = encode_prompt(generator, item)
    return TokenPair(_tokens(generator, prompt, item.chosen), _tokens(generator, prompt, item.rejected))


def _tokens(generator: TransformersGenerator, prompt: tuple[int, ...], reply: str) -> Tokens:
    # A base model's prompt ends in "Answer:": the word after it begins with a blank.
    blank = "" if generator.tokenizer.chat_template else " "
    ids = generator.encode_text(blank + reply)
    return Tokens((*prompt, *ids, generator.tokenizer.eos_token_id), len(prompt))
