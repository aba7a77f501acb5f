"""The two prompts of an answer: with the documents, and without anything that came from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rag.core.encoding import searched_text
from rag.core.errors import SettingError
from rag.core.history import NEUTRAL_REPLY
from rag.core.passages import Passage
from rag.core.query import Message

PromptStyle = Literal["auto", "chat", "plain"]

# The first line of both prompts.
INSTRUCTION = "Answer the question in a few words."
# Asks a patch for a sentence of its document; the answer begins with the sentence's number.
RECITAL = "Recall the text, sentence by sentence:"
# A base model does not end its turn; it would continue with its own question.
PLAIN_STOP = ("\n",)
_EARLIER = "Earlier questions:\n"


@dataclass(frozen=True)
class PromptPair:
    """What the two streams read.

    Attributes:
        context: the conversation, then the question under the passages.
        parametric: the question without the passages, and without the replies of the conversation: those were made
            from documents, so they are not the model's memory.
    """

    context: tuple[Message, ...]
    parametric: tuple[Message, ...]


def build_prompts(
    question: str,
    passages: Sequence[Passage],
    history: Sequence[Message] = (),
    clarified: str = "",
    instruction: str = "",
) -> PromptPair:
    """Both prompts for ``question``; the best passage stands last, nearest to the question.

    No system turn: several chat templates refuse one.

    Args:
        question: as it was asked.
        passages: best first.
        history: the conversation before it.
        clarified: the question as it stands without the conversation, if it was reworded. The parametric prompt then
            needs nothing of the conversation; else it holds what the user asked before.
        instruction: first line of the context prompt, where a skill learnt another one than :data:`INSTRUCTION`.
    """
    standing, earlier = _without_replies(history)
    if clarified and clarified != question:
        earlier = []
    context = _ask(question, [passage_block(passage) for passage in reversed(passages)], instruction or INSTRUCTION)
    parametric = _ask(clarified or question, [_EARLIER + "\n".join(earlier)] if earlier else [], INSTRUCTION)
    return PromptPair((*history, Message("user", context)), (*standing, Message("user", parametric)))


def _ask(question: str, blocks: Sequence[str], instruction: str) -> str:
    return "\n\n".join([instruction, *blocks, f"Question: {question}\nAnswer:"])


def _without_replies(history: Sequence[Message]) -> tuple[list[Message], list[str]]:
    """The exchanges that stand as they are, and what the user asked in the others.

    A turn that only acknowledges holds nothing from documents: the user's turn before it is an instruction.
    """
    standing: list[Message] = []
    asked: list[str] = []
    for before, message in zip((None, *history), history, strict=False):
        if message.role == "user":
            asked.append(message.content)
        elif message.content == NEUTRAL_REPLY and before is not None and before.role == "user":
            standing += [Message("user", asked.pop()), message]
    return standing, asked


def passage_block(passage: Passage) -> str:
    """How a passage stands in the prompt: under its title and headings, unless it begins with them."""
    text = searched_text(passage.title, passage.text, passage.heading)
    if not passage.title or passage.title.casefold() in passage.text[: len(passage.title) + 4].casefold():
        return text
    return f"{passage.title}\n{text}"


def plain_text(messages: Sequence[Message]) -> str:
    """A conversation for a model without a chat template."""
    # A user's turn ends in "Answer:" (see _ask), so an assistant's follows on the same line.
    return "".join(f"{m.content}" if m.role == "user" else f" {m.content}\n\n" for m in messages)


def resolve_style(style: PromptStyle, *, has_template: bool, model: str) -> Literal["chat", "plain"]:
    """The style to use: ``auto`` is chat where the model has a template.

    Raises:
        SettingError: chat was asked for and the model has no template.
    """
    if style == "auto":
        return "chat" if has_template else "plain"
    if style == "chat" and not has_template:
        raise SettingError(f"prompt_style='chat', but {model} has no chat template; use 'auto' or 'plain'")
    return style
