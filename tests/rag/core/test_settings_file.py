"""Settings from files: each fault is one line with the field, the value and the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from rag.core.errors import SettingError
from rag.core.settings.toml_file import checked, read_toml


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(description="What it is called.")
    inner: tuple[Inner, ...] = ()

    @field_validator("name")
    @classmethod
    def _is_short(cls, name: str) -> str:
        if len(name) > 3:
            raise ValueError("Longer than 3 letters")
        return name


def test_values_become_a_model(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('name = "a"\n[[inner]]\nsize = 2\n')
    assert checked(Outer, read_toml(tmp_path / "s.toml")) == Outer(name="a", inner=(Inner(size=2),))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "setting 'name' is missing (f.toml): What it is called."),
        ({"name": "a", "nam": 1}, "unknown setting 'nam' (f.toml); known are name, inner"),
        ({"name": "a", "inner": [{"size": 1, "x": 2}]}, "unknown setting 'inner.0.x' (f.toml); remove it"),
        ({"name": "a", "inner": [{}]}, "setting 'inner.0.size' is missing (f.toml)"),
        ({"name": "a", "inner": [{"size": "b"}]}, "setting inner.0.size='b' (f.toml): input should be a valid integer"),
        ({"name": "long"}, "setting name='long' (f.toml): longer than 3 letters"),
    ],
)
def test_faults_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError) as error:
        checked(Outer, values, "f.toml")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, "name = ", b"\xff\xfe"])
def test_unreadable_files(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "s.toml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingError, match=r"cannot read settings from .*s\.toml"):
        read_toml(file)
