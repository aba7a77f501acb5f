"""The two prompts of an answer. One pure function builds both; the passages are their only difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rag.core.encoding import searched_text
from rag.core.errors import SettingError
from rag.core.passages import Passage
from rag.core.query import Message

PromptStyle = Literal["auto", "chat", "plain"]

# A base model does not end its turn; it would continue with its own question.
PLAIN_STOP = ("\n",)


@dataclass(frozen=True)
class PromptPair:
    """The conversation with the passages, and the same conversation without them."""

    context: tuple[Message, ...]
    parametric: tuple[Message, ...]


def build_prompts(question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> PromptPair:
    """Both prompts for ``question``; the best passage stands last, nearest to the question.

    No system turn: several chat templates refuse one.
    """
    instruction, ask = "Answer the question in a few words.", f"Question: {question}\nAnswer:"
    blocks = [passage_block(passage) for passage in reversed(passages)]
    context = "\n\n".join([instruction, *blocks, ask])
    parametric = "\n\n".join([instruction, ask])
    return PromptPair((*history, Message("user", context)), (*history, Message("user", parametric)))


def passage_block(passage: Passage) -> str:
    """How a passage stands in the prompt: under its title and headings, unless it begins with them."""
    text = searched_text(passage.title, passage.text, passage.heading)
    if not passage.title or passage.title.casefold() in passage.text[: len(passage.title) + 4].casefold():
        return text
    return f"{passage.title}\n{text}"


def plain_text(messages: Sequence[Message]) -> str:
    """A conversation for a model without a chat template."""
    # A user's turn ends in "Answer:" (see build_prompts), so an assistant's follows on the same line.
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
