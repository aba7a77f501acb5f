"""The service under load on loopback: errors, crossed answers, memory, and its cost against the bare engine.

    python benchmarks/service.py [--quick] [--num-chats N] [--concurrency N] [--rounds N]

Every question asks for the one person whom one document names. The service is its own process, started by
``concord serve``; the bare engine runs in this one. Rounds alternate between them, so that both see the same machine;
5 % of the clients of the load phase hang up in the middle of the stream. Prints one JSON object on the last line:

    errors            chats of the load phase that failed or ended early, those that hung up left out
    crossed_answers   answers that cite another question's document first, or name another document's person
    named             share of the answers that name their own document's person
    overhead          ``first_token`` and ``tokens_per_s``: cost of the service as a share of the bare engine's
    leaked_mb         growth of the service's resident memory over the load phase, after a warm-up of the same kind
    cancelled         chats that hung up, as the service's own metrics count them
    neutral_fields_refused  values of the table of fields in docs/SERVICE.md that should be accepted and are not
    clients           share of its checks that each client passes: openai, langchain, mcp, sdk
    first_byte_ms     median time to the first byte of a streamed chat
    page_axe_violations  what axe-core finds wrong with the page; null where a browser or axe-core is missing

The whole run asks 784 questions (some 11,000 tokens): four to five minutes on two idle cores, where the engine makes
about 40 such tokens a second. On a machine that other processes keep busy its times mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from langchain_core.documents import Document

from benchmarks.service_clients import clients, first_byte_ms, neutral_fields_refused
from benchmarks.service_page import page_axe_violations
from rag.client import Client
from rag.core.answer import Answer
from rag.engine import Engine

ROOT = Path(__file__).resolve().parent.parent
MAX_TOKENS = 24
OPTIONS = {"top_k": 1, "max_tokens": MAX_TOKENS}
DROP_EVERY = 20
_FIRST = [
    "Mina",
    "Oskar",
    "Ilse",
    "Bruno",
    "Thea",
    "Anton",
    "Ruth",
    "Pavel",
    "Greta",
    "Louis",
    "Nora",
    "Felix",
    "Edda",
    "Marco",
    "Irma",
]
_LAST = [
    "Okafor",
    "Lindqvist",
    "Marchetti",
    "Novak",
    "Abara",
    "Silva",
    "Haugen",
    "Petrov",
    "Quist",
    "Moreau",
    "Tanaka",
    "Byrne",
    "Kovacs",
    "Duarte",
]
_PLACES = [
    "Aldmouth",
    "Brackwater",
    "Corliss",
    "Dunmere",
    "Eastholt",
    "Farrow",
    "Glenby",
    "Harrowgate",
    "Inverley",
    "Jarrow",
    "Kestrel",
    "Lynn",
]
_OFFICES = [
    "harbour",
    "library",
    "windmill",
    "school",
    "theatre",
    "market",
    "museum",
    "bakery",
    "bridge",
    "hospital",
    "station",
    "garden",
]
_OFFICES += ["lighthouse", "orchard", "observatory", "foundry", "archive"]

# The generator gives memory back within a second of its last answer.
SETTLE_S = 3.0


@dataclass(frozen=True)
class Fact:
    """A question, and the person whom its document names."""

    question: str
    person: str
    text: str
    source: str


@dataclass(frozen=True)
class Outcome:
    """One chat: when its first token came, when it ended, and how."""

    fact: Fact
    first_s: float
    total_s: float
    answer: Answer | None
    is_dropped: bool = False
    error: str = ""


def main() -> None:
    """Measure, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 chats, one round of 8")
    parser.add_argument("--num-chats", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=4, help="rounds of each side for the overhead, 48 chats each")
    args = parser.parse_args()
    num_chats, num_rounds, per_round = (20, 1, 8) if args.quick else (args.num_chats, args.rounds, 48)
    facts = draw_facts(num_chats)
    documents = [Document(fact.text, metadata={"source": fact.source}) for fact in facts]
    with tempfile.TemporaryDirectory() as folder, service(Path(folder) / "served") as (url, pid):
        engine = Engine.open(Path(folder) / "bare")
        client = Client(url, library="facts")
        client.create()
        client.add(documents)
        engine.add(documents)
        overhead = compare(engine, client, facts[:per_round], num_rounds, args.concurrency)
        load(client, facts, args.concurrency)  # warm-up: allocators settle
        before = settled_mb(url, pid)
        outcomes = load(client, facts, args.concurrency, has_drops=True)
        after = settled_mb(url, pid)
        print(f"  service {after:.0f} MB, before {before:.0f} MB", file=sys.stderr)
        result = {**verdict(outcomes), "overhead": overhead, "leaked_mb": round(after - before, 1)}
        result["cancelled"] = cancelled(url)
        question = facts[0].question
        result["neutral_fields_refused"] = neutral_fields_refused(url, "facts", question)
        result["clients"] = clients(url, "facts", question)
        result["first_byte_ms"] = first_byte_ms(url, "facts", question)
        result["page_axe_violations"] = page_axe_violations(url, "facts", question)
        result["num_dropped"] = sum(outcome.is_dropped for outcome in outcomes)
    print(json.dumps({"benchmark": "service", "num_chats": num_chats, "concurrency": args.concurrency, **result}))


