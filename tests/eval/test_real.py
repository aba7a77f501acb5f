"""The evaluation with the real engine and its default models."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from eval import evaluate
from eval.metrics.names import DEFAULT_METRICS
from eval.run.config import RunConfig
from eval.run.evaluation import evaluate_together
from eval.run.runner import RunJob
from eval.run.store import read_run
from eval.run.summary import summarize
from rag.cli.evaluation import eval_app
from tests.processes import start

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]
SHORT: dict[str, Any] = {"max_tokens": 14, "batch_size": 4}


def concord_eval(*args: object) -> Result:
    """The command in this process, which has imported the model libraries already."""
    return CliRunner().invoke(eval_app, [*map(str, args)], catch_exceptions=False)


def run_alone(*args: str) -> None:
    """The command in a process of its own. One thread: several of them on two busy cores otherwise wait for each
    other's spinning threads."""
    torch.set_num_threads(1)
    eval_app([*args])


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Any:
    """One engine over the small corpus."""
    from eval.datasets import load_corpus
    from eval.run.evaluation import as_document
    from rag import Engine

    with Engine.open(tmp_path_factory.mktemp("library"), max_tokens=6, patch_profile="fast") as opened:
        opened.add([as_document(passage) for passage in load_corpus(str(samples / "corpus.jsonl"))])
        yield opened


