"""How the service listens: connections that send nothing are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Protocol
except ImportError:  # uvicorn without its extras
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Protocol  # type: ignore[assignment]

# Between the first byte of a connection, or of its next request, and the end of the request's headers.
HEADERS_S = 10.0
KEEP_ALIVE_S = 15
_SHUTDOWN_S = 20


def server_options(proxies: Sequence[str] = ()) -> dict[str, Any]:
    """The settings of uvicorn that a service runs with.

    Args:
        proxies: addresses whose ``X-Forwarded-*`` headers are believed. Anybody can send such headers, so by default
            they change nothing.
    """
    return {
        "http": PatientProtocol,
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "proxy_headers": bool(proxies),
        "forwarded_allow_ips": list(proxies),
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": _SHUTDOWN_S,
    }


class PatientProtocol(_Protocol):
    """uvicorn's protocol, with an end to its patience: a request's headers must be there in time.

    Without it, some thousand connections that send one byte a minute occupy every socket of the process (slowloris).
    """

    headers_s = HEADERS_S
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start the clock while no request is complete; stop it when one is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.headers_s, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
