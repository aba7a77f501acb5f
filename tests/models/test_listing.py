"""``concord models``: what is listed, what is said about it, and removing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rag.cli.app import app
from rag.core.errors import ModelError
from rag.core.settings.config import Config
from rag.models.defaults import ENCODER, GENERATOR
from rag.models.gguf.convert import convert
from rag.models.listing import ModelInfo, list_models, remove_model


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("CONCORD_CACHE_DIR", str(tmp_path))
    return Config(cache_dir=tmp_path, device="cpu")


def by_name(config: Config) -> dict[str, ModelInfo]:
    return {model.name: model for model in list_models(config)}


def test_the_default_models_are_listed(config: Config) -> None:
    models = by_name(config)
    generator, encoder = models[GENERATOR.name], models[ENCODER.name]
    assert (generator.kind, generator.origin, generator.format) == ("generator", "embedded", "GGUF Q4_1")
    assert (generator.window, generator.license) == (8192, "apache-2.0")
    assert generator.weights_bytes == 134_515_008 * 4
    assert generator.cache_bytes_per_token == 2 * 30 * 3 * 64 * 4
    assert (encoder.kind, encoder.format, encoder.window) == ("encoder", "safetensors F32", 256)
    assert encoder.license == "apache-2.0"
    assert encoder.cache_bytes_per_token is None


def test_a_converted_model_is_listed_with_what_its_file_says(config: Config, llama_gguf: Path, llama: Any) -> None:
    folder = convert(llama_gguf, config.cache_dir / "models")  # type: ignore[operator]
    model = by_name(config)[folder.name]
    assert (model.kind, model.origin, model.format) == ("generator", "converted", "safetensors F32")
    assert (model.window, model.license) == (256, "apache-2.0")
    num_weights = sum(parameter.numel() for parameter in llama.parameters())
    assert model.weights_bytes == num_weights * 4
    assert model.cache_bytes_per_token == 2 * 3 * 2 * 8 * 4
    assert model.disk_bytes >= num_weights * 4
    assert model.fits


def test_half_precision_takes_half_the_memory(config: Config) -> None:
    half = by_name(config.model_copy(update={"dtype": "bfloat16"}))
    assert half[GENERATOR.name].weights_bytes == 134_515_008 * 2
    assert half[ENCODER.name].weights_bytes == by_name(config)[ENCODER.name].weights_bytes


def test_a_model_larger_than_memory_does_not_fit(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.models.listing.device_memory", lambda device: 1_200_000_000)
    assert not by_name(config)[GENERATOR.name].fits
    assert by_name(config)[ENCODER.name].fits


def test_a_removed_model_is_gone(config: Config, llama_gguf: Path) -> None:
    folder = convert(llama_gguf, config.cache_dir / "models")  # type: ignore[operator]
    size = by_name(config)[folder.name].disk_bytes
    assert remove_model(folder.name, config) == size
    assert not folder.exists()
    assert folder.name not in by_name(config)
    assert convert(llama_gguf, config.cache_dir / "models") == folder  # type: ignore[operator]


@pytest.mark.parametrize(("name", "line"), [("nothing", "no model 'nothing'"), (ENCODER.name, "pip uninstall")])
def test_what_cannot_be_removed_is_refused(name: str, line: str, config: Config) -> None:
    with pytest.raises(ModelError, match=line):
        remove_model(name, config)


def test_the_command_line_lists_gets_and_removes(config: Config, llama_gguf: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["models", "get", str(llama_gguf)]).exit_code == 0
    listed = json.loads(runner.invoke(app, ["models", "--json"]).stdout)
    (name,) = [model["name"] for model in listed if model["origin"] == "converted"]
    shown = runner.invoke(app, ["models"])
    assert shown.exit_code == 0
    assert name in shown.stdout
    assert runner.invoke(app, ["models", "rm", name]).exit_code == 0
    failed = runner.invoke(app, ["models", "rm", name])
    assert failed.exit_code == 2
    assert f"error: no model '{name}'" in failed.stderr


@pytest.mark.parametrize("text", [None, "no facts", '{"question": "Who?", "answers": []}'])
def test_facts_that_cannot_be_used(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "facts.jsonl"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    failed = CliRunner().invoke(app, ["models", "calibrate", "--facts", str(file)])
    assert failed.exit_code == 2
    assert "facts" in failed.stderr
    assert "Traceback" not in failed.stderr
