"""``concord skill train``: make a reader or a judge for a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from rag.cli.common import LogLines, err, errors_to_exit, open_engine, out, say, without_none
from rag.cli.options import ModelName, SettingsFile

if TYPE_CHECKING:
    from rag.core.settings.config import Config
    from rag.generation.transformers.generator import TransformersGenerator
    from rag.skills.store import SkillStore
    from rag.skills.training.make import Made, Material, Order
    from rag.skills.training.stages import Watch

_NUM_EXAMPLES = {"cpu": 3000, "cuda": 40000}
_STEP_TOKENS = {"cpu": 2048, "cuda": 32768}

Kind = Annotated[
    str, typer.Argument(metavar="KIND", help="reader answers from passages; judge says what one supports.")
]
Data = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="JSONL with question, answers and text on each line (answers [] where the text does not say), or a folder "
        "with corpus.jsonl and questions.jsonl. Lines without a question are passages to write questions about. May be "
        "repeated.",
    ),
]
Licenses = Annotated[
    list[str] | None,
    typer.Option("--data-license", help="Licence of each --data, in their order; it stands on the skill's card."),
]
FromLibrary = Annotated[
    list[Path] | None,
    typer.Option("--from-library", metavar="LIBRARY", help="Write questions about its documents. May be repeated."),
]


def train(
    kind: Kind,
    data: Data = None,
    data_license: Licenses = None,
    from_library: FromLibrary = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the skill; by default its kind.")] = None,
    examples: Annotated[
        int | None,
        typer.Option("--examples", min=100, help="Examples to learn from; 3000 on a CPU, 40000 on a GPU."),
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option(
            "--prefer",
            metavar="SKILL",
            help="Go on from this reader, a name or a folder: it reads the examples, and learns to prefer the right "
            "replies to its own wrong ones.",
        ),
    ] = None,
    rank: Annotated[
        int, typer.Option("--rank", min=1, max=256, help="Rank of the adapter; with --prefer that of the old one.")
    ] = 16,
    seed: Annotated[int, typer.Option("--seed", help="Of the examples, their order and the first adapter.")] = 0,
    folder: Annotated[
        Path | None, typer.Option("-o", "--out", help="Keep it in this folder, not among this machine's skills.")
    ] = None,
    license: Annotated[str, typer.Option("--license", help="Licence of the skill, for its card.")] = "",
    model: ModelName = None,
    config: SettingsFile = None,
) -> None:
    """Teach a model to read, or to judge: train an adapter, measure it before and after, keep it with its card.

    Examples are made of your rows and of questions that rules write about passages: passages as they are, with the
    answer altered, of another document, that leave the question open, and several at once. Rows that cannot be read are
    listed and left out. A run that was killed goes on where it was. The skill is used without being asked for if it
    was measured to be better.

    With --prefer a reader that exists is trained further, on what it gets wrong. The new one needs a name of its own,
    unless the old one came with the package.

    concord skill train reader --data rows.jsonl --data-license "CC BY-SA 4.0"

    concord skill train reader --data rows.jsonl --prefer reader
    """
    from rag.core.errors import InputError
    from rag.skills.card import READER
    from rag.skills.training.make import Order
    from rag.skills.training.settings import Training

    with errors_to_exit():
        if prefer is not None and kind != READER:
            raise InputError(f"--prefer with kind {kind!r}; a preference stage trains a reader further")
        settings, material, problems = _gather(config, model, data or [], data_license or [], from_library or [], kind)
        for problem in problems:
            say(f"left out: {problem}", "yellow")
        training = Training(rank=rank, alpha=2.0 * rank, seed=seed)
        order = Order(kind, name or kind, settings.model, examples or 0, license, training)
        made = _make(settings, material, order, folder, prefer)
    _report(made)
    if problems:
        raise typer.Exit(1)


def _gather(
    config: Path | None,
    model: str | None,
    data: Sequence[Path],
    licenses: Sequence[str],
    libraries: Sequence[Path],
    kind: str,
) -> tuple[Config, Material, list[str]]:
    """The settings, all rows and passages, and what could not be read."""
    from rag.core.errors import InputError
    from rag.core.settings.config import Config
    from rag.skills.card import JUDGE, READER, SkillSource
    from rag.skills.data.rows import Row, read_rows
    from rag.skills.training.make import Material

    if kind not in (READER, JUDGE):
        raise InputError(f"kind {kind!r}; expected reader or judge")
    if not data and not libraries:
        raise InputError("nothing to learn from; give rows with --data, or a library with --from-library")
    if len(licenses) > len(data):
        raise InputError(f"{len(licenses)} licences for {len(data)} --data; give one for each, in their order")
    rows: list[Row] = []
    passages: list[tuple[str, str, str]] = []
    sources: list[SkillSource] = []
    problems: list[str] = []
    for place, path in enumerate(data):
        read = read_rows(path)
        rows += read.rows
        passages += read.passages
        license_name = licenses[place] if place < len(licenses) else "not stated"
        sources.append(SkillSource(path.stem, license_name, len(read.rows) + len(read.passages)))
        problems += [f"{path.name}: {problem}" for problem in read.problems]
    for library in libraries:
        found = list(_library_passages(library))
        passages += found
        sources.append(SkillSource(f"library {library.name}", "its documents'", len(found)))
    settings = Config.load(config, **without_none({"model": model}))
    return settings, Material(tuple(rows), tuple(passages), tuple(sources)), problems


def _library_passages(place: Path) -> Iterator[tuple[str, str, str]]:
    with open_engine(place) as engine:
        for document in engine.library.documents():
            for passage in engine.library.document_passages(document.doc_id):
                yield passage.doc_id, passage.title, passage.text


def _make(config: Config, material: Material, order: Order, folder: Path | None, prefer: str | None) -> Made:
    """Complete the order by what the model and its device say, and carry it out."""
    from rag.skills.store import SkillStore, skills_folder
    from rag.skills.training.make import make_skill

    generator = _load(config)
    device = "cuda" if generator.model.device.type == "cuda" else "cpu"
    training = replace(order.training, step_tokens=_STEP_TOKENS[device])
    order = replace(order, num_examples=order.num_examples or _NUM_EXAMPLES[device], training=training)
    store = SkillStore(skills_folder(config.cache_dir))
    if prefer is not None:
        order = _go_on(order, prefer, store, generator)
    with _progress() as watch:
        return make_skill(generator, material, order, SkillStore(folder) if folder else store, watch)


def _go_on(order: Order, prefer: str, store: SkillStore, generator: TransformersGenerator) -> Order:
    """The order of a preference stage, from the skill that is named so."""
    from rag.core.errors import InputError
    from rag.models.fingerprint import model_fingerprint
    from rag.skills.choose import choose_skill
    from rag.skills.data.examples import PREFERENCE_RECIPE

    start = choose_skill(prefer, store, model_fingerprint(generator.model), order.model_name)
    if start is None:
        raise InputError(f"--prefer {prefer} names no skill; give a reader's name or folder, see 'concord skill ls'")
    return replace(order, start=start, recipe=PREFERENCE_RECIPE, training=order.training.for_preferences())


def _load(config: Config) -> TransformersGenerator:
    from rag.core.errors import ModelError
    from rag.generation.load import load_generator
    from rag.models.loading import resolve_device
    from rag.patches.base_model import is_trainable
    from rag.patches.training.twin import multiplies_bfloat16

    dtype = config.dtype
    if dtype == "auto" and resolve_device(config.device) == "cpu" and multiplies_bfloat16():
        say("Computing in bfloat16, which this processor multiplies faster; CONCORD_DTYPE=float32 does not", "dim")
        dtype = "bfloat16"
    generator = load_generator(config.model_copy(update={"engine": "transformers", "dtype": dtype}))
    if not is_trainable(generator):
        raise ModelError(f"model {config.model!r} cannot be trained; skills need a model that transformers loads")
    return generator


@contextmanager
def _progress() -> Iterator[Watch]:
    """Lines of what is being done, and a bar with the loss beside it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from rag.skills.training.stages import Watch

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("training", total=None, loss="", start=True, visible=False)
        lines = LogLines()

        def count(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total, loss="", visible=True)
            lines.tell(f"{what}: {done} of {total}")

        def step(done: int, total: int, loss: float) -> None:
            bar.update(task, description="training", completed=done, total=total, loss=f"loss {loss:.3f}", visible=True)
            lines.tell(f"training: step {done} of {total}, loss {loss:.3f}")

        yield Watch(lambda text: say(text, "dim"), count, step)


def _report(made: Made) -> None:
    card, trained = made.skill.card, made.trained
    table = Table(title=f"{card.key}: {made.skill.size_bytes / 1e6:.1f} MB, {trained.seconds / 60:.1f} minutes")
    table.add_column("on held-out documents")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    for figure, value in card.after.items():
        table.add_row(figure.replace("_", " "), f"{card.before[figure]:.3f}", f"{value:.3f}")
    out.print(table)
    if trained.is_early:
        say("training stopped early: the held-out loss no longer fell", "dim")
    err.print(f"saved to {made.skill.folder}", style="green", highlight=False)
    if card.is_default:
        say(f"it {'judges' if card.kind == 'judge' else 'answers'} from now on; --skill none leaves it out", "green")
    else:
        say(f"it was not measured to be better, so it is used only by name: --skill {card.name}", "yellow")
