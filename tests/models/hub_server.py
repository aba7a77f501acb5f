"""A model hub on this machine: the few routes that a download needs, byte ranges included.

Tests start it in a thread and point ``HF_ENDPOINT`` at it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

REVISION = "a" * 40


@dataclass
class Hub:
    """Files by model, and what was asked for.

    Attributes:
        cuts: the next answers with weights send only this many bytes each before the connection is cut.
        ignores_ranges: answer a byte range with the whole file, as some servers do.
    """

    models: dict[str, dict[str, bytes]]
    revision: str = REVISION
    license: str = "mit"
    cuts: list[int] = field(default_factory=list)
    ignores_ranges: bool = False
    ranges: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def info(self, name: str) -> dict[str, Any]:
        """What the hub says about a model; files of more than 1,000 bytes are large ones, with a checksum."""
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": "b", **({"lfs": _lfs(data)} if len(data) > 1000 else {})}
            for path, data in self.models[name].items()
        ]
        return {"id": name, "sha": self.revision, "siblings": siblings, "cardData": {"license": self.license}}


def _lfs(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 100}


@contextmanager
def running_hub(models: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    """Serve ``models`` until the end of the block."""
    hub = Hub(models)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if match := re.fullmatch(r"/api/models/(.+?)(/revision/.+)?", path):
                if match[1] not in hub.models:
                    return self._send(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})
                return self._send(200, json.dumps(hub.info(match[1])).encode(), {"Content-Type": "application/json"})
            match = re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path)
            if match is None or match[2] != hub.revision:
                return self._send(404, b"")
            self._send_file(match[3], hub.models[match[1]][match[3]])

        def _send_file(self, name: str, data: bytes) -> None:
            asked = self.headers.get("Range")
            hub.ranges.append((name, asked))
            if asked and not hub.ignores_ranges:
                first = int(asked.removeprefix("bytes=").removesuffix("-"))
                if first >= len(data):
                    return self._send(416, b"")
                return self._send(206, data[first:], {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"})
            self._send(200, data)

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            path = self.path.split("?")[0]
            if hub.cuts and path.endswith(".safetensors"):
                self.wfile.write(body[: hub.cuts.pop(0)])
                self.close_connection = True
            else:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
