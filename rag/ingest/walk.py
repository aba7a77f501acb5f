"""Every file below a folder, once; links, pipes and the like are named, never followed for ever."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rag.core.reports import FailedSource

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass
class Walk:
    """What lies below one folder.

    Attributes:
        files: regular files, and links to files outside, by path.
        left_out: what is no file of its own, with the reason.
        failed: folders that cannot be read.
    """

    files: list[Path] = field(default_factory=list)
    left_out: list[FailedSource] = field(default_factory=list)
    failed: list[FailedSource] = field(default_factory=list)


def walk(folder: Path) -> Walk:
    """Look through ``folder`` and the folders below it; hidden entries are left out.

    Links to folders are named, not followed: what they lead to may lie above, or anywhere. A link to a file is read
    unless that file is below ``folder`` itself.
    """
    found = Walk()
    links: list[Path] = []
    waiting = [folder.resolve()]
    while waiting:
        for entry in _entries(waiting.pop(), found):
            path = Path(entry.path)
            if entry.is_symlink():
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif entry.is_file(follow_symlinks=False):
                found.files.append(path)
            else:
                found.left_out.append(FailedSource(str(path), _kind(path)))
    _add_links(sorted(links), found)
    found.files.sort()
    found.left_out.sort(key=lambda entry: entry.source)
    return found


def _entries(folder: Path, found: Walk) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        found.failed.append(FailedSource(str(folder), f"cannot be read: {error.strerror}"))
        return []


def _add_links(links: Iterable[Path], found: Walk) -> None:
    """Decide on every link, when all files are known."""
    targets = set(map(str, found.files))
    for link in links:
        try:
            target = os.path.realpath(link, strict=True)
        except OSError as error:
            is_gone = isinstance(error, FileNotFoundError)
            found.left_out.append(FailedSource(str(link), f"a link {'to nothing' if is_gone else 'in a circle'}"))
            continue
        if os.path.isdir(target):
            found.left_out.append(FailedSource(str(link), f"a link to the folder {target}; name that to add it"))
        elif not os.path.isfile(target):
            found.left_out.append(FailedSource(str(link), f"a link to {_kind(Path(target))}"))
        elif target in targets:
            found.left_out.append(FailedSource(str(link), f"a link to {target}, which is read itself"))
        else:
            targets.add(target)
            found.files.append(link)


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return "no regular file"
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "no regular file")
