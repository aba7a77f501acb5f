"""Settings of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.run.config import RunConfig, fingerprint
from rag.core.errors import SettingError
from rag.core.settings.config import Config

BASE = {"dataset": "nq_synth", "data": "x.jsonl"}


def test_toml_and_overrides(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('dataset = "nq_synth"\ndata = "x.jsonl"\ndecoder = "cad"\nlimit = 5\n[engine]\ndtype = "float32"\n')
    config = RunConfig.load(file, alpha=0.5, limit=None, top_k=2)
    assert (config.decoder, config.alpha, config.limit, config.top_k) == ("cad", 0.5, 5, 2)
    assert config.engine == {"dtype": "float32"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": "x"}, "setting 'dataset' is missing"),
        (BASE | {"colour": 1}, "unknown setting 'colour'; known are dataset"),
        (BASE | {"dataset": "nqq"}, "unknown data set 'nqq'"),
        (BASE | {"arm": "both"}, "arm='both': input should be 'retrieved'"),
        (BASE | {"decoder": "magic"}, "unknown decoder 'magic'; choose one of"),
        (BASE | {"decoder": "adacad", "alpha": 7}, "decoder 'adacad' has no setting 'alpha'"),
        (BASE | {"decoder": "cad", "alpha": -1}, "alpha=-1.0 does not suit decoder 'cad'"),
        (BASE | {"decoder": "cad", "alpha": "much"}, "alpha"),
        (BASE | {"metrics": ["exact"]}, "unknown metric 'exact'"),
        (BASE | {"engine": {"dtyp": "float32"}}, "unknown setting 'dtyp'"),
        (BASE | {"engine": {"dtype": "int8"}}, "dtype"),
        (BASE | {"limit": 0}, "limit=0"),
        (BASE | {"batch_size": 0}, "batch_size=0"),
        (BASE | {"confidence": 1.0}, "confidence=1.0"),
    ],
)
def test_impossible_settings(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        RunConfig.from_values(values)


def test_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("dataset = ")
    for name in ("bad.toml", "absent.toml"):
        with pytest.raises(SettingError, match="cannot read settings from"):
            RunConfig.load(tmp_path / name)


@pytest.mark.parametrize("change", [{"decoder": "plain"}, {"seed": 1}, {"limit": 3}, {"engine": {"dtype": "float32"}}])
def test_fingerprint_follows_what_results_depend_on(change: dict[str, object]) -> None:
    config = RunConfig.from_values(BASE)
    assert fingerprint(config.changed(**change).identity()) != fingerprint(config.identity())


@pytest.mark.parametrize("change", [{"metrics": ["f1"]}, {"confidence": 0.9}, {"library": "elsewhere"}])
def test_fingerprint_leaves_alone_what_is_only_shown(change: dict[str, object]) -> None:
    config = RunConfig.from_values(BASE)
    assert fingerprint(config.changed(**change).identity()) == fingerprint(config.identity())


def test_an_evaluation_has_the_defaults_of_the_product() -> None:
    run, engine = RunConfig.from_values({"dataset": "plain", "data": "x.jsonl"}), Config()
    assert (run.decoder, run.top_k, run.max_tokens) == (engine.decoder, engine.top_k, engine.max_tokens)
