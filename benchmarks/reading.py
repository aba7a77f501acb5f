"""How much of a file gets into passages: every format, damaged files, ten scripts, and other libraries beside it.

    python benchmarks/reading.py [--quick] [--formats pdf,docx]

Writes its own files: sentences and tables whose contents are known, hidden text, old encodings. Each goes through
``add`` as a user's file would; what other libraries read from it goes through ``add`` as plain text. Prints progress on
stderr, a table, and one JSON object as the last line:

    text_recall    {format: share of planted sentences that stand whole in a passage, in order}
    cell_recall    {format: share of cells that stand with the headings of row and column in one passage}
    found_first    {script: {sparse, hybrid}: share of words and facts whose passage is found first}
    uncaught       damaged files that gave anything but blocks or one line; num_damaged: how many there were
    peers          {library: {format: share of sentences and cells together}}; ours among them as "concord"
    pages_per_s    PDF pages in a second of one core
    peak_mib       most memory of a process that reads one file of 64 MiB; peaks: by format (Markdown and
                   reStructuredText are left out: their parsers take minutes for so much)

The development extra writes the files. For all peers: pip install -r benchmarks/requirements-reading.txt; those that
are not installed are left out. ``--quick`` damages fewer files and measures the memory of two formats; under 3 minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from benchmarks.reading_damage import damage
from benchmarks.reading_facts import LEGACY, SCRIPTS, Case, Facts
from benchmarks.reading_files import LARGE, WRITERS, make_large
from benchmarks.reading_office import OFFICE_WRITERS
from benchmarks.reading_peers import PEERS
from rag.core.errors import SourceError
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.ingest.load import load
from rag.ingest.source import Source
from rag.library.open import open_library
from rag.models.sentence_encoder import SentenceEncoder

OURS = "concord"
NUM_DAMAGED, NUM_DAMAGED_QUICK = 200, 20  # per format
LARGE_MIB = 64
QUICK_LARGE = ("txt", "csv")
MAX_SECONDS = 60.0


class _NoVectors(SentenceEncoder):
    """The default encoder's tokens, without the time for its vectors: the shares count passages, not rankings."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), 8), np.float32)
        vectors[:, 0] = 1.0
        return vectors


def write_cases(formats: Sequence[str]) -> dict[str, list[Case]]:
    """The files of each format."""
    writers = WRITERS | OFFICE_WRITERS
    cases = {
        name: writer(Facts(seed)) for seed, (name, writer) in enumerate(writers.items(), start=1) if name in formats
    }
    if "encodings" in formats:
        cases["encodings"] = [Case(name, ".txt", text.encode(name), (text,)) for name, text in LEGACY]
    return cases


def add_files(files: dict[str, bytes], folder: Path, encoder: SentenceEncoder) -> dict[str, list[str]]:
    """The passages of each file, by its name, after ``add``."""
    place = folder / "files"
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    with Engine(open_library(folder / "library"), Config(), encoder=encoder) as engine:
        engine.add([place])
        return {
            Path(document.source).name: [passage.text for passage in engine.library.document_passages(document.doc_id)]
            for document in engine.documents()
        }


def count_sentences(case: Case, passages: Sequence[str]) -> int:
    """Sentences that stand whole in a passage, in their order; what is hidden and shows counts against them."""
    texts = [_squeeze(passage) for passage in passages]
    last, count = (0, 0), 0
    for sentence in case.sentences:
        places = [(i, text.index(_squeeze(sentence))) for i, text in enumerate(texts) if _squeeze(sentence) in text]
        following = [place for place in places if place >= last]
        if following:
            last = following[0]
            count += 1
    return max(0, count - sum(any(text in each for each in texts) for text in case.absent))


