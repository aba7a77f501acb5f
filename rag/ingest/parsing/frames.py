"""What parent and worker say to each other: frames over a socket, and a read document as JSON.

A frame is its length (8 bytes, big-endian), then its bytes. JSON and not pickle: a worker that a hostile file has
taken over can send a wrong document, and nothing else.
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import astuple
from typing import Any

from rag.ingest.blocks import Block, ParsedDocument

_LENGTH_BYTES = 8
_PIECE_BYTES = 2**20


class FrameTooLongError(Exception):
    """A frame is longer than its reader takes."""


def send_frame(connection: socket.socket, payload: bytes, deadline: float | None = None) -> None:
    """Send one frame.

    Raises:
        TimeoutError: ``deadline`` (of ``time.monotonic``) has passed.
        OSError: the other side is gone.
    """
    _set_deadline(connection, deadline)
    connection.sendall(len(payload).to_bytes(_LENGTH_BYTES, "big"))
    connection.sendall(payload)


def receive_frame(
    connection: socket.socket, deadline: float | None = None, max_bytes: int | None = None
) -> bytes | None:
    """The next frame; ``None`` where the other side has closed the connection.

    Raises:
        TimeoutError: ``deadline`` (of ``time.monotonic``) has passed.
        FrameTooLongError: it has more than ``max_bytes`` bytes.
        OSError: the other side is gone.
    """
    head = _receive(connection, _LENGTH_BYTES, deadline)
    if head is None:
        return None
    num_bytes = int.from_bytes(head, "big")
    if max_bytes is not None and num_bytes > max_bytes:
        raise FrameTooLongError
    return _receive(connection, num_bytes, deadline)


def _receive(connection: socket.socket, num_bytes: int, deadline: float | None) -> bytes | None:
    pieces, num_left = [], num_bytes
    while num_left:
        _set_deadline(connection, deadline)
        piece = connection.recv(min(num_left, _PIECE_BYTES))
        if not piece:
            return None
        pieces.append(piece)
        num_left -= len(piece)
    return b"".join(pieces)


def _set_deadline(connection: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        connection.settimeout(None)
        return
    num_seconds = deadline - time.monotonic()
    if num_seconds <= 0:
        raise TimeoutError
    connection.settimeout(num_seconds)


def document_to_json(document: ParsedDocument) -> dict[str, Any]:
    """The document in plain values."""
    return {
        "title": document.title,
        "date": document.date,
        "notes": document.notes,
        "blocks": [astuple(block) for block in document.blocks],
    }


def document_from_json(values: dict[str, Any]) -> ParsedDocument:
    """The reverse of :func:`document_to_json`."""
    blocks = tuple(Block(*fields) for fields in values["blocks"])
    return ParsedDocument(blocks, values["title"], values["date"], tuple(values["notes"]))


def encode_json(values: dict[str, Any]) -> bytes:
    """One frame's payload. A half of a surrogate pair becomes a question mark: no text may hold one."""
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")
