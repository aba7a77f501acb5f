"""What can go wrong, as one tree. Every message says what was given, what was expected and what to do.

ConcordError
├── InputError          the caller's input is at fault (exit code 2)
│   ├── SettingError        an unknown or impossible setting
│   │   └── FormatError         a form of the answer that the engine cannot hold
│   ├── QuestionError       an empty question, or one longer than the model's window
│   ├── ModelError          a model that cannot be found, read or used
│   ├── SourceError         a document that cannot be read
│   ├── LibraryError        a library that is missing, empty, or made with other settings
│   ├── PatchError          a patch that is missing, damaged, or made for another model
│   └── SkillError          a skill that is missing, damaged, or made for another model
├── StorageError        the library's files are damaged or cannot be written
└── UnavailableError    what answers is down or closing; the same call may succeed later
"""

from __future__ import annotations

from typing import Any


class ConcordError(Exception):
    """Base of every error that this engine raises on purpose."""


class InputError(ConcordError):
    """The caller's input is at fault; the message says how to mend it."""


class SettingError(InputError):
    """An unknown setting, or a value that the setting cannot take."""


class FormatError(SettingError):
    """A form of the answer, such as a JSON schema, that the engine cannot hold its tokens to."""


class QuestionError(InputError):
    """A question that is empty, or that does not fit the model's window even without passages."""


class ModelError(InputError):
    """A model that cannot be found, read or used."""


class SourceError(InputError):
    """A document that cannot be read: missing, encrypted, damaged or of an unknown type."""


class LibraryError(InputError):
    """A library that does not exist, holds nothing, or was made with other settings."""


class PatchError(InputError):
    """A patch that is missing, damaged, made for another model, or that cannot be made from its document."""


class SkillError(InputError):
    """A skill that is missing, damaged, or made for another model."""


class StorageError(ConcordError):
    """The library's files are damaged or cannot be written."""


class UnavailableError(ConcordError):
    """What answers is not there for the moment: a model server that is down, a generator that is closing."""


def check(settings: Any, name: str, is_fine: bool, expected: str) -> None:
    """Raise :class:`SettingError` that names the field, unless its value is fine."""
    if not is_fine:
        raise SettingError(f"{name}={getattr(settings, name)!r}; expected {expected}")
