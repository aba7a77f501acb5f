"""The options of a question: how it is answered, what is said about its sources, how passages are found."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from decoders.params import DECODER_NAMES
from rag.core.verdict import Policy, ReadBy

_ANSWER, _VERDICT, _SEARCH = "Answer", "Verdict", "Search"

Decoder = Annotated[
    str | None,
    typer.Option(
        "--decoder",
        help=f"How documents and the model's memory are mixed: {', '.join(DECODER_NAMES)}.",
        show_default=False,
        rich_help_panel=_ANSWER,
    ),
]
Alpha = Annotated[
    str | None,
    typer.Option(
        "--alpha",
        help="For dial and ckplug: 0 = documents ... 1 = memory, or 'auto'. For cad and coiecd: contrast, from 0.",
        show_default=False,
        rich_help_panel=_ANSWER,
    ),
]
DecoderSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Another setting of the decoder, such as floor=0.3; may be repeated.",
        rich_help_panel=_ANSWER,
    ),
]
PatchMode = Annotated[
    str | None,
    typer.Option(
        "--patches",
        help="auto: passages and patches; only: patches without passages; off.",
        show_default=False,
        rich_help_panel=_ANSWER,
    ),
]
IsPortable = Annotated[
    bool,
    typer.Option(
        "--portable", help="Also use patches that were built for another base model.", rich_help_panel=_ANSWER
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", help="Longest answer, in tokens.", show_default=False, rich_help_panel=_ANSWER),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        help="0: always the likeliest token. Above 0: sampled.",
        show_default=False,
        rich_help_panel=_ANSWER,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", help="Seed for a temperature above 0.", show_default=False, rich_help_panel=_ANSWER),
]
WithTrace = Annotated[
    bool, typer.Option("--json", help="Print one JSON object with the whole trace.", rich_help_panel=_ANSWER)
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain", help="Show how passages were found, and what both streams said.", rich_help_panel=_ANSWER
    ),
]

WithVerdict = Annotated[
    bool | None,
    typer.Option(
        "--verdict/--no-verdict",
        help="Read each passage alone, and say what each source and the model's memory say.",
        show_default=False,
        rich_help_panel=_VERDICT,
    ),
]
PolicyName = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help=f"What the answer follows where sources disagree: {', '.join(get_args(Policy))}.",
        show_default=False,
        rich_help_panel=_VERDICT,
    ),
]
ReadByName = Annotated[
    str | None,
    typer.Option(
        "--read-by",
        help=f"What reads each passage alone: {', '.join(get_args(ReadBy))}.",
        show_default=False,
        rich_help_panel=_VERDICT,
    ),
]
Silence = Annotated[
    str | None,
    typer.Option(
        "--on-silence",
        help="Where the documents say nothing: say (and add what the model knows), memory, or ask.",
        show_default=False,
        rich_help_panel=_VERDICT,
    ),
]

Compress = Annotated[
    float | None,
    typer.Option(
        "--compress",
        metavar="SHARE",
        help="Share of the passages' text that the model reads: the sentences nearest to the question. 1 is all of it.",
        show_default=False,
        rich_help_panel=_SEARCH,
    ),
]
TopK = Annotated[
    str | None,
    typer.Option(
        "--top-k",
        help="Passages in the prompt: a number, or 'auto' by the question's length.",
        show_default=False,
        rich_help_panel=_SEARCH,
    ),
]
Retrieval = Annotated[
    str | None,
    typer.Option(
        "--retrieval",
        help="How passages are found: hybrid, dense, sparse or graph.",
        show_default=False,
        rich_help_panel=_SEARCH,
    ),
]
Rounds = Annotated[
    int | None,
    typer.Option(
        "--rounds",
        min=1,
        max=3,
        help="Rounds of retrieval: 2 and 3 follow names from document to document. Slow.",
        show_default=False,
        rich_help_panel=_SEARCH,
    ),
]
Rewrite = Annotated[
    str | None,
    typer.Option(
        "--rewrite",
        help="What words the search: off, rules or model.",
        show_default=False,
        rich_help_panel=_SEARCH,
    ),
]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        help="What drops passages that do not help: off, encoder or model.",
        show_default=False,
        rich_help_panel=_SEARCH,
    ),
]
Abstain = Annotated[
    bool | None,
    typer.Option(
        "--abstain/--no-abstain",
        help="Say so if the documents hold no answer.",
        show_default=False,
        rich_help_panel=_SEARCH,
    ),
]
QuestionCache = Annotated[
    bool | None,
    typer.Option(
        "--question-cache/--no-question-cache",
        help="Use passages that served similar questions.",
        show_default=False,
        rich_help_panel=_SEARCH,
    ),
]
