"""Settings: origins, precedence, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.core.errors import SettingError
from rag.core.settings.config import Config


def test_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.toml"
    file.write_text("top_k = 5\nquestion_cache_min_hits = 10\nmax_tokens = 7\n")
    monkeypatch.setenv("CONCORD_QUESTION_CACHE_MIN_HITS", "20")
    monkeypatch.setenv("CONCORD_MAX_TOKENS", "8")
    config = Config.load(file, max_tokens=9, decoder=None)
    assert (config.top_k, config.question_cache_min_hits, config.max_tokens, config.decoder) == (5, 20, 9, "dial")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("topk = 5", ["topk", "known are", "top_k"]),
        ("top_k = 0", ["top_k=0", "greater than or equal to 1"]),
        ("prompt_style = 'xml'", ["prompt_style='xml'", "'auto', 'chat' or 'plain'"]),
        ("chunk_tokens = 64\nchunk_overlap_tokens = 64", ["chunk_overlap_tokens=64", "less than chunk_tokens=64"]),
        ("top_k = ", ["cannot read settings"]),
    ],
)
def test_a_bad_file_is_explained(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(SettingError) as caught:
        Config.load(file)
    for word in [*words, str(file)]:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_environment_value_names_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCORD_TOP_K", "many")
    with pytest.raises(SettingError, match=r"top_k='many' \(environment\)"):
        Config.load()


def test_an_unknown_environment_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCORD_MAX_TOKEN", "8")
    with pytest.raises(SettingError, match=r"CONCORD_MAX_TOKEN is no .*; did you mean CONCORD_MAX_TOKENS"):
        Config.load()


def test_a_renamed_setting_says_its_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match=r"'memory_theta' .* is called 'question_cache_min_hits' now"):
        Config.load(memory_theta=3)
    monkeypatch.setenv("CONCORD_MEMORY_THETA", "3")
    with pytest.raises(SettingError, match=r"CONCORD_MEMORY_THETA is called CONCORD_QUESTION_CACHE_MIN_HITS now"):
        Config.load()


def test_variables_of_kubernetes_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONCORD_SERVICE_HOST", "CONCORD_PORT", "CONCORD_PORT_8080_TCP_ADDR", "CONCORD_DATABASE"):
        monkeypatch.setenv(name, "x")
    assert Config.load() == Config()


def test_updated_settings_are_checked() -> None:
    config = Config(top_k=5).updated(max_tokens=9, decoder=None)
    assert (config.top_k, config.max_tokens, config.decoder) == (5, 9, "dial")
    with pytest.raises(SettingError, match="top_k=0"):
        config.updated(top_k=0)