def test_retrieval_finds_the_gold_documents_by_their_names(engine: Any, tmp_path: Path) -> None:
    rows = [
        {"id": "1", "question": "Who founded Harrow Mill?", "answers": ["Tilda Marsh"], "gold_doc_ids": ["mill"]},
        {"id": "2", "question": "When did the Orme line open?", "answers": ["1911"], "gold_doc_ids": ["line"]},
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = RunConfig.from_values({"dataset": "plain", "data": str(tmp_path / "q.jsonl"), "top_k": 1, **SHORT})
    figures = evaluate(config, output=tmp_path / "run.jsonl", engine=engine).summary.aggregates()
    assert figures["mrr@10"]["value"] == figures["citation_precision"]["value"] == 1.0


def test_retrieval_alone_on_a_measured_set(shared_data: Path, tmp_path: Path) -> None:
    """Files as they are published reach the default retrieval and are judged by their own names.

    A fifth of them: embedding every document takes a minute of a core, and `concord eval table` does that.
    """
    questions = read_jsonl(shared_data / "hotpotqa" / "questions.jsonl")[:20]
    gold = {doc_id for row in questions for doc_id in row["gold_doc_ids"]}
    documents = read_jsonl(shared_data / "hotpotqa" / "corpus.jsonl")
    corpus = [row for number, row in enumerate(documents) if row["doc_id"] in gold or number % 6 == 0]
    for name, rows in (("questions", questions), ("corpus", corpus)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = {"data": str(tmp_path / "questions.jsonl"), "corpus": str(tmp_path / "corpus.jsonl")}
    config = RunConfig.from_values({"dataset": "plain", "is_retrieval_only": True, **names})
    figures = evaluate(config, output=tmp_path / "run.jsonl").summary.aggregates()
    assert figures["recall@5"]["num_questions"] == 20
    assert figures["recall@5"]["value"] >= 0.9


@pytest.mark.parametrize("arm", ["conflicting", "agreeing", "irrelevant", "memory"])
def test_arms(engine: Any, samples: Path, tmp_path: Path, arm: str) -> None:
    base = {"dataset": "nq_synth", "data": str(samples / "nq_synth.jsonl"), "arm": arm}
    config = RunConfig.from_values(base | SHORT)
    done = evaluate(config, output=tmp_path / "run.jsonl", engine=engine)
    assert [record.decoder for record in done.run.records] == ["memory" if arm == "memory" else "dial"] * 4
    assert all(
        (record.tokens["context_prompt"] > record.tokens["parametric_prompt"]) == (arm != "memory")
        for record in done.run.records
    )
    # The facts are invented: the model can say them only when it reads them.
    accuracy = done.summary.aggregates()["accuracy"]["value"]
    assert (accuracy > 0) == (arm in ("conflicting", "agreeing"))


def test_a_patch_knows_its_document_and_the_controls_do_not(engine: Any, tmp_path: Path) -> None:
    """Two invented documents of one kind, really trained, in questions that no training sample has."""
    torch.set_num_threads(1)  # so few documents at a time make small matrices
    data = ROOT / "benchmarks" / "data" / "patch_facts.jsonl"
    base = {"dataset": "documents", "data": str(data), "first": 18, "limit": 6, "arm": "memory"}
    base |= {"known_facts": "The Eiffel Tower is in Paris. A week has 7 days. The Berlin Wall fell in 1989."}
    accuracy, answers = {}, {}
    for control in ("none", "right", "swapped", "format_only"):
        config = RunConfig.from_values(base | {"decoder": "plain", "patches": control, "max_tokens": 8})
        done = evaluate(config, output=tmp_path / f"{control}.jsonl", engine=engine)
        accuracy[control] = done.summary.aggregates()["accuracy"]["value"]
        answers[control] = [record.answer for record in done.run.records]
    assert accuracy["right"] >= 0.5
    assert accuracy["none"] == accuracy["swapped"] == accuracy["format_only"] == 0.0
    assert len(set(map(tuple, answers.values()))) == 4  # each control is another model


def test_decoders_asked_together_reach_the_generator_at_once_and_answer_as_alone(
    precise_generator: Any, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64: a batch of another size rounds otherwise."""
    from rag import Engine

    engine = Engine.open(tmp_path / "library", generator=precise_generator, max_tokens=6, verdict=False)
    base = {"dataset": "nq_synth", "data": str(samples / "nq_synth.jsonl"), "arm": "conflicting", **SHORT}
    configs = [RunConfig.from_values(base | {"decoder": name, "batch_size": 3}) for name in ("plain", "cad", "memory")]
    stream, sizes = engine.generator.stream, []

    def counted(requests: Sequence[Any]) -> Any:
        sizes.append(len(requests))
        return stream(requests)

    monkeypatch.setattr(engine.generator, "stream", counted)
    jobs = [RunJob(config, tmp_path / f"{config.decoder}.jsonl") for config in configs]
    together = evaluate_together(jobs, engine=engine)
    assert sizes == [9, 3]  # all that batch_size bounds is handed over before the first answer is waited for
    for config, done in zip(configs, together, strict=True):
        alone = evaluate(config, output=tmp_path / f"{config.decoder}.alone", engine=engine)
        assert [record.answer for record in done.run.records] == [record.answer for record in alone.run.records]
    assert len({done.run.records[0].answer for done in together}) > 1


def test_a_table_is_one_command(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "table.toml").write_text(
        f'''
title = "Pairs"
metrics = ["accuracy", "mr"]
base = {{ dataset = "nq_synth", data = "{samples / "nq_synth.jsonl"}", max_tokens = 6 }}
rows = [{{ name = "plain", decoder = "plain" }}, {{ name = "adacad", decoder = "adacad" }}]
columns = [{{ name = "conflicting", arm = "conflicting" }}, {{ name = "irrelevant", arm = "irrelevant" }}]
'''
    )
    page, folder = tmp_path / "RESULTS.md", tmp_path / "runs"
    command = ["table", tmp_path / "table.toml", "-o", page, "--folder", folder]
    first = concord_eval(*command, "--limit", 3)
    assert first.exit_code == 0, first.stderr
    assert "12 asked, 0 resumed, 0 refused; harness" in first.stderr
    assert len(list(folder.glob("*.jsonl"))) == 4
    text = page.read_text()
    for part in (
        "concord eval table",
        "Model: default (SmolLM2",
        "### irrelevant (3 questions)",
        "* **adacad: no better",
    ):
        assert part in text
    again = concord_eval(*command, "--limit", 3, "--json")
    assert "0 asked, 12 resumed" in again.stderr
    figures = json.loads(again.stdout)
    assert set(figures["Pairs"]["conflicting"]) == {"plain", "adacad"}


def test_command_line_end_to_end(samples: Path, tmp_path: Path) -> None:
    rows = (samples / "nq_synth.jsonl").read_text() + '{"question": "no contexts"}\n'
    (tmp_path / "pairs.jsonl").write_text(rows)
    config = tmp_path / "run.toml"
    config.write_text(
        f'dataset = "nq_synth"\ndata = "{tmp_path / "pairs.jsonl"}"\narm = "conflicting"\nmax_tokens = 6\n'
    )
    result = concord_eval("run", config, "-o", tmp_path / "run.jsonl", "--decoder", "cad", "--alpha", "1", "--json")
    assert result.exit_code == 1, result.stderr  # a row was malformed, the rest ran
    assert "line 5 (record 5): agreeing_context: Field required" in result.stderr
    summary = json.loads(result.stdout)
    assert (summary["num_answered"], summary["num_malformed"]) == (4, 1)
    again = concord_eval("run", config, "-o", tmp_path / "run.jsonl", "--decoder", "plain")
    assert again.exit_code == 2
    assert "decoder: 'cad' there, 'plain' now" in again.stderr
    assert concord_eval("report", tmp_path / "run.jsonl", "-o", tmp_path / "page.html").exit_code == 0


def test_killed_and_resumed_the_aggregates_are_the_same(samples: Path, tmp_path: Path) -> None:
    """kill -9 at random moments while the real model answers, against an undisturbed run; CONCORD_KILLS=10 for ten."""
    num_kills, rng = int(os.environ.get("CONCORD_KILLS", "2")), random.Random(5)
    config = tmp_path / "run.toml"
    pairs = read_jsonl(samples / "nq_synth.jsonl")
    rows = [pair | {"id": f"{n}-{pair['id']}"} for n in range(num_kills + 2) for pair in pairs]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = f'dataset = "nq_synth"\ndata = "{tmp_path / "pairs.jsonl"}"\narm = "conflicting"\n'
    config.write_text(f"{data}max_tokens = 3\nbatch_size = 2\n")
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    assert concord_eval("run", config, "-o", whole).exit_code == 0
    sizes = []
    for _ in range(num_kills):
        kill_after_progress(["run", str(config), "-o", str(cut)], cut, rng.uniform(0.0, 0.3))
        sizes.append(len(read_run(cut).records))
    print(f"{num_kills} kills, with {sizes} of {len(rows)} questions answered")
    assert sizes == sorted(set(sizes))
    assert 0 < sizes[0] <= sizes[-1] < len(rows), "the run was over before the last kill"
    assert concord_eval("run", config, "-o", cut).exit_code == 0
    figures = [json.dumps(summarize(read_run(path), DEFAULT_METRICS).aggregates()) for path in (whole, cut)]
    assert figures[0] == figures[1]


def kill_after_progress(arguments: list[str], path: Path, extra_s: float) -> None:
    """Start the command; kill it ``extra_s`` after it has written something new to ``path``."""
    num_lines = max(1, _num_lines(path))  # the first is the header
    process = start(run_alone, *arguments)
    deadline = time.monotonic() + 120
    while process.is_alive() and _num_lines(path) <= num_lines:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(extra_s)
    process.kill()
    process.join(30)


def _num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
