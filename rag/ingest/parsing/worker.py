"""The process that reads files: ``python -m rag.ingest.parsing.worker HANDLE MEMORY_MIB``.

It serves one file after the other over a socket, until that is closed. It imports no model library.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from typing import Any

from rag.core.errors import SourceError
from rag.ingest.parsing.frames import document_to_json, encode_json, receive_frame, send_frame
from rag.ingest.parsing.limits import Limits, MemoryLimit
from rag.ingest.parsing.reading import read_document
from rag.ingest.source import Source

# The parent ends a worker in time. The alarm is for one whose parent was killed.
_GRACE_S = 5.0


def main() -> None:
    """Serve until the parent closes its end, or the memory is full."""
    handle, memory_mib = map(int, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    memory = MemoryLimit(memory_mib)
    with socket.socket(fileno=handle) as connection:
        send_frame(connection, b"")  # ready
        while (head := receive_frame(connection)) is not None:
            content = receive_frame(connection)
            if content is None or not _serve(connection, json.loads(head), content, memory):
                return


def _serve(connection: socket.socket, request: dict[str, Any], content: bytes, memory: MemoryLimit) -> bool:
    """Read one file and reply; False where this process is of no further use."""
    limits = Limits(request["timeout_s"], request["memory_mib"], request["expansion_mib"])
    source = Source(request["name"], lambda: content, request["suffix"], request["title"])
    signal.setitimer(signal.ITIMER_REAL, limits.timeout_s + _GRACE_S)
    try:
        reply = encode_json({"document": document_to_json(read_document(source, content, limits))})
    except (SourceError, MemoryError) as error:
        if isinstance(error, MemoryError) or memory.is_suspect():
            send_frame(connection, encode_json({"is_memory_full": True}))
            return False
        reply = encode_json({"reason": str(error)})
    send_frame(connection, reply)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return True


if __name__ == "__main__":
    main()
