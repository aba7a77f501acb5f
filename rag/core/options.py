"""What a caller may say about one question, checked and made into a query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from decoders.params import DECODER_NAMES, DecoderSettingError, decoder_params, settings_names
from rag.core.config import Config
from rag.core.errors import QuestionError, SettingError
from rag.core.query import Message, PatchMode, Query, Sampling, Search


def query_of(question: str, options: Mapping[str, Any], config: Config, *, is_own: bool) -> Query:
    """A :class:`Query` from a question and the options that differ from ``config``; ``None`` is not given.

    Args:
        is_own: the engine has the library's own retrievers, which alone can be chosen among.

    Raises:
        QuestionError: an empty question.
        SettingError: an option that the decoder or the engine has not, or a value that it cannot take.
    """
    if not question.strip():
        raise QuestionError("the question is empty; ask something")
    given = {key: value for key, value in options.items() if value is not None}
    history = tuple(m if isinstance(m, Message) else Message(**m) for m in given.pop("history", ()))
    top_k = given.pop("top_k", config.top_k)
    if top_k != "auto" and (not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1):
        raise SettingError(f"top_k={top_k!r}; expected a whole number of at least 1, or 'auto'")
    search = _search(given, config, is_own=is_own)
    patches = given.pop("patches", "off")
    if patches not in get_args(PatchMode):
        raise SettingError(f"patches={patches!r}; expected one of {', '.join(get_args(PatchMode))}")
    sampling_keys = [key for key in given if key in Sampling.__dataclass_fields__]
    sampling = {"max_tokens": config.max_tokens} | {key: given.pop(key) for key in sampling_keys}
    decoder = str(given.pop("decoder", config.decoder))
    salt = str(given.pop("cache_salt", ""))
    _check_known(given)
    try:
        params = decoder_params(decoder, given)
    except DecoderSettingError as error:
        raise SettingError(str(error)) from error
    most = None if top_k == "auto" else top_k
    return Query(question.strip(), history, params, most, Sampling(**sampling), search, patches, salt)


def _search(given: dict[str, Any], config: Config, *, is_own: bool) -> Search:
    """Take the options of :class:`rag.core.query.Search` from ``given``; the others keep their settings."""
    chosen = {key: given.pop(key) for key in Search.__dataclass_fields__ if key in given}
    search = Search(**{key: chosen.get(key, getattr(config, key)) for key in Search.__dataclass_fields__})
    if not is_own and (search.memory or "retrieval" in chosen):
        option = "memory=True" if search.memory else f"retrieval={search.retrieval!r}"
        raise SettingError(f"{option} needs the library's own retrievers, and one was given; leave it out")
    return search


def _check_known(options: Mapping[str, object]) -> None:
    """Refuse what is an option neither of the engine nor of any decoder."""
    of_decoders = {key for name in DECODER_NAMES for key in settings_names(name)}
    for key in options:
        if key not in of_decoders:
            named = ("history", "top_k", "decoder", "patches")
            known = (*named, *Search.__dataclass_fields__, *Sampling.__dataclass_fields__)
            raise SettingError(f"unknown option {key!r}; known are {', '.join(known)}, and the decoder's settings")
