"""Ray workers: one local worker does what this process would, to the byte; what goes wrong there is told here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from eval import evaluate
from eval.datasets import load_corpus
from eval.metrics.names import DEFAULT_METRICS
from eval.run.config import RunConfig
from eval.run.ray_workers import _check_same_conditions
from eval.run.store import Run, read_run
from eval.run.summary import summarize
from rag.core.errors import ConcordError, ModelError, SettingError

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def ray(deterministic: ModuleType) -> Iterator[Any]:
    """Ray on this machine with one CPU; its processes cannot import the module of the deterministic answerer."""
    import ray as cluster

    cluster.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    cluster.cloudpickle.register_pickle_by_value(deterministic)
    yield cluster
    cluster.shutdown()


def comparable(run: Run) -> list[dict[str, Any]]:
    """Records without what the clock put into them."""
    rows = [json.loads(record.to_line()) for record in run.records]
    return [row | {"batch": row["batch"] | {"wall_ms": 0.0}, "timings_ms": {}} for row in rows]


def assert_same(run: Run, other: Run) -> None:
    assert comparable(run) == comparable(other)
    figures = [json.dumps(summarize(item, DEFAULT_METRICS).aggregates()) for item in (run, other)]
    assert figures[0] == figures[1]


def ports(folder: Path, num: int) -> dict[str, Any]:
    rows = [{"id": f"q{n}", "question": f"When did port {n} open?", "answers": [str(1800 + n)]} for n in range(num)]
    texts = [{"doc_id": f"port{n}", "text": f"The port {n} did open in {1800 + n}."} for n in range(num)]
    for name, items in (("questions", rows), ("corpus", texts)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in items))
    names = {"data": str(folder / "questions.jsonl"), "corpus": str(folder / "corpus.jsonl")}
    return {"dataset": "plain", "batch_size": 4, **names}


def test_a_sharded_run_is_the_unsharded_one(ray: Any, tmp_path: Path, deterministic: ModuleType) -> None:
    base = ports(tmp_path, 18)
    answerer = deterministic.DeterministicAnswerer(load_corpus(base["corpus"]))
    here = evaluate(base, output=tmp_path / "here.jsonl", answerer=answerer)
    lines = (tmp_path / "here.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "there.jsonl").write_bytes(b"".join(lines[:7]))  # cut within a batch: begun here, ended there
    seen: list[tuple[int, int]] = []
    there = evaluate(
        base | {"workers": 1},
        output=tmp_path / "there.jsonl",
        answerer=answerer,
        progress=lambda *numbers: seen.append(numbers),
    )
    assert_same(there.run, here.run)
    assert (there.report.num_resumed, there.report.num_asked) == (6, 12)
    assert seen == [(6, 18), (8, 18), (12, 18), (16, 18), (18, 18)]


def test_a_real_sharded_run_is_the_unsharded_one(ray: Any, samples: Path, tmp_path: Path) -> None:
    base = {"dataset": "nq_synth", "data": str(samples / "nq_synth.jsonl"), "arm": "conflicting"}
    config = RunConfig.from_values(base | {"max_tokens": 3, "batch_size": 3})
    torch.set_num_threads(1)  # as a worker has one core: the last digits depend on the number of threads
    here = evaluate(config, output=tmp_path / "here.jsonl").run
    there = evaluate(config.changed(workers=1), output=tmp_path / "there.jsonl").run
    assert [record.answer for record in here.records] != [""] * 4
    assert_same(there, here)


def test_workers_share_a_library(ray: Any, tmp_path: Path, place: str) -> None:
    """Wherever it is kept: every worker opens it for itself."""
    base = ports(tmp_path, 12) | {"library": place, "is_retrieval_only": True}
    config = RunConfig.from_values(base | {"engine": {"retrieval": "dense"}})
    here = evaluate(config, output=tmp_path / "here.jsonl").run
    there = evaluate(config.changed(workers=1), output=tmp_path / "there.jsonl").run
    assert len(here.records) == 12
    assert comparable(here) == comparable(there)


def test_a_model_that_dies_on_a_worker_leaves_its_results(ray: Any, tmp_path: Path, deterministic: ModuleType) -> None:
    base = ports(tmp_path, 12)

    class Mortal(deterministic.DeterministicAnswerer):  # type: ignore[misc, name-defined]
        def answer(self, *args: Any) -> Any:
            if len(self.batches) == 2:
                raise ModelError("the model died")
            return super().answer(*args)

        def factory(self) -> Callable[[], Any]:
            return lambda: self

    with pytest.raises(ModelError, match=r"^the model died$"):
        evaluate(base | {"workers": 1}, output=tmp_path / "run.jsonl", answerer=Mortal())
    assert len(read_run(tmp_path / "run.jsonl").records) == 8


def test_a_worker_that_is_killed_is_told_in_one_line(ray: Any, tmp_path: Path, deterministic: ModuleType) -> None:
    base = ports(tmp_path, 12)

    class Killed(deterministic.DeterministicAnswerer):  # type: ignore[misc, name-defined]
        def answer(self, *args: Any) -> Any:
            import os

            if len(self.batches) == 1:
                os._exit(9)
            return super().answer(*args)

        def factory(self) -> Callable[[], Any]:
            return lambda: self

    with pytest.raises(ConcordError, match="a Ray worker died") as error:
        evaluate(base | {"workers": 1}, output=tmp_path / "run.jsonl", answerer=Killed())
    assert "\n" not in str(error.value)
    assert len(read_run(tmp_path / "run.jsonl").records) == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [({"workers": 3}, "workers=3 need 3 CPUs, Ray has 1"), ({"workers": 1, "worker_gpus": 64}, "need 64 GPUs")],
)
def test_more_than_there_is_is_refused(
    ray: Any, tmp_path: Path, deterministic: ModuleType, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        evaluate(
            ports(tmp_path, 4) | values,
            output=tmp_path / "run.jsonl",
            answerer=deterministic.DeterministicAnswerer(),
        )


def test_a_worker_set_up_differently_is_refused() -> None:
    with pytest.raises(SettingError, match=r"worker on gpu7 .*version.torch: '2.8' here, '2.7' there"):
        _check_same_conditions({"model": "m", "version.torch": "2.8"}, "gpu7", {"model": "m", "version.torch": "2.7"})
