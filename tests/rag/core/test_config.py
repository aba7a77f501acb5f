"""Settings: origins, precedence, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.core.config import Config
from rag.core.errors import SettingError


def test_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.toml"
    file.write_text("top_k = 5\nmemory_theta = 10\nmax_tokens = 7\n")
    monkeypatch.setenv("CONCORD_MEMORY_THETA", "20")
    monkeypatch.setenv("CONCORD_MAX_TOKENS", "8")
    config = Config.load(file, max_tokens=9, decoder=None)
    assert (config.top_k, config.memory_theta, config.max_tokens, config.decoder) == (5, 20, 9, "adacad")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("topk = 5", ["topk", "known are", "top_k"]),
        ("top_k = 0", ["top_k=0", "greater than or equal to 1"]),
        ("prompt_style = 'xml'", ["prompt_style='xml'", "'auto', 'chat' or 'plain'"]),
        ("chunk_overlap = 900", ["chunk_overlap=900", "less than chunk_chars=800"]),
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


def test_fingerprint_sees_every_field() -> None:
    assert Config().fingerprint() == Config().fingerprint()
    assert Config().fingerprint() != Config(top_k=9).fingerprint()
    assert len(Config().fingerprint()) == 12
