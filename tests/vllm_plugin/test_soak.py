"""The soak: a short one with every run of the tests, the full one with ``pytest -m soak``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed")

from rag.core.settings.config import Config
from rag.generation.load import load_generator
from tests.vllm_plugin.soak import STATE_FILE, TINY_ENGINE, at_rest, read_state, soak, traffic

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def tiny_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    patch = pytest.MonkeyPatch()
    patch.setenv(STATE_FILE, str(tmp_path_factory.mktemp("soak") / "state.json"))
    generator = load_generator(Config(engine="vllm", engine_options=TINY_ENGINE))
    yield generator
    generator.close()
    patch.undo()


def run(engine: Any, reference: Any, num_pairs: int, seed: int) -> dict[str, Any]:
    text = " ".join(path.read_text() for path in sorted((Path(__file__).parents[2] / "examples/corpus").glob("*.txt")))
    ids = engine._codec.tokenizer(text * 2)["input_ids"]
    requests = traffic(ids, num_pairs, seed)
    truth = at_rest(engine, requests)
    tally = soak(engine, requests, truth, reference._model, seed)
    state = read_state(engine)
    print(json.dumps({"right": tally.num_right, "ties": tally.num_ties, "cancelled": tally.num_cancelled,
                      "plain": tally.num_plain, "wrong": tally.wrong} | state))  # fmt: skip
    assert not tally.wrong
    assert tally.num_right + tally.num_ties + tally.num_cancelled == num_pairs
    assert tally.num_ties <= num_pairs // 100
    assert not any(state["holds"].values()), state["holds"]
    assert state["did"]["num_chunked"] > num_pairs // 10
    assert state["did"]["num_preempted"] > 0
    return state


def test_short_soak(tiny_engine: Any, generator: Any) -> None:
    run(tiny_engine, generator, num_pairs=48, seed=1)


@pytest.mark.soak
def test_full_soak(tiny_engine: Any, generator: Any) -> None:
    run(tiny_engine, generator, num_pairs=1000, seed=2)
