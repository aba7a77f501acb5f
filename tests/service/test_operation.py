"""Running the service: what it logs, counts and traces, who may listen where, and how it ends."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from rag.cli.app import app
from rag.service.telemetry import JsonLines
from tests.service.conftest import chat, fill, live
from tests.service.tiny import tiny_app

SECRET = "w42 w43 w44"


def test_keys_from_the_command_line(tmp_path: Path) -> None:
    runner, file = CliRunner(), ["--keys", str(tmp_path / "keys.json")]
    added = runner.invoke(app, ["keys", "add", "ann", "--scope", "read", "--scope", "write", *file])
    assert added.exit_code == 0
    secret = added.stdout.strip().splitlines()[-1]
    listed = runner.invoke(app, ["keys", "ls", *file])
    assert "ann" in listed.stdout
    assert secret not in listed.stdout
    key_id = json.loads((tmp_path / "keys.json").read_text())["keys"][0]["key_id"]
    assert runner.invoke(app, ["keys", "rm", key_id, *file]).exit_code == 0
    assert runner.invoke(app, ["keys", "rm", key_id, *file]).exit_code == 2


def test_the_file_of_keys_may_stand_in_the_environment(tmp_path: Path) -> None:
    """For ``keys`` and for ``serve``, which would refuse this host without keys."""
    environment = {"CONCORD_KEYS": str(tmp_path / "keys.json")}
    assert CliRunner().invoke(app, ["keys", "add", "ann"], env=environment).exit_code == 0
    options = ["serve", str(tmp_path), "--host", "0.0.0.0", "--engine", "magic"]
    assert "expected auto, transformers" in CliRunner().invoke(app, options, env=environment).output
    assert "without --keys" in CliRunner().invoke(app, options).output


@pytest.mark.parametrize(
    "options", [["--host", "0.0.0.0"], ["--limit", "max_chats=none"], ["--limit", "nothing=1"], ["--engine", "magic"]]
)
def test_serve_refuses(tmp_path: Path, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["serve", str(tmp_path), *options])
    assert result.exit_code == 2
    assert "expected" in result.output or "without --keys" in result.output


@pytest.mark.real
@pytest.mark.parametrize("has_texts", [False, True])
def test_the_log_has_no_texts_unless_asked_for(tmp_path: Path, has_texts: bool) -> None:
    log, handler = logging.getLogger("rag.service"), logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        served = tiny_app(tmp_path, has_texts_in_logs=has_texts)
        with live(served) as url, httpx.Client(base_url=url, timeout=30) as http:
            fill(http, "papers", {"note": f"{SECRET} in a document"})
            http.post("/v1/chat/completions", json=chat(SECRET))
    finally:
        log.removeHandler(handler)
    lines = [json.loads(line) for line in handler.stream.getvalue().splitlines()]
    chats = [line for line in lines if line.get("route") == "/v1/chat/completions"]
    assert chats[0].keys() >= {"time", "request_id", "status", "elapsed_ms", "tenant", "library"}
    assert (SECRET in handler.stream.getvalue()) == has_texts
    assert "in a document" not in handler.stream.getvalue()


@pytest.mark.real
def test_spans_and_metrics(tmp_path: Path) -> None:
    traces = tmp_path / "spans.jsonl"
    with live(tiny_app(tmp_path / "root", traces=traces)) as url, httpx.Client(base_url=url, timeout=30) as http:
        fill(http, "papers", {"note": SECRET})
        reply = http.post("/v1/chat/completions", json=chat(SECRET)).json()
        metrics = http.get("/metrics").text
    spans = [json.loads(line) for line in traces.read_text().splitlines()]
    assert [span["name"] for span in spans] == [name for name in reply["timings"] if name != "total"] + ["chat"]
    assert len({span["context"]["trace_id"] for span in spans}) == 1
    assert SECRET not in traces.read_text()
    for line in ('route="/v1/chat/completions",status="200"} 1.0', 'concord_jobs_total{status="done"} 1.0'):
        assert line in metrics
    assert f'concord_tokens_total{{kind="generated"}} {reply["usage"]["completion_tokens"]}.0' in metrics
