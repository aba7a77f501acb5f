"""The default retrieval over libraries of growing size: what ``benchmarks/scale.py`` reports by number of passages.

A library is filled without parsing and encoding, so ``build_passages_per_s`` is what the library itself costs: entries
of the graph, staging, publishing, and the vector index. It is served by a process of its own
(``python benchmarks/sizes.py PLACE QUESTIONS``), whose memory is compared with what it took once its model was loaded.
With ``--processes 4`` that many serve one library at once; ``--hold``, which they get, lets one stay until its input
ends.

Times are of the processor, all threads together; of the clock where a database does a part of the work. There
``search_processor_ms`` has the processor time of this process (median) and of the server's sessions (mean), where the
server runs on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from rag.core.passages import Passage
from rag.core.process.threads import configure_threads
from rag.core.settings.config import Config
from rag.library.base import Library, Staged
from rag.library.open import is_address, open_library
from rag.library.sqlite.reading import FILE
from rag.models.sentence_encoder import SentenceEncoder
from retrievers.graph.entries import RuleEntryWriter
from retrievers.graph.retriever import GraphRetriever
from retrievers.hybrid import HybridRetriever
from retrievers.sparse import SparseRetriever

TOP_K = 5
_BATCH = 1000
# A scan of everything keeps the library in memory: 8 kB a passage.
MAX_SCANNED = 100_000
Documents = Callable[[int], Iterator[Document]]
Prepared = tuple[list[Passage], Any, list[bytes], float]


def size_figures(
    places: Mapping[int, str],
    documents: Documents,
    embeddings: Embeddings,
    encoder_name: str,
    questions: Sequence[str],
    max_scanned: int = MAX_SCANNED,
) -> dict[str, dict[str, Any]]:
    """Every figure as an object by number of passages.

    Args:
        places: where the library of each size is, or is to be made.
        documents: so many documents of one passage each.
        embeddings: vectors of texts.
        encoder_name: of the encoder that the vectors go with.
        questions: what is asked.
        max_scanned: libraries up to this size are compared with a scan of all passages.
    """
    figures: dict[str, dict[str, Any]] = {}
    for size, place in places.items():
        print(f"a library of {size} passages", file=sys.stderr, flush=True)
        library = open_library(place)
        report: dict[str, Any] = {}
        if library.num_passages != size:
            report["build_passages_per_s"] = fill(library, documents, size, embeddings, encoder_name)
        report["bytes_per_passage"] = round(library.size_bytes / size)
        report["bytes_by_part"] = bytes_by_part(place, size)
        library.close()
        for name, value in (report | serve_apart(place, questions, max_scanned)).items():
            figures.setdefault(name, {})[str(size)] = value
    return figures


def fill(library: Library, documents: Documents, size: int, embeddings: Embeddings, encoder_name: str) -> int:
    """Add documents of one passage each; passages a second of processor time, their making and vectors left out.

    Another process makes them and their entries, which are counted too.
    """
    spent, names, version = 0.0, [], RuleEntryWriter().version
    for passages, vectors, entries, seconds in prepared_apart(documents, size, embeddings):
        started = time.process_time()
        library.stage(
            [
                Staged(p.doc_id, p.source, p.title, p.doc_id, len(p.text), [p], vector[None], "", [entry], version)
                for p, vector, entry in zip(passages, vectors, entries, strict=True)
            ]
        )
        spent += seconds + time.process_time() - started
        names += [passage.doc_id for passage in passages]
        if len(names) % 50_000 == 0:
            print(f"staged {len(names)} passages in {spent:.0f} s", file=sys.stderr, flush=True)
    started = time.process_time()
    library.publish(names, encoder_name)
    library.dense_index().search(vectors[:1], 1)
    return round(size / (spent + time.process_time() - started))


def prepared_apart(documents: Documents, size: int, embeddings: Embeddings) -> Iterator[Prepared]:
    """What :func:`prepared` yields, made ahead in another process."""
    fork = get_context("fork")  # the vectors of the originals are in memory already
    queue: Any = fork.Queue(maxsize=8)

    def produce() -> None:
        try:
            for batch in prepared(documents(size), embeddings):
                queue.put(batch)
        finally:
            queue.put(None)

    process = fork.Process(target=produce, daemon=True)
    process.start()
    while (batch := queue.get()) is not None:
        yield batch
    process.join()
    assert process.exitcode == 0, "documents could not be made"


def prepared(documents: Iterator[Document], embeddings: Embeddings) -> Iterator[Prepared]:
    """Batches of passages, their vectors and entries, and the processor time of the entries."""
    writer = RuleEntryWriter()
    while batch := list(islice(documents, _BATCH)):
        passages = [build_passage(document) for document in batch]
        vectors = np.stack(embeddings.embed_documents([f"{p.title}\n{p.text}" for p in passages]))
        started = time.process_time()
        entries = writer.write(passages)
        yield passages, vectors, entries, time.process_time() - started


def build_passage(document: Document) -> Passage:
    """The one passage of a document."""
    source = document.metadata["source"]
    return Passage(f"{source}:0", source, source, document.metadata["title"], document.page_content)


def serve_apart(place: str, questions: Sequence[str], max_scanned: int) -> dict[str, Any]:
    """:func:`serve` in a process of its own."""
    command = [*_command(place, questions), "--max-scanned", str(max_scanned)]
    reply = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, Any] = json.loads(reply.splitlines()[-1])
    return figures


def process_figures(place: str, questions: Sequence[str], num_processes: int = 4) -> dict[str, Any]:
    """Memory of processes that serve one library at once, above what each had with its model loaded, MiB.

    They hold the encoder and the retriever of an API process, and no generator. ``uss``: pages of this process alone.
    ``pss``: its share of the others too. Each has answered all questions before the next one starts.
    """
    running, figures = [], []
    try:
        for _ in range(num_processes):
            command = [*_command(place, questions), "--max-scanned", "0", "--hold"]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            running.append(process)
            assert process.stdout is not None
            figures.append(json.loads(process.stdout.readline()))
    finally:
        for process in running:
            process.communicate()  # ends its input
    first, last = figures[0], figures[-1]
    return {
        "num_processes": num_processes,
        "first_uss_mib": first["uss_mib"],
        "last_uss_mib": last["uss_mib"],
        "last_pss_mib": last["pss_mib"],
        "last_peak_mib": last["peak_mib"],
    }


def _command(place: str, questions: Sequence[str]) -> list[str]:
    return [sys.executable, __file__, place, json.dumps(list(questions))]


def memory_mib() -> tuple[float, float]:
    """Unique and proportional set size of this process."""
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    kib = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024, kib["Pss"] / 1024


def serve(place: str, questions: Sequence[str], max_scanned: int) -> dict[str, Any]:
    """Open a library and ask; then the same from a scan of all passages, if they fit into memory."""
    from benchmarks.scale import peak_mb, reset_peak_mb

    encoder = SentenceEncoder(Config())
    encoder.encode(["warm"])
    clock = time.perf_counter if is_address(place) else time.process_time
    before_mib = reset_peak_mb()
    before_uss, before_pss = memory_mib()
    started = clock()
    library = open_library(place, must_exist=True)
    num_passages = library.num_passages
    open_s = clock() - started
    retriever = build_retriever(library, encoder)
    retriever.search(questions[:1], TOP_K)
    first_answer_s = clock() - started
    rankings, times, own = [], [], []
    served = server_seconds(place)
    for question in questions:
        started, began = clock(), time.process_time()
        rankings.append(retriever.search([question], TOP_K)[0])
        times.append(1000 * (clock() - started))
        own.append(1000 * (time.process_time() - began))
    figures = {
        "open_s": round(open_s, 3),
        "first_answer_s": round(first_answer_s, 2),
        "search_ms": {"median": round(float(np.median(times)), 1), "p95": round(float(np.percentile(times, 95)), 1)},
        "peak_mib": round(peak_mb() - before_mib),
        "uss_mib": round(memory_mib()[0] - before_uss),
        "pss_mib": round(memory_mib()[1] - before_pss),
    }
    if served is not None:
        server_ms = 1000 * ((server_seconds(place) or 0) - served) / len(questions)
        processor_ms = {"client_median": round(float(np.median(own)), 1), "server_mean": round(server_ms, 1)}
        figures["search_processor_ms"] = processor_ms
    if num_passages <= max_scanned:
        scanned = build_retriever(library, encoder, is_exhaustive=True).search(questions, TOP_K)
        figures["recall_at_5_of_unbounded"] = round(float(np.mean(list(map(overlap, rankings, scanned)))), 4)
    library.close()
    return figures


def server_seconds(place: str) -> float | None:
    """Processor time so far of the sessions of a database on this machine; ``None`` where there is none."""
    if not is_address(place):
        return None
    import psycopg

    from rag.library.postgres.address import Address

    with psycopg.connect(Address.parse(place).conninfo) as db:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
        files = [Path(f"/proc/{pid}/stat") for (pid,) in db.execute(query)]
    # Fields 14 and 15: user and system time in hundredths of a second, after the name in brackets.
    times = [file.read_text().rpartition(")")[2].split()[11:13] for file in files if file.exists()]
    return sum(int(ticks) for pair in times for ticks in pair) / os.sysconf("SC_CLK_TCK") if times else None


def bytes_by_part(place: str, size: int) -> dict[str, int]:
    """Bytes a passage of every large table and file of a library in a folder; empty for one elsewhere."""
    if is_address(place):
        return {}
    with closing(sqlite3.connect(Path(place) / FILE)) as db:
        try:
            parts = dict(db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall())
        except sqlite3.OperationalError:  # this SQLite was built without the table
            parts = {}
    parts |= {file.name: file.stat().st_size for file in Path(place).glob("*.faiss")}
    return {name: round(number / size) for name, number in sorted(parts.items()) if number >= size}


def build_retriever(library: Library, encoder: SentenceEncoder, *, is_exhaustive: bool = False) -> HybridRetriever:
    """What the setting ``hybrid`` gives."""
    graph = GraphRetriever(library=library, encoder=encoder, is_exhaustive=is_exhaustive)
    return HybridRetriever(graph=graph, sparse=SparseRetriever(library=library))


def overlap(ranking: Sequence[Any], other: Sequence[Any]) -> float:
    """Share of the passages of ``other`` that are in ``ranking``."""
    names = {scored.passage.passage_id for scored in ranking}
    return len(names & {scored.passage.passage_id for scored in other}) / max(len(other), 1)


def main() -> None:
    """Serve, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", help="folder or address of a library")
    parser.add_argument("questions", help="JSON list")
    parser.add_argument("--max-scanned", type=int, default=MAX_SCANNED, help="largest library to scan too")
    parser.add_argument("--hold", action="store_true", help="stay until the input ends")
    parser.add_argument("--processes", type=int, default=0, help="memory of so many processes on this library, alone")
    args = parser.parse_args()
    configure_threads()
    questions = json.loads(args.questions)
    if args.processes:
        figures = process_figures(args.place, questions, args.processes)
    else:
        figures = serve(args.place, questions, args.max_scanned)
    print(json.dumps(figures), flush=True)
    if args.hold:
        sys.stdin.read()


if __name__ == "__main__":
    main()
