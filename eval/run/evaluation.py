"""From a configuration to results: load the data, build the trials, open the engine, run, summarize."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets import collect_passages, load_corpus, load_dataset
from eval.run.answerer import Answerer, EngineAnswerer
from eval.run.arms import build_trials
from eval.run.config import RunConfig, fingerprint
from eval.run.controls import with_patches
from eval.run.runner import OnProgress, RunJob, RunReport, run_together
from eval.run.store import Run, read_run
from eval.run.summary import Summary, summarize
from eval.types import MalformedRow, Question
from rag.core.errors import SettingError, SourceError
from rag.core.passages import Passage

if TYPE_CHECKING:
    from rag.engine import Engine


@dataclass(frozen=True)
class Evaluation:
    """A finished run.

    Attributes:
        run: every question's record.
        summary: the figures.
        report: counts and times of this call.
        malformed: rows of the data set that could not be read and were left out.
    """

    run: Run
    summary: Summary
    report: RunReport
    malformed: tuple[MalformedRow, ...]


def evaluate(
    config: RunConfig | Mapping[str, Any] | str | Path,
    *,
    output: str | Path | None = None,
    engine: Engine | None = None,
    answerer: Answerer | None = None,
    progress: OnProgress | None = None,
) -> Evaluation:
    """Run ``config``, or finish its run where it was cut short.

    Args:
        config: settings, or the TOML file that holds them.
        output: the result file; by default ``runs/`` and a name made of the settings.
        engine: an engine that is open already; its library is used as it is.
        answerer: answers in place of the engine.
        progress: called with the numbers of finished and of all questions.

    Raises:
        SettingError: an impossible setting, or ``output`` belongs to another configuration.
        SourceError: the data cannot be read.
        ConcordError: the engine failed; the answers so far are in ``output``.
    """
    settings = _settings(config)
    job = RunJob(settings, Path(output) if output else default_output(settings))
    return evaluate_together([job], engine=engine, answerer=answerer, progress=progress)[0]


def evaluate_together(
    jobs: Sequence[RunJob],
    *,
    engine: Engine | None = None,
    answerer: Answerer | None = None,
    progress: OnProgress | None = None,
) -> list[Evaluation]:
    """:func:`evaluate` for runs that differ only in their decoders: each question is asked under all in one batch."""
    shared = jobs[0].config
    dataset = load_dataset(shared.dataset, shared.data, shared.subset, shared.split)
    questions = select(dataset.questions, shared.first, shared.limit)
    trials = build_trials(questions, shared.arm, shared.seed)
    trials = with_patches(trials, questions, shared.arm, shared.patches, shared.known_facts, shared.seed)
    with ExitStack() as stack:
        if answerer is None:
            opened = engine or stack.enter_context(
                open_engine(shared, questions, default_library(shared, jobs[0].path))
            )
            answerer = EngineAnswerer(opened, shared)
        reports = run_together(jobs, trials, answerer, progress)
    evaluations = []
    for job, report in zip(jobs, reports, strict=True):
        run, config = read_run(job.path), job.config
        summary = summarize(run, config.metrics, config.confidence, config.seed)
        evaluations.append(Evaluation(run, summary, report, dataset.malformed))
    return evaluations


def select(questions: Sequence[Question], first: int, limit: int | None) -> Sequence[Question]:
    """``limit`` questions from the one at ``first`` (from 0).

    Raises:
        SettingError: none is left.
    """
    chosen = questions[first:] if limit is None else questions[first : first + limit]
    if not chosen:
        raise SettingError(f"first={first} leaves none of the {len(questions)} questions; choose a smaller number")
    return chosen


def default_output(config: RunConfig) -> Path:
    """``runs/`` and a name that describes the run and differs when the settings differ."""
    alpha = "" if config.alpha is None else f"-{config.alpha}"
    decoder = "" if config.arm == "memory" and config.patches == "none" else f"-{config.decoder}{alpha}"
    patches = "" if config.patches == "none" else f"-{config.patches}"
    return Path("runs") / f"{config.dataset}-{config.arm}{patches}{decoder}-{fingerprint(config.identity())[:6]}.jsonl"


def default_library(config: RunConfig, output: Path) -> Path:
    """The library of a run that names none: a folder next to the result file."""
    # The engine needs a library even if the passages come with the questions; runs of a folder share an empty one.
    return Path(f"{output.with_suffix('')}.library") if config.arm == "retrieved" else output.parent / ".no-library"


def open_engine(config: RunConfig, questions: Sequence[Question], folder: Path) -> Engine:
    """The engine on ``config.library``, or else on the one in ``folder``. Where the arm retrieves, the corpus is added.

    Raises:
        SettingError: the arm retrieves, and there is nothing to retrieve from.
        SourceError: a document of the corpus cannot be read or added.
    """
    from rag import Engine

    engine = Engine.open(config.library or folder, **config.engine)
    if config.arm == "retrieved":
        passages = load_corpus(config.corpus) if config.corpus else collect_passages(questions)
        if not passages and not config.library:
            raise SettingError(f"{config.dataset} has no passages; give a corpus or a library to retrieve from")
        # Without passages the library is only read, so that nobody who writes to it stands in the way.
        failed = engine.add([as_document(passage) for passage in passages]).failed if passages else ()
        if failed:
            first = f"{failed[0].source!r}: {failed[0].reason}"
            raise SourceError(f"{len(failed)} of {len(passages)} documents cannot be added (first: {first})")
    return engine


def as_document(passage: Passage) -> Any:
    """A corpus document for :meth:`rag.Engine.add`; its source is its name in the data set."""
    from langchain_core.documents import Document

    return Document(page_content=passage.text, metadata={"source": passage.doc_id, "title": passage.title})


def _settings(config: RunConfig | Mapping[str, Any] | str | Path) -> RunConfig:
    match config:
        case RunConfig():
            return config
        case str() | Path():
            return RunConfig.load(Path(config))
    return RunConfig.from_values(config)
