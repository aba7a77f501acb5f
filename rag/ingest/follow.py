"""How a library follows its folders: what moved, what is a copy, what is gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.core.reports import CopiedSource, MovedSource


@dataclass(frozen=True)
class LiveDocument:
    """A document of the library before an ``add``.

    Attributes:
        key: hash of its content.
    """

    source: str
    key: str


@dataclass(frozen=True)
class Changes:
    """What an ``add`` finds out about the files behind a library.

    Attributes:
        moved: files that were added under a new name, while the file of the former name is gone.
        copies: files whose content another file has too.
        gone: documents below the named folders whose file is gone.
    """

    moved: tuple[MovedSource, ...] = ()
    copies: tuple[CopiedSource, ...] = ()
    gone: tuple[str, ...] = ()


def compare(
    before: Sequence[LiveDocument],
    read: Mapping[str, str],
    named: Collection[str],
    folders: Collection[str],
    is_gone: Callable[[str], bool],
) -> Changes:
    """Compare a library with what its folders hold now. Files are known again by their content.

    Args:
        before: the documents of the library.
        read: hash of the content of every source that was read, by name.
        named: all sources that were there, those that could not be read too.
        folders: the folders that were looked through.
        is_gone: whether the file of a document that was not named is gone.
    """
    live = {document.source: document.key for document in before}
    lost = {name: key for name, key in live.items() if name not in named and is_gone(name)}
    moved = _match_moved({name: key for name, key in read.items() if name not in live}, lost)
    formers = {pair.former for pair in moved}
    gone = tuple(sorted(name for name in lost if name not in formers and is_below(name, folders)))
    there = {name: key for name, key in live.items() if name not in lost}
    return Changes(moved, _match_copies(there, read), gone)


def is_file_gone(source: str) -> bool:
    """Whether a source is a path on this machine where nothing is any more."""
    if not Path(source).is_absolute():
        return False
    try:
        os.lstat(source)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # it may be there: its folder cannot be read
        return False
    return False


def is_below(source: str, folders: Iterable[str]) -> bool:
    """Whether a source lies below one of ``folders``, by its name."""
    return any(source.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def _match_moved(new: Mapping[str, str], lost: Mapping[str, str]) -> tuple[MovedSource, ...]:
    """Each new file with a lost one of its content; the nearest name first."""
    left: dict[str, list[str]] = {}
    for name, key in lost.items():
        left.setdefault(key, []).append(name)
    moved = []
    for name, key in new.items():
        if candidates := left.get(key):
            former = min(candidates, key=lambda each: (Path(each).name != Path(name).name, each))
            candidates.remove(former)
            moved.append(MovedSource(name, former))
    return tuple(moved)


def _match_copies(there: Mapping[str, str], read: Mapping[str, str]) -> tuple[CopiedSource, ...]:
    """Every source that was read and whose content stands under another name too.

    The original is what was in the library first; among several, the one with the shortest name.
    """
    by_key: dict[str, set[str]] = {}
    for name, key in [*there.items(), *read.items()]:
        if read.get(name, key) == key:  # a file that changed has its new content alone
            by_key.setdefault(key, set()).add(name)
    copies = []
    for name, key in read.items():
        original = min(by_key[key], key=lambda each: (there.get(each) != key, len(each), each))
        if original != name:
            copies.append(CopiedSource(name, original))
    return tuple(copies)
