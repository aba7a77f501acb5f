"""``concord ask``: one question to a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from rag.cli import options as opt
from rag.cli import question_options as asked
from rag.cli.asker import Asker, open_asker
from rag.cli.common import err, errors_to_exit, out, parse_number, parse_optional_number, print_json, without_none
from rag.core.errors import SettingError


def ask(
    library: opt.LibraryPlace,
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    decoder: asked.Decoder = None,
    alpha: asked.Alpha = None,
    params: asked.DecoderSettings = None,
    patches: asked.PatchMode = None,
    is_portable: asked.IsPortable = False,
    max_tokens: asked.MaxTokens = None,
    temperature: asked.Temperature = None,
    seed: asked.Seed = None,
    as_json: asked.WithTrace = False,
    explain: asked.Explain = False,
    verdict: asked.WithVerdict = None,
    policy: asked.PolicyName = None,
    on_silence: asked.Silence = None,
    read_by: asked.ReadByName = None,
    top_k: asked.TopK = None,
    retrieval: asked.Retrieval = None,
    rounds: asked.Rounds = None,
    rewrite: asked.Rewrite = None,
    judge: asked.Filter = None,
    abstain: asked.Abstain = None,
    compress: asked.Compress = None,
    question_cache: asked.QuestionCache = None,
    model: opt.ModelName = None,
    skill: opt.SkillName = None,
    engine: opt.EngineName = None,
    encoder: opt.EncoderName = None,
    config: opt.SettingsFile = None,
    service: opt.ServiceAddress = "auto",
) -> None:
    """Ask a question. Colours show how much documents and the model's memory disagree at each token.

    Examples:

    * concord ask library/ "Who is the harbour master?"
    * concord ask library/ "Who is the harbour master?" --explain
    * concord ask library/ "Who is the harbour master?" --policy newest
    * concord ask library/ "Who is the harbour master?" --decoder dial --alpha 0

    Settings that you leave out come from --config, CONCORD_* variables, or the defaults.
    """
    settings = {"model": model, "engine": engine, "encoder": encoder, "patch_portable": is_portable or None}
    decoding = {"decoder": decoder, "alpha": parse_optional_number(alpha), "patches": patches}
    sampling = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
    search = {"top_k": parse_optional_number(top_k), "retrieval": retrieval, "rounds": rounds, "rewrite": rewrite}
    checks = {"filter": judge, "abstain": abstain, "compress": compress, "question_cache": question_cache}
    verdicts = {"verdict": verdict, "policy": policy, "on_silence": on_silence, "read_by": read_by}
    settings, reading = _place_skill(settings, skill)
    with errors_to_exit():
        options = without_none(decoding | sampling | search | checks | verdicts | reading) | _parse_settings(
            params or []
        )
    with open_asker(library, service, config, **settings) as asker:
        _answer(asker, question, options, as_json=as_json, is_explained=explain)


def _place_skill(settings: dict[str, Any], skill: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """A folder is a setting of an engine here; a name can be asked of a running service too."""
    from rag.skills.store import is_path

    if skill is not None and is_path(skill):
        return settings | {"skill": skill}, {}
    return settings, {"skill": skill}


def _answer(asker: Asker, question: str, options: dict[str, Any], *, as_json: bool, is_explained: bool) -> None:
    """Print the answer as it comes, then its verdict and citations; or all of it as JSON."""
    from rag.cli import render
    from rag.core.answer import Answer

    if as_json:
        print_json(asker.ask(question, **options).to_dict())
        return
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
