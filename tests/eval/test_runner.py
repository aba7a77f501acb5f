"""The runner: batches, resuming, questions that cannot be asked, a model that dies, and a process that is killed."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from decoders.params import DecoderParams
from eval import evaluate
from eval.datasets import load_corpus
from eval.metrics.names import DEFAULT_METRICS
from eval.records import Record
from eval.run.answerer import OnAnswer
from eval.run.config import RunConfig
from eval.run.runner import RunJob, run_together
from eval.run.store import read_run
from eval.run.summary import summarize
from eval.types import Trial
from rag.core.answer import Answer
from rag.core.errors import ModelError, SettingError, StorageError
from tests.eval.deterministic import run
from tests.processes import start

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def write_questions(folder: Path, num: int, marked: Sequence[int] = ()) -> Path:
    """``num`` questions about ports, and the corpus that answers them; those ``marked`` cannot be asked."""
    rows = [
        {
            "id": f"q{n}",
            "question": f"{'unaskable ' if n in marked else ''}When did port {n} open?",
            "answers": [str(1800 + n)],
            "gold_doc_ids": [f"port{n}"],
        }
        for n in range(num)
    ]
    texts = [
        {"doc_id": f"port{n}", "title": f"Port {n}", "text": f"The port {n} did open in {1800 + n}."}
        for n in range(num)
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    return folder / "questions.jsonl"


def settings(folder: Path, **values: Any) -> RunConfig:
    base = {"dataset": "plain", "data": str(folder / "questions.jsonl"), "corpus": str(folder / "corpus.jsonl")}
    return RunConfig.from_values(base | {"batch_size": 4} | values)


def undated(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Records without what the clock put into them."""
    rows = [json.loads(record.to_line()) for record in records]
    return [row | {"batch": row["batch"] | {"wall_ms": 0.0}} for row in rows]


def test_records_hold_what_a_reader_needs(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 10)
    answerer = deterministic.DeterministicAnswerer(load_corpus(str(tmp_path / "corpus.jsonl")))
    done = evaluate(settings(tmp_path), output=tmp_path / "run.jsonl", answerer=answerer)
    assert answerer.batches == [["q0", "q1", "q2", "q3"], ["q4", "q5", "q6", "q7"], ["q8", "q9"]]
    first = done.run.records[0]
    assert (first.question, first.answer, first.references) == ("When did port 0 open?", "1800", ("1800",))
    assert first.ranking is not None
    assert first.ranking[0][0] == "port0"
    assert len(first.ranking) == 10
    assert first.conflict is not None
    assert first.conflict.num_steps == 1
    assert first.citations[0] == "port0"
    assert first.tokens["generated"] == 1
    assert first.timings_ms["total"] == 1.0
    assert first.versions == {"deterministic": "1"}
    assert len(first.fingerprint) == 12
    assert (first.batch.index, first.batch.size) == (0, 4)
    figures = done.summary.aggregates()
    assert figures["exact_match"]["value"] == figures["recall@5"]["value"] == 1.0
    assert (done.report.num_asked, done.report.num_resumed, done.run.is_complete) == (10, 0, True)


def test_a_second_run_asks_nothing(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 6)
    answerer = deterministic.DeterministicAnswerer(load_corpus(str(tmp_path / "corpus.jsonl")))
    first = evaluate(settings(tmp_path), output=tmp_path / "run.jsonl", answerer=answerer)
    before = (tmp_path / "run.jsonl").read_bytes()
    again = evaluate(settings(tmp_path, metrics=["f1"]), output=tmp_path / "run.jsonl", answerer=answerer)
    assert (again.report.num_asked, again.report.num_resumed) == (0, 6)
    assert (tmp_path / "run.jsonl").read_bytes() == before
    assert list(again.summary.aggregates()) == ["f1"]
    assert first.run == again.run


@pytest.mark.parametrize("change", [{"decoder": "plain"}, {"seed": 3}, {"limit": 5}, {"batch_size": 2}])
def test_another_configuration_is_refused(tmp_path: Path, deterministic: ModuleType, change: dict[str, Any]) -> None:
    write_questions(tmp_path, 6)
    answerer = deterministic.DeterministicAnswerer()
    evaluate(settings(tmp_path), output=tmp_path / "run.jsonl", answerer=answerer)
    with pytest.raises(SettingError, match=f"{next(iter(change))}: .* there, .* now"):
        evaluate(settings(tmp_path, **change), output=tmp_path / "run.jsonl", answerer=answerer)


def test_other_data_or_another_model_is_refused(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 6)
    config, path = settings(tmp_path), tmp_path / "run.jsonl"
    evaluate(config, output=path, answerer=deterministic.DeterministicAnswerer())
    with pytest.raises(SettingError, match="model: 'deterministic' there, 'other' now"):
        evaluate(config, output=path, answerer=deterministic.DeterministicAnswerer(model="other"))
    text = (tmp_path / "questions.jsonl").read_text()
    (tmp_path / "questions.jsonl").write_text(text.replace("port 3", "port three"))
    with pytest.raises(SettingError, match="trials: "):
        evaluate(config, output=path, answerer=deterministic.DeterministicAnswerer())


