"""``concord ask``: one question to a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from decoders.params import DECODER_NAMES
from rag.cli.asker import Asker, open_asker
from rag.cli.common import (
    MODEL_PANEL,
    EncoderName,
    EngineName,
    LibraryPlace,
    ModelName,
    SettingsFile,
    err,
    out,
    parse_number,
    print_json,
    without_none,
)
from rag.core.errors import SettingError

_ANSWER, _SEARCH, _MODEL = "Answer", "Search", MODEL_PANEL


def ask(
    library: LibraryPlace,
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    decoder: Annotated[
        str | None,
        typer.Option(
            help=f"How documents and the model's memory are mixed: {', '.join(DECODER_NAMES)}.",
            show_default=False,
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    alpha: Annotated[
        str | None,
        typer.Option(
            help="For dial and ckplug: 0 = documents ... 1 = memory, or 'auto'. For cad and coiecd: contrast, from 0.",
            show_default=False,
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another setting of the decoder, such as floor=0.3; may be repeated.",
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    patches: Annotated[
        str | None,
        typer.Option(
            help="auto: passages and patches; only: patches without passages; off.",
            show_default=False,
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    portable: Annotated[
        bool,
        typer.Option(
            "--portable", help="Also use patches that were built for another base model.", rich_help_panel=_ANSWER
        ),
    ] = False,
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest answer, in tokens.", show_default=False, rich_help_panel=_ANSWER)
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="0: always the likeliest token. Above 0: sampled.", show_default=False, rich_help_panel=_ANSWER
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed for a temperature above 0.", show_default=False, rich_help_panel=_ANSWER),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with the whole trace.", rich_help_panel=_ANSWER)
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Show how passages were found, and what both streams said.", rich_help_panel=_ANSWER
        ),
    ] = False,
    top_k: Annotated[
        str | None,
        typer.Option(
            help="Passages in the prompt: a number, or 'auto' by the question's length.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    retrieval: Annotated[
        str | None,
        typer.Option(
            help="How passages are found: hybrid, dense, sparse or graph.", show_default=False, rich_help_panel=_SEARCH
        ),
    ] = None,
    rewrite: Annotated[
        str | None,
        typer.Option(help="What words the search: off, rules or model.", show_default=False, rich_help_panel=_SEARCH),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--filter",
            help="What drops passages that do not help: off, encoder or model.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    abstain: Annotated[
        bool | None,
        typer.Option(
            "--abstain/--no-abstain",
            help="Say so if the documents hold no answer.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    question_cache: Annotated[
        bool | None,
        typer.Option(
            "--question-cache/--no-question-cache",
            help="Use passages that served similar questions.",
            show_default=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    model: ModelName = None,
    generation: EngineName = None,
    encoder: EncoderName = None,
    config: SettingsFile = None,
    service: Annotated[
        str,
        typer.Option(
            help="auto: ask a running service of this library, if there is one; off; or its address.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
) -> None:
    """Ask a question. Colours show how much documents and the model's memory disagree at each token.

    Examples:

    concord ask library/ "Who is the harbour master?"

    concord ask library/ "Who is the harbour master?" --explain

    concord ask library/ "Who is the harbour master?" --decoder dial --alpha 0

    Settings that you leave out come from --config, CONCORD_* variables, or the defaults.
    """
    from rag.cli import render
    from rag.core.answer import Answer

    options: dict[str, Any] = {
        "decoder": decoder,
        "alpha": None if alpha is None else parse_number(alpha),
        "top_k": None if top_k is None else parse_number(top_k),
        "retrieval": retrieval,
        "rewrite": rewrite,
        "filter": judge,
        "abstain": abstain,
        "question_cache": question_cache,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
        "patches": patches,
    }
    settings: dict[str, Any] = {
        "model": model,
        "engine": generation,
        "encoder": encoder,
        "patch_portable": portable or None,
    }
    with open_asker(library, service, config, **settings) as asker:
        options |= _parse_settings(params or [])
        if as_json:
            print_json(asker.ask(question, **without_none(options)).to_dict())
            return
        for event in _with_spinner(asker, question, without_none(options)):
            if isinstance(event, Answer):
                out.print()
                render.print_answer(out, event, is_explained=explain)
            else:
                out.print(render.token(event), end="")


def _with_spinner(asker: Asker, question: str, options: dict[str, Any]) -> Iterator[Any]:
    """The events of an answer, with a sign of life until the first one."""
    events = asker.stream(question, **options)
    with err.status("reading the documents ..."):
        first = next(events)
    yield first
    yield from events


def _parse_settings(texts: list[str]) -> dict[str, float | int | str]:
    settings = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise SettingError(f"--set {text!r}; expected NAME=VALUE, such as floor=0.3")
        settings[name] = value if name == "log_base" else parse_number(value)
    return settings
