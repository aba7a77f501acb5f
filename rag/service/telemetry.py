"""What the service tells about itself: metrics for Prometheus, one JSON line per request, spans by stage.

No text of users or documents is in any of them, unless the settings ask for questions in the log.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rag.core.answer import Answer
from rag.service.schemas import Job

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Telemetry:
    """Metrics and spans of one service."""

    def __init__(self, traces: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        name, registry = "concord", self.registry
        self.requests = Counter("requests", "Requests.", ["method", "route", "status"], name, registry=registry)
        self.seconds = Histogram("request_seconds", "Time.", ["route"], name, buckets=_SECONDS, registry=registry)
        self.first_token = Histogram(
            "first_token_seconds", "Time to the first token.", (), name, buckets=_SECONDS, registry=registry
        )
        self.stages = Histogram("stage_seconds", "Time by stage.", ["stage"], name, buckets=_SECONDS, registry=registry)
        self.tokens = Counter("tokens", "Tokens.", ["kind"], name, registry=registry)
        self.conflicts = Counter("answers", "Answers.", ["is_conflict"], name, registry=registry)
        self.running = Gauge("chats_running", "Chats and searches under way.", (), name, registry=registry)
        self.cancelled = Counter("chats_cancelled", "Chats whose client left.", (), name, registry=registry)
        self.jobs = Counter("jobs", "Ended jobs.", ["status"], name, registry=registry)
        self._tracer = _tracer(traces)

    def parent(self, headers: Mapping[str, str]) -> Context:
        """The span that a request belongs to, by its header ``traceparent``; empty where there is none."""
        return TraceContextTextMapPropagator().extract(dict(headers), Context())

    def answered(
        self, answer: Answer, timings_ms: Mapping[str, float], started_ns: int, parent: Context | None = None
    ) -> None:
        """Count one answer, and trace its stages one after the other from ``started_ns`` (epoch), below ``parent``."""
        self.tokens.labels("prompt").inc(answer.tokens.context_prompt)
        self.tokens.labels("generated").inc(answer.tokens.generated)
        self.conflicts.labels(str(answer.conflict.is_conflict).lower()).inc()
        span = self._tracer.start_span("chat", parent, start_time=started_ns)
        span.set_attribute("decoder", answer.decoder)
        span.set_attribute("generated_tokens", answer.tokens.generated)
        context, start_ns = trace.set_span_in_context(span), started_ns
        for stage, elapsed_ms in timings_ms.items():
            if stage == "total":
                continue
            self.stages.labels(stage).observe(elapsed_ms / 1e3)
            child = self._tracer.start_span(stage, context, start_time=start_ns)
            start_ns += int(elapsed_ms * 1e6)
            child.end(start_ns)
        span.end(start_ns)

    def job_ended(self, job: Job) -> None:
        """Count one job."""
        self.jobs.labels(job.status).inc()


class JsonLines(logging.Formatter):
    """One JSON object per record, with the fields of its ``extra={"fields": {...}}``."""

    def format(self, record: logging.LogRecord) -> str:
        now = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {"time": now, "level": record.levelname.lower(), "event": record.getMessage()}
        fields |= getattr(record, "fields", {})
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=True, default=str)


def log_to(stream: TextIO = sys.stderr) -> None:
    """Send the service's log, and the server's, to ``stream`` as JSON lines."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name in ("rag.service", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO)


def trace_fields(parent: Context) -> dict[str, str]:
    """What the log says about the trace that a request belongs to."""
    span = trace.get_current_span(parent).get_span_context()
    return {"trace_id": trace.format_trace_id(span.trace_id)} if span.is_valid else {}


def now_ns() -> int:
    """The time, nanoseconds since the epoch, as spans want it."""
    return time.time_ns()


def _tracer(traces: Path | None) -> trace.Tracer:
    if traces is None:
        return trace.get_tracer("concord")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    file = traces.open("a", encoding="utf-8")
    provider = TracerProvider()
    exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("concord")