def test_a_question_that_cannot_be_asked_costs_only_itself(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 8, marked=[2])
    answerer = deterministic.DeterministicAnswerer(load_corpus(str(tmp_path / "corpus.jsonl")))
    done = evaluate(settings(tmp_path), output=tmp_path / "run.jsonl", answerer=answerer)
    refused = done.run.records[2]
    assert refused.answer is None
    assert "cannot be asked" in refused.error
    assert done.report.num_refused == done.summary.num_refused == 1
    assert done.summary.aggregates()["exact_match"] | {"low": 0, "high": 0} == {
        "value": 7 / 8,
        "low": 0,
        "high": 0,
        "num_questions": 8,
    }


def test_shared_ids_are_refused(tmp_path: Path, answerer: Any) -> None:
    trials = [Trial("1", "a?", ("x",)), Trial("1", "b?", ("x",))]
    config = RunConfig.from_values({"dataset": "plain", "data": "x"})
    with pytest.raises(SettingError, match="have the same id"):
        run_together([RunJob(config, tmp_path / "run.jsonl")], trials, answerer)


def test_a_model_that_dies_leaves_its_results(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 12)
    corpus = load_corpus(str(tmp_path / "corpus.jsonl"))

    class Mortal(deterministic.DeterministicAnswerer):  # type: ignore[misc, name-defined]
        def answer(
            self, trials: Sequence[Trial], decoders: Sequence[DecoderParams], on_answer: OnAnswer
        ) -> list[list[Answer]]:
            if len(self.batches) == 2:
                raise ModelError("the model died")
            return list(super().answer(trials, decoders, on_answer))

    with pytest.raises(ModelError, match="the model died"):
        evaluate(settings(tmp_path), output=tmp_path / "run.jsonl", answerer=Mortal(corpus))
    assert len(read_run(tmp_path / "run.jsonl").records) == 8
    healthy = deterministic.DeterministicAnswerer(corpus)
    done = evaluate(settings(tmp_path), output=tmp_path / "run.jsonl", answerer=healthy)
    assert healthy.batches == [["q8", "q9", "q10", "q11"]]
    assert (done.report.num_asked, done.report.num_resumed) == (4, 8)


def test_a_torn_batch_is_asked_whole_and_written_in_part(tmp_path: Path, deterministic: ModuleType) -> None:
    """A batch mate must not see another batch because the run was cut: same batches, same floating-point sums."""
    write_questions(tmp_path, 8)
    corpus = load_corpus(str(tmp_path / "corpus.jsonl"))
    path = tmp_path / "run.jsonl"
    whole = evaluate(settings(tmp_path), output=path, answerer=deterministic.DeterministicAnswerer(corpus)).run
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines[:7]) + b"\n" + lines[7][:30])
    answerer = deterministic.DeterministicAnswerer(corpus)
    resumed = evaluate(settings(tmp_path), output=path, answerer=answerer).run
    assert answerer.batches == [["q4", "q5", "q6", "q7"]]
    assert undated(resumed.records) == undated(whole.records)


def test_retrieval_only_asks_for_no_answer(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 6)
    answerer = deterministic.DeterministicAnswerer(load_corpus(str(tmp_path / "corpus.jsonl")))
    config = settings(tmp_path, is_retrieval_only=True)
    done = evaluate(config, output=tmp_path / "run.jsonl", answerer=answerer)
    assert answerer.batches == []
    assert list(done.summary.aggregates()) == ["recall@2", "recall@5", "all_gold@5", "mrr@10", "ndcg@10"]
    assert done.summary.aggregates()["mrr@10"]["value"] == 1.0
    with pytest.raises(SettingError, match="is_retrieval_only needs arm 'retrieved'"):
        settings(tmp_path, is_retrieval_only=True, arm="memory")


def test_progress_counts_from_what_is_there(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 8)
    seen: list[tuple[int, int]] = []
    answerer = deterministic.DeterministicAnswerer()
    for _ in range(2):
        evaluate(
            settings(tmp_path), output=tmp_path / "run.jsonl", answerer=answerer, progress=lambda *n: seen.append(n)
        )
    assert seen == [*((n, 8) for n in (0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8)), (8, 8)]


def aggregates(path: Path) -> bytes:
    return json.dumps(summarize(read_run(path), DEFAULT_METRICS).aggregates()).encode()


