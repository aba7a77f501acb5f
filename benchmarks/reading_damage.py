"""Damaged files: what bad disks, cut transfers and other programs leave of good ones."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Callable

from benchmarks.reading_files import make_zip

_JUNK = (
    b"\0",
    b"\xff\xfe",
    b"<",
    b">",
    b"&#xD800;",
    b"<![x",
    b"]]>",
    b"\xed\xa0\x80",
    b"{",
    b"}",
    b"\\",
    b"\x1b$B",
    b'"',
    b"<!--",
    b"endobj",
)


def damage(content: bytes, generator: random.Random) -> bytes:
    """``content`` with one to three faults."""
    faults = [_flip, _cut, _delete, _insert, _repeat, _fill, _numbers]
    if content.startswith(b"PK"):
        faults += [_damage_part] * 4
    for _ in range(generator.randint(1, 3)):
        content = generator.choice(faults)(content, generator)
    return content


def _flip(content: bytes, generator: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(generator.randint(1, 20)):
        if changed:
            changed[generator.randrange(len(changed))] = generator.randrange(256)
    return bytes(changed)


def _cut(content: bytes, generator: random.Random) -> bytes:
    return content[: generator.randrange(len(content) + 1)]


def _delete(content: bytes, generator: random.Random) -> bytes:
    start = generator.randrange(len(content) + 1)
    return content[:start] + content[start + generator.randint(1, 200) :]


def _insert(content: bytes, generator: random.Random) -> bytes:
    start = generator.randrange(len(content) + 1)
    return content[:start] + generator.choice(_JUNK) * generator.randint(1, 30) + content[start:]


def _repeat(content: bytes, generator: random.Random) -> bytes:
    start = generator.randrange(len(content) + 1)
    return (
        content[:start]
        + content[start : start + generator.randint(1, 400)] * generator.randint(2, 20)
        + content[start:]
    )


def _fill(content: bytes, generator: random.Random) -> bytes:
    start, size = generator.randrange(len(content) + 1), generator.randint(1, 300)
    return content[:start] + b"\0" * size + content[start + size :]


def _numbers(content: bytes, generator: random.Random) -> bytes:
    """Digits become others: lengths, offsets, spans and references lie."""
    changed = bytearray(content)
    places = [i for i, byte in enumerate(content[:200_000]) if 48 <= byte <= 57]
    for place in generator.sample(places, min(len(places), generator.randint(1, 10))):
        changed[place] = 48 + generator.randrange(10)
    return bytes(changed)


def _damage_part(content: bytes, generator: random.Random) -> bytes:
    """One part of an archive is damaged, the archive itself is whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        return content  # an earlier fault hit it
    names = [name for name in parts if name.endswith((".xml", ".rels", ".xhtml", ".opf"))]
    if not names:
        return content
    name = generator.choice(names)
    fault: Callable[[bytes, random.Random], bytes] = generator.choice(
        [_flip, _cut, _delete, _insert, _repeat, _numbers]
    )
    parts[name] = fault(bytes(parts[name]), generator)  # type: ignore[arg-type]
    return make_zip(parts)
