"""Where a service finds libraries, what it refuses at the start, and how a command finds the service."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from rag.cli.app import app
from rag.client.discovery import announced, find_service
from rag.engine import Engine
from rag.service.auth.hosts import host_name
from rag.service.catalog.layout import Layout
from rag.service.problems import Problem
from tests.service.conftest import chat, live
from tests.service.tiny import tiny_app


@pytest.fixture
def make_library(embeddings: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with Engine.open(folder) as engine:
            engine.library.close()
        return folder

    return make


def test_a_folder_of_libraries_is_served_as_it_lies(tmp_path: Path, make_library: Callable[[Path], Path]) -> None:
    places = [make_library(tmp_path / name) for name in ("papers", "default/old", "My Notes")]
    names = ("papers", "old", "my-notes")
    assert Layout(tmp_path, has_tenants=False).folders("default") == dict(sorted(zip(names, places, strict=True)))
    assert Layout(tmp_path, has_tenants=False).new_folder("default", "new") == tmp_path / "new"


def test_a_library_itself_is_served(tmp_path: Path, make_library: Callable[[Path], Path]) -> None:
    library = make_library(tmp_path / "Demo Library")
    layout = Layout(library, has_tenants=False)
    assert layout.folders("default") == {"demo-library": library}
    with pytest.raises(Problem, match="serves the library 'Demo Library' alone"):
        layout.new_folder("default", "new")


def test_with_keys_a_tenant_sees_its_own_folder_only(tmp_path: Path, make_library: Callable[[Path], Path]) -> None:
    make_library(tmp_path / "papers")
    papers = make_library(tmp_path / "acme" / "papers")
    layout = Layout(tmp_path, has_tenants=True)
    assert layout.folders("acme") == {"papers": papers}
    assert layout.folders("default") == {}
    with pytest.raises(Problem, match="expected lower-case"):
        layout.folders("../acme")


def test_libraries_of_the_command_line_answer_over_http(tmp_path: Path, embeddings: Any) -> None:
    (tmp_path / "harbour.txt").write_text("w10 w11 w12 runs the harbour")
    with Engine.open(tmp_path / "libs" / "papers", embeddings=embeddings) as engine:
        engine.add(tmp_path / "harbour.txt")
        name = engine.components.encoder.name
    service = tiny_app(tmp_path / "libs")
    service.state.concord.catalog.encoder.name = name
    with live(service) as url, httpx.Client(base_url=url, timeout=60) as http:
        assert [item["name"] for item in http.get("/v1/libraries").json()["data"]] == ["papers"]
        reply = http.post("/v1/chat/completions", json=chat("Who runs the harbour?")).json()
        assert [citation["source"] for citation in reply["citations"]] == [str(tmp_path / "harbour.txt")]
        assert reply["notice"] == ""
        alone = http.post("/v1/chat/completions", json=chat("Who runs the harbour?", model="default")).json()
        assert alone["notice"] == "No document was read: this is the model's own answer."


def test_what_cannot_be_served_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = (
            ([str(file)], "is a file; name a library's folder"),
            ([str(tmp_path), "--keys", str(tmp_path / "mistyped.json")], "cannot read keys from"),
            ([str(tmp_path), "--host", "203.0.113.7", "--keys", "x"], "cannot listen on 203.0.113.7"),
            ([str(tmp_path), "--port", port], f"cannot listen on 127.0.0.1 port {port}"),
            ([str(tmp_path), "--port", "70000"], "cannot listen on 127.0.0.1 port 70000"),
            ([str(tmp_path), "--host", "0.0.0.0"], "without --keys"),
        )
        for arguments, words in cases:
            result = CliRunner().invoke(app, ["serve", *arguments])
            assert result.exit_code == 2, result.output
            assert words in result.stderr
            assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("[::1]:8080", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("localhost:80", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_hosts_of_every_kind(host: str, name: str) -> None:
    assert host_name(host) == name


def test_names_of_others_are_refused_and_ipv6_is_not(tmp_path: Path) -> None:
    with live(tiny_app(tmp_path)) as url:
        statuses = [
            httpx.get(f"{url}/healthz", headers={"Host": host}).status_code
            for host in ("[::1]:8080", "localhost:1", "evil.example", "127.0.0.1.evil.example")
        ]
    assert statuses == [200, 200, 400, 400]


def test_a_running_service_is_found_by_its_libraries(tmp_path: Path, make_library: Callable[[Path], Path]) -> None:
    library = make_library(tmp_path / "libs" / "papers")
    other = make_library(tmp_path / "elsewhere" / "deep" / "down" / "papers")
    with announced(tmp_path / "libs", "http://127.0.0.1:8080", has_keys=False):
        service = find_service(library)
        assert service is not None
        assert (service.url, service.has_keys) == ("http://127.0.0.1:8080", False)
        assert find_service(other) is None
    assert find_service(library) is None


def test_a_dead_or_foreign_service_is_not_asked(tmp_path: Path, make_library: Callable[[Path], Path]) -> None:
    library = make_library(tmp_path / "papers")
    jobs = tmp_path / ".jobs"
    jobs.mkdir()
    root = str(tmp_path.resolve())
    (jobs / "service-1.json").write_text(
        f'{{"url": "http://evil.example", "pid": 1, "root": "{root}", "has_keys": false}}'
    )
    (jobs / "service-2.json").write_text(
        f'{{"url": "http://127.0.0.1:9", "pid": 4194304, "root": "{root}", "has_keys": false}}'
    )
    (jobs / "service-3.json").write_text("no json")
    assert find_service(library) is None
