"""What a caller may say about one question, checked and made into a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from decoders.checks import DecoderSettingError
from decoders.params import DECODER_NAMES, decoder_params, settings_names
from rag.core.errors import QuestionError, SettingError
from rag.core.query import Message, Query, Sampling, Search
from rag.core.settings.config import RENAMED, Config

_SETTINGS = ("conflict_report", "verdict", "policy", "on_silence", "skill", "read_by", "compress")
_OPTIONS = ("history", "top_k", "decoder", "patches", *_SETTINGS)


def build_query(question: str, options: Mapping[str, Any], config: Config, *, has_own_retrievers: bool) -> Query:
    """A :class:`Query` from a question and the options that differ from ``config``; ``None`` means "not set".

    Args:
        question: what is asked.
        options: by name; see :meth:`rag.engine.Engine.ask_many`.
        config: the defaults.
        has_own_retrievers: the engine uses the library's own retrievers; only those can be chosen by name.

    Raises:
        QuestionError: an empty question.
        SettingError: an option that neither the decoder nor the engine knows, or a value that it cannot take.
    """
    if not isinstance(question, str) or not question.strip():
        raise QuestionError("the question is empty; ask something")
    _check_text(question, "the question")
    left = {name: value for name, value in options.items() if value is not None}
    search = _take_search(left, config, has_own_retrievers=has_own_retrievers)
    top_k = left.pop("top_k", config.top_k)
    sampling = {"max_tokens": config.max_tokens} | _take(left, Sampling)
    return Query(
        question=question.strip(),
        history=_build_history(left.pop("history", ())),
        top_k=None if top_k == "auto" else top_k,
        sampling=Sampling(**sampling),
        search=search,
        patches=left.pop("patches", "off"),
        **{name: left.pop(name, getattr(config, name)) for name in _SETTINGS},
        cache_salt=str(left.pop("cache_salt", "")),
        remembers=left.pop("remembers", True),
        decoder=_build_decoder(left, config),
    )


def _build_history(turns: Any) -> tuple[Message, ...]:
    if isinstance(turns, (str, Mapping)) or not isinstance(turns, Iterable):
        raise SettingError(f"history={turns!r}; expected a list of messages, such as {_EXAMPLE}")
    history = tuple(turn if isinstance(turn, Message) else _build_message(turn) for turn in turns)
    for message in history:
        _check_text(message.content, "the history")
    return history


def _check_text(text: str, name: str) -> None:
    """Refuse half a surrogate pair, which is what a byte that is not UTF-8 becomes on a command line."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QuestionError(f"{name} has a character that is no valid text (at {error.start}); leave it out") from error


def _build_message(turn: Any) -> Message:
    if not isinstance(turn, Mapping) or set(turn) != {"role", "content"}:
        raise SettingError(f"history holds {turn!r}; expected messages such as {_EXAMPLE}")
    return Message(**turn)


_EXAMPLE = '{"role": "user", "content": "Who runs the harbour?"}'


def _take(left: dict[str, Any], kind: type[Sampling] | type[Search]) -> dict[str, Any]:
    """Remove the fields of ``kind`` from ``left``."""
    return {name: left.pop(name) for name in kind.__dataclass_fields__ if name in left}


def _take_search(left: dict[str, Any], config: Config, *, has_own_retrievers: bool) -> Search:
    chosen = _take(left, Search)
    search = Search(**{name: chosen.get(name, getattr(config, name)) for name in Search.__dataclass_fields__})
    if not has_own_retrievers and (search.question_cache or "retrieval" in chosen):
        option = "question_cache=True" if search.question_cache else f"retrieval={search.retrieval!r}"
        raise SettingError(f"{option} needs the library's own retrievers, and one was given; leave it out")
    return search


def _build_decoder(left: dict[str, Any], config: Config) -> Any:
    """The decoder with its settings: all that is left of the options."""
    name = left.pop("decoder", config.decoder)
    _check_known(left)
    try:
        return decoder_params(str(name), left)
    except DecoderSettingError as error:
        raise SettingError(str(error)) from error


def _check_known(options: Mapping[str, object]) -> None:
    """Refuse what is an option neither of the engine nor of any decoder."""
    decoder_settings = {name for decoder in DECODER_NAMES for name in settings_names(decoder)}
    for name in options:
        if name in RENAMED:
            raise SettingError(f"option {name!r} is called {RENAMED[name]!r} now")
        if name not in decoder_settings:
            known = ", ".join((*_OPTIONS, *Search.__dataclass_fields__, *Sampling.__dataclass_fields__))
            raise SettingError(f"unknown option {name!r}; known are {known}, and the decoder's settings")
