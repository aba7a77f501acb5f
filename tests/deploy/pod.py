"""The inside of a pod's network: brings the loopback up, then answers DNS queries as a container runtime would.

Run as ``python pod.py FILE``; ``FILE`` holds the names of the running services, which all stand for 127.0.0.1.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from pathlib import Path

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_TYPE_A, _NO_SUCH_NAME = 1, 3


def raise_loopback() -> None:
    """Bring the interface ``lo`` of this network namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def reply_to(query: bytes, names: set[str]) -> bytes:
    """The reply to a DNS query of one question: 127.0.0.1 for an address of ``names``, no such name for others."""
    labels, position = [], 12
    while size := query[position]:
        labels.append(query[position + 1 : position + 1 + size].decode())
        position += 1 + size
    question = query[12 : position + 5]
    is_known = ".".join(labels).lower() in names
    is_address = is_known and struct.unpack(">H", question[-4:-2])[0] == _TYPE_A
    # A reply, recursion desired and available, and the code of the outcome.
    flags = 0x8180 | (0 if is_known else _NO_SUCH_NAME)
    header = query[:2] + struct.pack(">HHHHH", flags, 1, int(is_address), 0, 0)
    answer = struct.pack(">HHHIH4s", 0xC00C, _TYPE_A, 1, 1, 4, socket.inet_aton("127.0.0.1"))
    return header + question + (answer if is_address else b"")


def main(file: Path) -> None:
    """Serve until killed."""
    raise_loopback()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        while True:
            query, client = server.recvfrom(4096)
            server.sendto(reply_to(query, set(file.read_text().split())), client)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
