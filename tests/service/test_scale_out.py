"""Two API processes on one PostgreSQL: what one is told, the other knows."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.postgres_server import PASSWORD
from tests.service.running import running_service

pytestmark = pytest.mark.real


def call(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of a request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def build_patches(address: str, postgres: str) -> None:
    """Queued by a service, built by a worker that an operator starts."""
    url = f"{address}/v1/libraries/town/patches"
    assert call("GET", url) == (200, {"data": [], "num_patched": 0, "object": "list"})
    status, job = call("POST", url, {})
    assert (status, job["status"]) == (202, "queued")
    assert "start one: concord worker --model default" in job["hint"]
    command = [sys.executable, "-m", "rag", "worker", "--drain", "--database", postgres]
    worker = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert worker.returncode == 0, worker.stderr
    assert "town: 2 built, 0 were there, 0 failed" in worker.stderr
    assert PASSWORD not in worker.stderr
    job = call("GET", f"{address}/v1/jobs/{job['id']}")[1]
    assert (job["status"], job["num_done"], job["hint"]) == ("done", 2, None)
    assert call("GET", url)[1]["num_patched"] == 2


def ask(address: str, question: str, **rag: Any) -> Any:
    body = {
        "model": "town",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 12,
        "rag": {"decoder": "plain", "top_k": 1} | rag,
    }
    status, reply = call("POST", f"{address}/v1/chat/completions", body)
    assert status == 200, reply
    return reply


def test_two_processes_share_one_database(postgres: str, tmp_path: Path) -> None:
    """PostgreSQL and two services started by hand, as docker-compose.yml would; their folder is the shared volume."""
    environment = {"CONCORD_DATABASE": postgres}
    with (
        running_service(tmp_path / "data", environment=environment) as one,
        running_service(tmp_path / "data", environment=environment) as other,
    ):
        assert call("POST", f"{one}/v1/libraries", {"name": "town"})[0] == 201
        assert call("POST", f"{other}/v1/libraries", {"name": "town"})[0] == 409
        for address, source, text in [
            (one, "harbour", "The harbour master of Port Selwick is Ines Corder."),
            (other, "mill", "The tide mill of Port Selwick belongs to Aldo Brandt."),
        ]:
            document = {"documents": [{"source": source, "text": text}]}
            status, job = call("POST", f"{address}/v1/libraries/town/documents?wait_s=60", document)
            assert (status, job["status"]) == (200, "done"), job
            there = other if address == one else one
            assert call("GET", f"{there}/v1/jobs/{job['id']}")[1]["status"] == "done"
        for address, question, source in [
            (other, "Who is the harbour master of Port Selwick?", "harbour"),
            (one, "Whose is the tide mill of Port Selwick?", "mill"),
        ]:
            reply = ask(address, question)
            assert [citation["source"] for citation in reply["citations"]] == [source]
            assert reply["choices"][0]["message"]["content"]
        assert [d["source"] for d in call("GET", f"{one}/v1/libraries/town/documents")[1]["data"]] == [
            "harbour",
            "mill",
        ]
        build_patches(one, postgres)
        question = "Who is the harbour master of Port Selwick?"
        for address in (one, other):
            reply = ask(address, question, patches="only")
            assert [patch["weight"] for patch in reply["patches"]] == [1.0]
            assert [citation["location"] for citation in reply["citations"]] == ["recited by its patch"]
            assert "Ines Corder" in reply["choices"][0]["message"]["content"]
        assert call("DELETE", f"{other}/v1/libraries/town")[0] == 200
        status, error = call("GET", f"{one}/v1/libraries/town")
        assert (status, error["error"]["code"]) == (404, "library_not_found")
        assert call("POST", f"{one}/v1/libraries", {"name": "town"})[0] == 201  # the same name, and nothing in it
        assert call("GET", f"{other}/v1/libraries/town")[1]["num_documents"] == 0
        assert call("POST", f"{one}/v1/libraries", {"name": "x" * 60})[0] == 400
        assert call("DELETE", f"{one}/v1/libraries/town")[0] == 200
    left = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not [path for path in left if PASSWORD.encode() in path.read_bytes()]
