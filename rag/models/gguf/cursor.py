"""Reading the values of a GGUF file one after the other, never beyond its end."""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from typing import Any

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class GgufTensor:
    """A row of the file's table of tensors: how many weights, stored how, and where among the data, bytes."""

    num_weights: int
    type_id: int
    offset: int


class GgufCursor:
    """Reads one value after the other; a value beyond the file's end raises ``struct.error``."""

    def __init__(self, data: mmap.mmap, position: int) -> None:
        self._data = data
        self.position = position

    def scalar(self, code: str) -> Any:
        """One number, as ``struct`` names its type."""
        (value,) = struct.unpack_from("<" + code, self._data, self.position)
        self.position += struct.calcsize("<" + code)
        return value

    def string(self) -> str:
        """A text with its length before it."""
        length = self.scalar("Q")
        self._check(length)
        text = self._data[self.position : self.position + length].decode("utf-8")
        self.position += length
        return text

    def field(self) -> tuple[str, Any]:
        """A name and its value; of an array only its length, since a vocabulary is large."""
        return self.string(), self._value(self.scalar("I"))

    def tensor(self) -> GgufTensor:
        """The next row of the table of tensors."""
        self.string()
        dimensions = [self.scalar("Q") for _ in range(self._counted(8, "I"))]
        type_id, offset = self.scalar("I"), self.scalar("Q")
        return GgufTensor(math.prod(dimensions), type_id, offset)

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(_code(kind))
        item_kind = self.scalar("I")
        if item_kind in (_STRING, _ARRAY):
            count = self._counted(8)
            for _ in range(count):
                self._value(item_kind)
            return count
        width = struct.calcsize("<" + _code(item_kind))
        count = self._counted(width)
        self.position += count * width
        return count

    def _counted(self, width: int, code: str = "Q") -> int:
        """A count of items that are at least ``width`` bytes long each and must lie inside the file."""
        count: int = self.scalar(code)
        self._check(count * width)
        return count

    def _check(self, num_bytes: int) -> None:
        if num_bytes > len(self._data) - self.position:
            raise struct.error("beyond the end of the file")


def _code(kind: int) -> str:
    if kind not in _SCALARS:
        raise struct.error(f"no such type: {kind}")
    return _SCALARS[kind]