def draw_facts(num: int) -> list[Fact]:
    """Invented offices and persons, all different."""
    persons = [f"{first} {last}" for last, first in product(_LAST, _FIRST)]
    posts = [(office, place) for place, office in product(_PLACES, _OFFICES)]
    if num > min(len(persons), len(posts)):
        raise SystemExit(f"--num-chats {num}; expected {min(len(persons), len(posts))} at most")
    return [
        Fact(
            f"Who runs the {office} of {place}?",
            person,
            f"The {office} of {place} is run by {person}. {person} has run the {office} of {place} for nine years.",
            f"{place}-{office}",
        )
        for (office, place), person in zip(posts[:num], persons[:num], strict=True)
    ]


@contextmanager
def service(root: Path) -> Iterator[tuple[str, int]]:
    """A service in its own process: its address and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "from rag.cli.app import main; main()"
    command = [
        sys.executable,
        "-c",
        program,
        "serve",
        str(root),
        "--port",
        str(port),
        "--limit",
        "requests_per_minute=100000",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(30)


def wait_for(is_true: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Return when ``is_true``; a service that does not come up ends the benchmark."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            if is_true():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"the service is not ready after {timeout_s:g} s")


def load(asked: Engine | Client, facts: Sequence[Fact], concurrency: int, *, has_drops: bool = False) -> list[Outcome]:
    """Ask everything, ``concurrency`` at a time."""
    with ThreadPoolExecutor(concurrency) as pool:
        drops = [has_drops and number % DROP_EVERY == DROP_EVERY - 1 for number in range(len(facts))]
        return list(pool.map(lambda fact, is_dropped: ask(asked, fact, is_dropped), facts, drops))


def ask(asked: Engine | Client, fact: Fact, is_dropped: bool) -> Outcome:
    """One chat; one that is dropped hangs up after three pieces."""
    started, first_s = time.perf_counter(), 0.0
    answer, num_pieces = None, 0
    events = asked.stream(fact.question, **OPTIONS)
    try:
        for event in events:
            first_s = first_s or time.perf_counter() - started
            num_pieces += 1
            if is_dropped and num_pieces == 3:
                events.close()  # type: ignore[attr-defined]  # both streams are generators
                return Outcome(fact, first_s, time.perf_counter() - started, None, is_dropped=True)
            if isinstance(event, Answer):
                answer = event
    except Exception as error:  # whatever it is, it is counted
        return Outcome(fact, first_s, time.perf_counter() - started, None, error=f"{type(error).__name__}: {error}")
    return Outcome(fact, first_s, time.perf_counter() - started, answer, error="" if answer else "ended early")


def compare(
    engine: Engine, client: Client, facts: Sequence[Fact], num_rounds: int, concurrency: int
) -> dict[str, float]:
    """Cost of the service as a share of the bare engine's: medians over alternating rounds."""
    firsts: dict[str, list[float]] = {"bare": [], "service": []}
    rates: dict[str, list[float]] = {"bare": [], "service": []}
    sides: list[tuple[str, Engine | Client]] = [("bare", engine), ("service", client)]
    for _, asked in sides:
        load(asked, facts[:4], concurrency)  # the first forward of a process allocates
    for number in range(num_rounds):
        for name, asked in sides if number % 2 == 0 else sides[::-1]:
            started = time.perf_counter()
            outcomes = load(asked, facts, concurrency)
            elapsed_s = time.perf_counter() - started
            tokens = sum(outcome.answer.tokens.generated for outcome in outcomes if outcome.answer)
            firsts[name].append(statistics.median(outcome.first_s for outcome in outcomes))
            rates[name].append(tokens / elapsed_s)
            print(f"  {name}: first token {firsts[name][-1]:.3f} s, {rates[name][-1]:.1f} tokens/s", file=sys.stderr)
    first, rate = ({name: statistics.median(values) for name, values in table.items()} for table in (firsts, rates))
    return {
        "first_token": round(first["service"] / first["bare"] - 1, 4),
        "tokens_per_s": round(rate["bare"] / rate["service"] - 1, 4),
    }


def verdict(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """What the load phase showed."""
    for outcome in outcomes:
        if outcome.error:
            print(f"  {outcome.fact.source}: {outcome.error}", file=sys.stderr)
    answered = [outcome for outcome in outcomes if outcome.answer]
    persons = [outcome.fact.person for outcome in outcomes]
    crossed = sum(is_crossed(outcome, persons) for outcome in answered)
    named = sum(outcome.fact.person in outcome.answer.text for outcome in answered if outcome.answer)
    return {
        "errors": sum(bool(outcome.error) for outcome in outcomes),
        "crossed_answers": crossed,
        "named": round(named / max(len(answered), 1), 3),
    }


def is_crossed(outcome: Outcome, persons: Sequence[str]) -> bool:
    """Whether the answer is another question's: it cites another document first, or names another's person."""
    answer, fact = outcome.answer, outcome.fact
    assert answer is not None
    others = (person for person in persons if person != fact.person)
    return answer.citations[0].source != fact.source or any(person in answer.text for person in others)


def cancelled(url: str) -> int:
    """Chats that the service saw hang up, when none is running any more."""
    wait_for(lambda: "concord_chats_running 0.0" in httpx.get(f"{url}/metrics").text, 30.0)
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return int(float(next(line for line in lines if line.startswith("concord_chats_cancelled_total")).split()[1]))


def settled_mb(url: str, pid: int) -> float:
    """Resident memory when no chat runs and what the last ones freed went back to the system."""
    wait_for(lambda: "concord_chats_running 0.0" in httpx.get(f"{url}/metrics").text, 30.0)
    time.sleep(SETTLE_S)
    return resident_mb(pid)


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
