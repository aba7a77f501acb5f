"""The final text of an answer: one position, several with their sources, or what is said where documents are silent."""

from __future__ import annotations

from rag.conflicts.verdict.memory import does_know
from rag.conflicts.verdict.policy import Choice
from rag.conflicts.verdict.summary import name_source
from rag.core.verdict import NOT_STATED, Memory, OnSilence, Position, Verdict

# A long list of positions is cut here, and says so.
MAX_LISTED = 12


def compose(verdict: Verdict, choice: Choice, joint_answer: str = "", on_silence: OnSilence = "say") -> str:
    """The text that a person gets.

    Args:
        verdict: what the sources say.
        choice: what the answer follows (:func:`rag.conflicts.verdict.policy.choose`).
        joint_answer: the model's answer from all passages; its wording is used where it states the chosen position.
        on_silence: ``say`` that the documents hold no answer, and add the model's own if it knows; ``memory``: give the
            model's own alone, marked as such; ``ask``: ask for more instead.
    """
    if choice.memory is not None:
        return _recalled(choice.memory)
    if not choice.positions:
        return _compose_silence(verdict, on_silence)
    if len(choice.positions) == 1:
        return joint_answer.strip() or choice.positions[0].answer
    lines = [f"- {position.answer} ({_list_sources(position)})" for position in choice.positions[:MAX_LISTED]]
    hidden = len(choice.positions) - MAX_LISTED
    return "\n".join(lines + ([f"- and {hidden} more"] if hidden > 0 else []))


def _compose_silence(verdict: Verdict, on_silence: OnSilence) -> str:
    if verdict.kind == "none":
        return "The question asks nothing. Please write what you want to know."
    if on_silence == "ask":
        return f"{NOT_STATED} Can you name a document, or put the question in other words?"
    memory = verdict.memory
    if memory is None or not memory.answer.strip():
        return NOT_STATED
    if on_silence == "memory":
        return _recalled(memory)
    return f"{NOT_STATED} From the model's memory: {memory.answer.strip()}" if does_know(memory) else NOT_STATED


def _recalled(memory: Memory) -> str:
    return f"{memory.answer.strip()} (from the model's memory, not from the documents)"


def _list_sources(position: Position) -> str:
    names = list(dict.fromkeys(name_source(reading) for reading in position.readings))
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")