def count_cells(case: Case, passages: Sequence[str]) -> int:
    """Cells that stand with the headings of their row and column in one passage."""
    return sum(
        any(cell.value in text and cell.row in text and cell.column in text for text in passages) for cell in case.cells
    )


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def measure__round(
    cases: dict[str, list[Case]], passages: dict[str, list[str]]
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """By format: the share of sentences, of cells, and of both."""
    text, cell, both = {}, {}, {}
    for name, group in cases.items():
        found = [(case, passages.get(file_name(name, i, case), [])) for i, case in enumerate(group)]
        sentences = sum(count_sentences(case, each) for case, each in found), sum(len(c.sentences) for c in group)
        cells = sum(count_cells(case, each) for case, each in found), sum(len(c.cells) for c in group)
        text[name] = sentences[0] / max(1, sentences[1])
        if cells[1]:
            cell[name] = cells[0] / cells[1]
        both[name] = (sentences[0] + cells[0]) / (sentences[1] + cells[1])
    return text, cell, both


def file_name(format_name: str, number: int, case: Case) -> str:
    return f"{format_name}-{number}{case.suffix}"


def measure_peers(
    cases: dict[str, list[Case]], folder: Path, encoder: SentenceEncoder
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """What other libraries get out of the same files, and which are not installed."""
    outputs: dict[str, dict[str, bytes]] = {}
    missing: set[str] = set()
    for name, group in cases.items():
        for library, read in PEERS.get(name, {}).items():
            _report(f"{library} reads {name}")
            for number, case in enumerate(group):
                try:
                    text = read(case.content)
                except ImportError:
                    missing.add(library)
                    break
                except Exception as error:  # foreign code on odd files: what it cannot read counts 0
                    _report(f"  {library}, {name} {case.name}: {type(error).__name__}")
                    text = ""
                outputs.setdefault(library, {})[file_name(name, number, case)] = text.encode("utf-8", "replace")
    peers = {}
    for number, (library, files) in enumerate(sorted(outputs.items())):
        texts = {f"{name}.txt": content for name, content in files.items() if content.strip()}
        passages = add_files(texts, folder / str(number), encoder)
        named = {name.removesuffix(".txt"): each for name, each in passages.items()}
        known = {name: group for name, group in cases.items() if library in PEERS.get(name, {})}
        peers[library] = measure__round(known, named)[2]
    return peers, sorted(missing)


def measure_scripts(folder: Path) -> dict[str, dict[str, float]]:
    """Words and facts of ten scripts in one library: how often the first passage is the right one."""
    files = folder / "files"
    files.mkdir(parents=True)
    for script, (sentences, _) in SCRIPTS.items():
        for number, sentence in enumerate(sentences):
            (files / f"{script}-{number}.txt").write_text(sentence, encoding="utf-8")
    encoder = SentenceEncoder(Config())
    shares: dict[str, dict[str, float]] = {script: {} for script in SCRIPTS}
    with Engine(open_library(folder / "library"), Config(), encoder=encoder) as engine:
        engine.add([files])
    for kind in ("sparse", "hybrid"):
        with Engine(open_library(folder / "library"), Config().updated(retrieval=kind), encoder=encoder) as engine:
            for script, (sentences, words) in SCRIPTS.items():
                queries = [*words, *sentences]
                ranked = engine.retrieve(queries, top_k=1)
                right = sum(
                    bool(r) and q.strip(".。।") in r[0].passage.text for q, r in zip(queries, ranked, strict=True)
                )
                shares[script][kind] = right / len(queries)
    return shares


def _read_all(connection: Connection) -> None:
    """In a process of its own: read what comes, answer with the kind of what happened."""
    warnings.simplefilter("ignore")
    while (job := connection.recv()) is not None:
        suffix, content = job
        try:
            load(Source("file" + suffix, lambda: b"", suffix), content)
            connection.send("read")
        except SourceError as error:
            connection.send("refused" if "\n" not in str(error) else "a message of several lines")
        except BaseException as error:  # this is what is counted
            connection.send(f"{type(error).__name__}: {error}"[:300])


class _Child:
    """A process that reads files; a new one after each that dies or hangs."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._ours, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_read_all, args=(theirs,), daemon=True)
        self._process.start()

    def read(self, suffix: str, content: bytes) -> str:
        """``read``, ``refused``, or what went wrong."""
        try:
            self._ours.send((suffix, content))
            if self._ours.poll(MAX_SECONDS):
                return str(self._ours.recv())
            outcome = "it hangs"
        except (EOFError, OSError):
            outcome = "the process died"
        self.close()
        self._start()
        return outcome

    def close(self) -> None:
        self._process.kill()
        self._process.join()


def measure_damage(cases: dict[str, list[Case]], num_files: int) -> tuple[int, int]:
    """How many damaged files gave neither a document nor one line; how many were tried."""
    generator, child = random.Random(1), _Child()
    num_uncaught = num_tried = 0
    for name, group in cases.items():
        outcomes: dict[str, int] = {}
        for _ in range(num_files):
            case = generator.choice(group)
            outcome = child.read(case.suffix, damage(case.content, generator))
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if outcome not in ("read", "refused"):
                num_uncaught += 1
                _report(f"  {name}, {case.name}: {outcome}")
        num_tried += num_files
        _report(f"{name}: {outcomes}")
    child.close()
    return num_uncaught, num_tried


def _read_large(name: str, num_mib: int, connection: Connection) -> None:
    """In a process of its own: the peak of its memory, in MiB, after reading one large file."""
    suffix, content = make_large(name, num_mib * 2**20)
    load(Source("large" + suffix, lambda: b"", suffix), content)
    connection.send(_find_peak())


def _find_peak() -> float:
    """Most memory of this process, in MiB. What the system counts for resources includes the parent's, on Linux."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_peaks(names: Sequence[str]) -> dict[str, float]:
    """Most memory that reading takes, by format."""
    peaks = {}
    context = multiprocessing.get_context("spawn")
    for name in names:
        ours, theirs = context.Pipe()
        process = context.Process(target=_read_large, args=(name, LARGE_MIB, theirs))
        process.start()
        theirs.close()
        peaks[name] = round(ours.recv())
        process.join()
        _report(f"{name}: {LARGE_MIB} MiB, {peaks[name]} MiB of memory")
    return peaks


def measure_pages(cases: Sequence[Case]) -> float:
    """PDF pages read in a second of processor time."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter()
    for case in cases:
        writer.append(PdfReader(io.BytesIO(case.content)))
    out = io.BytesIO()
    writer.write(out)
    started = time.process_time()
    load(Source("x.pdf", lambda: b"", ".pdf"), out.getvalue())
    return len(writer.pages) / (time.process_time() - started)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def format_table(text: dict[str, float], cell: dict[str, float], peers: dict[str, dict[str, float]]) -> Iterator[str]:
    """One line a format: ours, then the peers, best first."""
    yield f"{'format':10} {'text':>6} {'cells':>6} {'both':>6}   others (both)"
    for name, share in text.items():
        others = sorted(
            ((s[name], library) for library, s in peers.items() if name in s and library != OURS), reverse=True
        )
        shown = ", ".join(f"{library} {value:.3f}" for value, library in others)
        cells = f"{cell[name]:6.3f}" if name in cell else "     -"
        yield f"{name:10} {share:6.3f} {cells} {peers[OURS][name]:6.3f}   {shown}"


def main() -> None:
    """Run all parts and print the result."""
    names = [*WRITERS, *OFFICE_WRITERS, "encodings"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under three minutes")
    parser.add_argument("--formats", default=",".join(names), help="only these, divided by commas")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = write_cases(options.formats.split(","))
    result = run(cases, options.quick)
    for line in format_table(result["text_recall"], result["cell_recall"], result["peers"]):  # type: ignore[arg-type]
        print(line)
    print(json.dumps(result))


def _round(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def run(cases: dict[str, list[Case]], is_quick: bool) -> dict[str, object]:
    """All measures."""
    encoder = _NoVectors(Config())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {
            file_name(name, i, case): case.content for name, group in cases.items() for i, case in enumerate(group)
        }
        _report("reading")
        text, cell, both = measure__round(cases, add_files(files, folder / "ours", encoder))
        peers, missing = measure_peers(cases, folder / "peers", encoder)
        _report("scripts")
        scripts = measure_scripts(folder / "scripts")
    _report("damaged files")
    uncaught, num_damaged = measure_damage(cases, NUM_DAMAGED_QUICK if is_quick else NUM_DAMAGED)
    peaks = measure_peaks(QUICK_LARGE if is_quick else LARGE)
    return {
        "text_recall": _round(text),
        "cell_recall": _round(cell),
        "found_first": {script: _round(values) for script, values in scripts.items()},
        "uncaught": uncaught,
        "num_damaged": num_damaged,
        "peers": {OURS: _round(both)} | {library: _round(values) for library, values in peers.items()},
        "missing_peers": missing,
        "pages_per_s": round(measure_pages(cases["pdf"]), 1) if "pdf" in cases else None,
        "peak_mib": max(peaks.values()),
        "peaks": peaks,
    }


if __name__ == "__main__":
    main()
