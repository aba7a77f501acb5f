"""``concord ask``: one question to a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from rag.cli import options as opt
from rag.cli.asker import Asker, open_asker
from rag.cli.common import err, errors_to_exit, out, parse_number, parse_optional_number, print_json, without_none
from rag.core.errors import SettingError


def ask(
    library: opt.LibraryPlace,
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    decoder: opt.Decoder = None,
    alpha: opt.Alpha = None,
    params: opt.DecoderSettings = None,
    patches: opt.PatchMode = None,
    is_portable: opt.IsPortable = False,
    max_tokens: opt.MaxTokens = None,
    temperature: opt.Temperature = None,
    seed: opt.Seed = None,
    as_json: opt.WithTrace = False,
    explain: opt.Explain = False,
    verdict: opt.WithVerdict = None,
    policy: opt.PolicyName = None,
    on_silence: opt.Silence = None,
    top_k: opt.TopK = None,
    retrieval: opt.Retrieval = None,
    rewrite: opt.Rewrite = None,
    judge: opt.Filter = None,
    abstain: opt.Abstain = None,
    question_cache: opt.QuestionCache = None,
    model: opt.ModelName = None,
    engine: opt.EngineName = None,
    encoder: opt.EncoderName = None,
    config: opt.SettingsFile = None,
    service: opt.ServiceAddress = "auto",
) -> None:
    """Ask a question. Colours show how much documents and the model's memory disagree at each token.

    Examples:

    concord ask library/ "Who is the harbour master?"

    concord ask library/ "Who is the harbour master?" --explain

    concord ask library/ "Who is the harbour master?" --policy newest

    concord ask library/ "Who is the harbour master?" --decoder dial --alpha 0

    Settings that you leave out come from --config, CONCORD_* variables, or the defaults.
    """
    settings = {"model": model, "engine": engine, "encoder": encoder, "patch_portable": is_portable or None}
    decoding = {"decoder": decoder, "alpha": parse_optional_number(alpha), "patches": patches}
    sampling = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
    search = {"top_k": parse_optional_number(top_k), "retrieval": retrieval, "rewrite": rewrite, "filter": judge}
    checks = {"abstain": abstain, "question_cache": question_cache}
    verdicts = {"verdict": verdict, "policy": policy, "on_silence": on_silence}
    with errors_to_exit():
        options = without_none(decoding | sampling | search | checks | verdicts) | _parse_settings(params or [])
    with open_asker(library, service, config, **settings) as asker:
        if as_json:
            print_json(asker.ask(question, **options).to_dict())
        else:
            _show(asker, question, options, is_explained=explain)


def _show(asker: Asker, question: str, options: dict[str, Any], *, is_explained: bool) -> None:
    """Print the answer as it comes, then its verdict and citations."""
    from rag.cli import render
    from rag.core.answer import Answer

    for event in _with_spinner(asker, question, options):
        if isinstance(event, Answer):
            out.print()
            render.print_answer(out, event, is_explained=is_explained)
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