def test_killed_ten_times_it_ends_as_if_undisturbed(tmp_path: Path) -> None:
    """kill -9 at random moments of a real process; in the end no question is lost, repeated or answered otherwise."""
    write_questions(tmp_path, 60, marked=[7, 31])
    config = tmp_path / "run.toml"
    data, corpus = tmp_path / "questions.jsonl", tmp_path / "corpus.jsonl"
    config.write_text(f'dataset = "plain"\ndata = "{data}"\ncorpus = "{corpus}"\nbatch_size = 2\n')
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    run(config, whole, 0.0)
    rng, num_kills, sizes = random.Random(11), 0, []
    while num_kills < 10:
        process = start(run, config, cut, 0.05)
        wait_for_progress(process, cut, rng.uniform(0.0, 0.25))
        assert process.is_alive(), "the run was over before it could be killed ten times"
        process.kill()
        process.join()
        num_kills += 1
        sizes.append(len(read_run(cut).records))
        tear(cut, rng)
    run(config, cut, 0.0)
    assert sizes == sorted(sizes)
    assert 0 < sizes[0] < sizes[-1] < 60
    assert aggregates(cut) == aggregates(whole)
    assert undated(read_run(cut).records) == undated(read_run(whole).records)


def wait_for_progress(process: BaseProcess, path: Path, extra_s: float) -> None:
    """Until the process has written something new, and then a random while."""
    size = path.stat().st_size if path.exists() else 0
    deadline = time.monotonic() + 30
    while process.is_alive() and (not path.exists() or path.stat().st_size == size):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(extra_s)


def tear(path: Path, rng: random.Random) -> None:
    """A kill between two writes leaves whole lines; half of the time, leave what one inside a write would."""
    if rng.random() < 0.5:
        with path.open("ab") as file:
            file.write(b'{"question_id": "q9", "question": "When d')


def test_a_full_disk_keeps_what_was_written(tmp_path: Path, deterministic: ModuleType) -> None:
    resource = pytest.importorskip("resource")
    write_questions(tmp_path, 12)
    answerer = deterministic.DeterministicAnswerer()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot write results to .*run\.jsonl"):
            evaluate(settings(tmp_path), output=tmp_path / "run.jsonl", answerer=answerer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    done = evaluate(settings(tmp_path), output=tmp_path / "run.jsonl", answerer=answerer)
    assert done.report.num_resumed > 0
    assert done.run.is_complete


def test_runs_answered_together_are_as_those_answered_alone(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 10, marked=[5])
    corpus = load_corpus(str(tmp_path / "corpus.jsonl"))
    trials = [Trial(f"q{n}", f"{'unaskable ' if n == 5 else ''}When did port {n} open?", ("x",)) for n in range(10)]
    jobs = [RunJob(settings(tmp_path, decoder=name), tmp_path / f"{name}.jsonl") for name in ("plain", "cad", "adacad")]
    answerer = deterministic.DeterministicAnswerer(corpus)
    reports = run_together(jobs, trials, answerer)
    assert [(report.num_asked, report.num_refused) for report in reports] == [(10, 1)] * 3
    # Each question is in one batch only, and the batch of the refused one is asked again one by one.
    assert answerer.batches == [
        ["q0", "q1", "q2", "q3"], ["q4", "q5", "q6", "q7"], *([f"q{n}"] for n in (4, 5, 6, 7)), ["q8", "q9"],
    ]  # fmt: skip
    for job in jobs:
        alone = job.path.with_suffix(".alone")
        run_together([RunJob(job.config, alone)], trials, deterministic.DeterministicAnswerer(corpus))
        together, apart = read_run(job.path), read_run(alone)
        assert [record.decoder for record in together.records if record.answer] == [job.config.decoder] * 9
        ignored = {"fingerprint": "", "batch": None}
        assert [row | ignored for row in undated(together.records)] == [row | ignored for row in undated(apart.records)]


def test_of_runs_answered_together_each_gets_what_it_lacks(tmp_path: Path, deterministic: ModuleType) -> None:
    trials = [Trial(f"q{n}", f"When did port {n} open?", ("x",)) for n in range(12)]
    write_questions(tmp_path, 12)
    jobs = [RunJob(settings(tmp_path, decoder=name), tmp_path / f"{name}.jsonl") for name in ("plain", "cad")]
    run_together(jobs, trials, deterministic.DeterministicAnswerer())
    whole = [undated(read_run(job.path).records) for job in jobs]
    lines = jobs[1].path.read_bytes().splitlines(keepends=True)
    jobs[1].path.write_bytes(b"".join(lines[:6]))
    answerer, seen = deterministic.DeterministicAnswerer(), list[tuple[int, int]]()
    reports = run_together(jobs, trials, answerer, lambda *numbers: seen.append(numbers))
    assert [(report.num_asked, report.num_resumed) for report in reports] == [(0, 12), (7, 5)]
    assert answerer.batches == [["q4", "q5", "q6", "q7"], ["q8", "q9", "q10", "q11"]]
    assert [undated(read_run(job.path).records) for job in jobs] == whole
    assert (seen[0], seen[-1]) == ((17, 24), (24, 24))


def test_runs_that_differ_in_more_are_not_answered_together(tmp_path: Path, deterministic: ModuleType) -> None:
    write_questions(tmp_path, 4)
    jobs = [RunJob(settings(tmp_path, max_tokens=n), tmp_path / f"{n}.jsonl") for n in (4, 8)]
    with pytest.raises(SettingError, match="may differ only in decoder, alpha and decoder_settings"):
        run_together(jobs, [Trial("q", "?", ("x",))], deterministic.DeterministicAnswerer())
