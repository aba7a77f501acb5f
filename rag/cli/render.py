"""Answers for a terminal: tokens tinted by conflict, the verdict, citations, and the table of steps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rag.cli.positions import verdict_lines
from rag.conflicts.answers.same import same_answer
from rag.conflicts.streams import MAX_JSD
from rag.core.answer import Answer, Citation, Conflict, Step, TokenEvent
from rag.core.reports import AddCost, AddReport, DocumentInfo

# From agreement to conflict, by share of the largest divergence.
_TINTS = ((0.05, ""), (0.25, "green"), (0.5, "yellow"), (0.75, "dark_orange"), (1.01, "bold red"))
_SNIPPET_CHARS = 160
_NUM_HITS = 5


def tint(jsd: float | None) -> str:
    """Style of a token whose streams diverge by ``jsd`` nats; no style where only one stream ran."""
    if jsd is None:
        return ""
    share = jsd / MAX_JSD
    return next(style for limit, style in _TINTS if share < limit)


def token(event: TokenEvent) -> Text:
    """A streamed piece of the answer."""
    return Text(event.text, style=tint(event.step.jsd))


def legend() -> Text:
    """What the colours mean."""
    text = Text("documents and memory: ", style="dim")
    for (_, style), label in zip(_TINTS, ("agree", "slightly", "partly", "mostly", "disagree"), strict=True):
        text.append(label, style=style).append(" ")
    return text


def verdict(conflict: Conflict) -> RenderableType:
    """One line: did they disagree, and what does each say?"""
    if not conflict.is_conflict:
        return Text(f"✓ memory and documents agree (conflict {conflict.score:.2f})", style="green")
    head = Text(f"⚡ memory and documents disagree (conflict {conflict.score:.2f})", style="bold red")
    if same_answer(conflict.context_answer, conflict.memory_answer) != "different":
        return Group(head, Text(f"  yet both end in: {_line(conflict.context_answer)}"))
    documents = Text("  documents: ", style="dim").append(_line(conflict.context_answer), style="not dim")
    memory = Text("  memory:    ", style="dim").append(_line(conflict.memory_answer), style="not dim")
    return Group(head, documents, memory)


def citations(answer: Answer) -> RenderableType:
    """The passages that stood in the prompt, best first, and those that found no room."""
    lines = [_citation(rank, citation) for rank, citation in enumerate(answer.citations, start=1)]
    if answer.dropped:
        names = ", ".join(short_path(citation.source) for citation in answer.dropped)
        why = "looked at" if answer.is_abstained else "left out, the window is full"
        lines.append(Text(f"{why}: {names}", style="yellow"))
    lines += [Text(f"patch of {use.doc_id}, weight {use.weight:.2f}", style="cyan") for use in answer.patches]
    return Group(*lines)


def steps_table(steps: tuple[Step, ...]) -> Table:
    """What both streams said at each token."""
    table = Table(title="steps", title_justify="left")
    table.add_column("token")
    # The decoder's factors on the two streams, their divergence, and their entropies.
    for name in ("x documents", "x memory", "JSD", "H documents", "H memory"):
        table.add_column(name, justify="right")
    table.add_column("documents say")
    table.add_column("memory says")
    for step in steps:
        factors = (step.context_coefficient, step.parametric_coefficient)
        numbers = (*factors, step.jsd, step.context_entropy, step.parametric_entropy)
        token_cell = Text(repr(step.token), style=tint(step.jsd))
        tops = ("-" if top is None else repr(top) for top in (step.context_top, step.parametric_top))
        table.add_row(token_cell, *("-" if number is None else f"{number:.3f}" for number in numbers), *tops)
    return table


def search_trace(answer: Answer) -> RenderableType:
    """How the passages were found: what was searched for, each part's order, and the graph's paths to them."""
    trace = answer.trace
    queries = "; ".join(trace.queries)
    lines = [Text(f"length class {trace.complexity}, searched for: ", style="dim").append(queries, style="not dim")]
    if trace.is_from_cache:
        lines.append(Text("passages from the question cache, nothing was retrieved", style="green"))
    cited = {citation.passage_id: f"[{rank}]" for rank, citation in enumerate(answer.citations, start=1)}
    for stage in trace.stages:
        hits = "  ".join(f"{cited.get(name, name)} {score:.2f}" for name, score in stage.hits[:_NUM_HITS])
        lines.append(Text(f"{stage.stage:>8}: ", style="dim").append(hits, style="not dim"))
    lines += [Text("    path: ", style="dim").append(str(path), style="not dim") for path in answer.paths]
    return Group(*lines)


def documents_table(documents: list[DocumentInfo]) -> Table:
    """``concord ls``."""
    table = Table()
    # The id is the source for files: it would only break both. --json has everything.
    for name in ("source", "title", "passages", "characters", "added"):
        is_number = name in ("passages", "characters")
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for item in documents:
        counts = (str(item.num_passages), str(item.size_chars))
        table.add_row(short_path(item.source), item.title, *counts, item.added_at[:16].replace("T", " "))
    return table


def add_report(report: AddReport) -> RenderableType:
    """What an ``add`` did, failures listed."""
    counts = f"{len(report.added)} added, {len(report.replaced)} replaced, {len(report.unchanged)} unchanged"
    counts += "".join(
        f", {len(names)} {what}" for what, names in (("moved", report.moved), ("removed", report.removed)) if names
    )
    lines = [Text(f"{counts}; the library holds {report.num_passages} passages", style="green")]
    lines.append(Text(_cost(report.cost), style="dim"))
    if report.skipped:
        names = ", ".join(short_path(name) for name in report.skipped[:5])
        more = f" and {len(report.skipped) - 5} more" if len(report.skipped) > 5 else ""
        lines.append(Text(f"skipped {len(report.skipped)} files of other types: {names}{more}", style="yellow"))
    lines += [Text(line, style="yellow") for line in _changes(report)]
    lines += [Text(f"note: {note}", style="yellow") for note in report.notes]
    lines += [Text(f"not added: {short_path(item.source)}: {item.reason}", style="red") for item in report.failed]
    return Group(*lines)


def _changes(report: AddReport) -> Iterator[str]:
    """One line for each file that moved, is a copy, is gone, or is no file of its own."""
    for pair in report.moved:
        yield f"moved: {short_path(pair.former)} is {short_path(pair.source)} now"
    for copy in report.copies:
        yield f"copy: {short_path(copy.source)} has the content of {short_path(copy.original)}"
    for source in report.removed:
        yield f"removed: {short_path(source)}: its file is gone"
    for source in report.gone:
        yield f"gone: {short_path(source)}: its file is gone, the library still answers from it; --sync removes it"
    for entry in report.left_out:
        yield f"left out: {short_path(entry.source)}: {entry.reason}"


def _cost(cost: AddCost) -> str:
    rate = ""
    if cost.embed_seconds:  # without the time in which the model is loaded
        rate = f" ({cost.embed_seconds:.1f} s embedding, {cost.num_embedded / cost.embed_seconds:.0f} a second)"
    resumed = f"; {cost.num_resumed} documents taken over from an interrupted add" if cost.num_resumed else ""
    size = f"{cost.bytes_per_passage / 1000:.1f} kB per passage on disk"
    return f"embedded {cost.num_embedded} passages in {cost.seconds:.1f} s{rate}; {size}{resumed}"


def short_path(source: str) -> str:
    """A path relative to the working directory where it is below it."""
    try:
        return os.fspath(Path(source).relative_to(Path.cwd()))
    except ValueError:
        return source


def print_answer(console: Console, answer: Answer, *, is_explained: bool) -> None:
    """Everything below the streamed text; an abstention has none, so it is printed here."""
    if answer.finish_reason == "length":
        console.print(Text(f"cut at {answer.tokens.generated} tokens; --max-tokens allows more", style="yellow"))
    if answer.skill:
        console.print(Text(f"read with the skill {answer.skill}", style="dim"))
    if answer.notice:
        console.print(Text(answer.notice, style="yellow"))
    if answer.draft:
        console.print(Text("checked against the sources: ", style="dim").append(answer.text, style="not dim bold"))
    if answer.is_abstained:
        console.print(Text(answer.text, style="yellow"))
    elif answer.verdict is not None:
        console.print(verdict_lines(answer.verdict, answer.citations))
    else:
        console.print(verdict(answer.conflict))
    if is_explained:
        console.print(search_trace(answer))
        console.print(steps_table(answer.conflict.steps))
        console.print(legend())
    console.print(citations(answer))


def _citation(rank: int, citation: Citation) -> Text:
    snippet = _line(citation.passage)
    if len(snippet) > _SNIPPET_CHARS:
        snippet = snippet[:_SNIPPET_CHARS].rstrip() + "…"
    text = Text(f"[{rank}] ", style="cyan").append(short_path(citation.source), style="bold")
    if citation.location:
        text.append(f", {citation.location}", style="not bold")
    return text.append(f"  {snippet}", style="not bold dim")


def _line(text: str) -> str:
    return " ".join(text.split())
