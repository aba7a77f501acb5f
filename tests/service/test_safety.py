"""What strangers cannot do: foreign pages, callers without a key, slow connections, other users of the machine."""

from __future__ import annotations

import json
import re
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from rag.library.open import open_library
from rag.service.auth.keys import KeyFile
from rag.service.http import PatientProtocol, server_options
from rag.service.web import _FOLDER as PAGE
from rag.service.workers import Workers
from tests.service.conftest import as_tenant, chat, fill, live, soon
from tests.service.tiny import tiny_app

pytestmark = pytest.mark.real
Keyed = tuple[str, dict[str, str]]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9"},
    {"Origin": "http://127.0.0.1:9"},
]
FORM = {"files": ("plant.txt", b"w10 the harbour master is Eve")}


def writing_routes(address: str) -> list[tuple[str, str]]:
    """Every route of the OpenAPI document that may change something."""
    paths = httpx.get(f"{address}/openapi.json").json()["paths"]
    routes = [(method, path) for path, methods in paths.items() for method in methods if method != "get"]
    return [(method, re.sub(r"\{.*?\}", "papers", path)) for method, path in routes]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_changes_nothing(http: httpx.Client, address: str, headers: dict[str, str]) -> None:
    routes = writing_routes(address)
    assert len(routes) >= 8
    for method, path in routes:
        reply = http.request(method, path, headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "foreign_origin"), (method, path)
    assert http.post("/v1/libraries/papers/files", files=FORM, headers=headers).status_code == 403
    assert "plant.txt" not in http.get("/v1/libraries/papers/documents").text


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "own"}]
)
def test_its_own_page_and_programs_write(http: httpx.Client, address: str, headers: dict[str, str]) -> None:
    headers = {name: address if value == "own" else value for name, value in headers.items()}
    url = "/v1/libraries/papers/files"
    reply = http.post(url, files={"files": ("note.txt", b"w90")}, headers=headers, params={"wait_s": 30})
    assert reply.json()["status"] == "done"


def test_a_page_that_was_allowed_writes(tmp_path: Path) -> None:
    with live(tiny_app(tmp_path, origins=("https://papers.example",))) as url:
        for origin, status in (("https://papers.example", 201), ("https://papers.example.evil", 403)):
            headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
            assert httpx.post(f"{url}/v1/libraries", json={"name": "mine"}, headers=headers).status_code == status


@pytest.mark.parametrize(
    "path", ["/v1/libraries/papers/files", "/v1/libraries/papers/documents", "/v1/chat/completions"]
)
@pytest.mark.parametrize(("key", "status"), [("", 401), ("Bearer ck_wrong", 401), ("reader", 403)])
def test_a_body_is_not_read_before_the_key(keyed: Keyed, path: str, key: str, status: int) -> None:
    """The reply comes while the body is still on its way."""
    if key == "reader":
        if "chat" in path:
            pytest.skip("a reader may ask")
        key = f"Bearer {keyed[1]['reader']}"
    host, port = keyed[0].removeprefix("http://").split(":")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: 2000000\r\nAuthorization: {key}\r\n\r\n--x\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(f"HTTP/1.1 {status}".encode())


def test_metrics_need_a_key_of_their_own(keyed: Keyed, tmp_path: Path) -> None:
    address, _ = keyed
    assert httpx.get(f"{address}/metrics").status_code == 401
    with as_tenant(keyed, "ann") as admin:
        assert admin.get("/metrics").status_code == 403  # they tell of other tenants' use
    keys = KeyFile(tmp_path / "keys.json")
    secret = keys.add("watch", ["metrics"])[1]
    with live(tiny_app(tmp_path / "root", keys=tmp_path / "keys.json")) as url:
        headers = {"Authorization": f"Bearer {secret}"}
        assert "concord_requests_total" in httpx.get(f"{url}/metrics", headers=headers).text
        assert httpx.get(f"{url}/v1/models", headers=headers).status_code == 403


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A service that waits half a second, for headers and for bodies; started as ``concord serve`` starts it."""

    class Hurried(PatientProtocol):
        headers_s = 0.5

    app = tiny_app(tmp_path_factory.mktemp("impatient"), body_timeout_s=0.5)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", http=Hurried, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert soon(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[:2]
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-", b"GET "])
def test_headers_that_do_not_come(impatient: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(impatient, timeout=20) as connection:
        connection.sendall(sent)
        assert connection.recv(1000) == b""  # closed by the service


def test_headers_of_a_second_request_that_do_not_come(impatient: tuple[str, int]) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(impatient, timeout=20) as connection:
        connection.sendall(whole)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(whole[:20])
        while connection.recv(1000):
            pass


def test_a_body_that_does_not_come(impatient: tuple[str, int]) -> None:
    head = b"POST /v1/libraries HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection(impatient, timeout=20) as connection:
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_an_answer_may_take_longer_than_a_header(impatient: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{impatient[0]}:{impatient[1]}", timeout=30) as client:
        fill(client, "papers", {"harbour": "w10 w11 w12 runs the harbour"})
        body = {"documents": [{"source": "a", "text": "w1"}]}
        reply = client.post("/v1/libraries/papers/documents", json=body, params={"wait_s": 30})
    assert reply.json()["status"] == "done"


def test_only_its_user_reads_what_a_service_writes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    keys = KeyFile(tmp_path / "keys" / "keys.json")
    secret = keys.add("ann", ["read", "write"])[1]
    with (
        live(tiny_app(root, keys=tmp_path / "keys" / "keys.json")) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=30) as client,
    ):
        fill(client, "papers", {"harbour": "w10 w11 w12 runs the harbour"})
        for path in [*root.rglob("*.sqlite3*"), *root.rglob("job.json"), *(tmp_path / "keys").iterdir()]:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        for folder in (root, root / ".jobs", tmp_path / "keys", root / "ann" / "papers", *(root / ".jobs").glob("*/")):
            assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0, folder
    assert list(root.rglob("job.json"))


def test_only_its_user_reads_a_new_library(tmp_path: Path) -> None:
    open_library(tmp_path / "library").close()
    assert stat.S_IMODE((tmp_path / "library").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "library" / "library.sqlite3").stat().st_mode) == 0o600


def test_the_description_loads_nothing_from_elsewhere(http: httpx.Client) -> None:
    reply = http.get("/docs")
    assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
    parts = [reply.text, *((PAGE / name).read_text() for name in ("docs.js", "docs.css", "theme.css", "dom.js"))]
    assert not [part for part in parts if re.search(r"https?://|<script>| style=| on\w+=", part)]
    assert http.get("/redoc").status_code == 404


def test_hosts_that_are_answered(tmp_path: Path) -> None:
    with live(tiny_app(tmp_path, hosts=("papers.example", "127.0.0.1"))) as url:
        for host, status in (("papers.example", 200), ("Papers.Example:8080", 200), ("evil.example", 400), ("", 400)):
            reply = httpx.get(f"{url}/healthz", headers={"Host": host})
            assert reply.status_code == status, host
            if status == 400:
                assert reply.json()["error"]["code"] == "unknown_host"


def test_a_trace_is_joined(tmp_path: Path) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    traces = tmp_path / "spans.jsonl"
    with live(tiny_app(tmp_path / "root", traces=traces)) as url, httpx.Client(base_url=url, timeout=30) as client:
        for header in (f"00-{trace_id}-{span_id}-01", "00-nonsense", ""):
            headers = {"traceparent": header}
            reply = client.post("/v1/chat/completions", json=chat("w1", "default"), headers=headers)
            assert reply.status_code == 200
    chats = [span for span in map(json.loads, traces.read_text().splitlines()) if span["name"] == "chat"]
    assert [span["parent_id"] == f"0x{span_id}" for span in chats] == [True, False, False]
    assert [span["context"]["trace_id"] == f"0x{trace_id}" for span in chats] == [True, False, False]


@pytest.mark.parametrize(("proxies", "scheme"), [([], "http"), (["10.0.0.9"], "http"), (["127.0.0.1"], "https")])
def test_a_proxy_is_believed_only_where_it_is_named(tmp_path: Path, proxies: list[str], scheme: str) -> None:
    server = uvicorn.Server(uvicorn.Config(tiny_app(tmp_path), port=0, **server_options(proxies)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert soon(lambda: server.started)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Host": "evil.example"}
        reply = httpx.get(f"http://{host}:{port}/v1/libraries/", headers=headers)
        assert (reply.status_code, reply.headers["Location"]) == (307, f"{scheme}://{host}:{port}/v1/libraries")
    finally:
        server.should_exit = True
        thread.join()


def test_processes_on_one_database_count_together(postgres: str) -> None:
    from rag.library.postgres.catalog import PostgresCatalog
    from rag.service.auth.shared_rate import SharedRate
    from rag.service.problems import Problem

    catalogs = [PostgresCatalog(postgres) for _ in range(2)]
    rates: list[Any] = [SharedRate(catalog.connections, 10) for catalog in catalogs]
    try:
        for number in range(10):
            rates[number % 2].check("ann")
        rates[0].check("ben")
        for rate in rates:
            with pytest.raises(Problem) as refused:
                rate.check("ann")
            assert (refused.value.status_code, int(refused.value.headers["Retry-After"]) >= 1) == (429, True)
    finally:
        for catalog in catalogs:
            catalog.close()


def test_questions_at_once_are_counted_over_processes(postgres: str) -> None:
    """Places of a process that was killed are free again after the lease."""
    from rag.library.postgres.catalog import PostgresCatalog
    from rag.service.auth.shared_places import SharedPlaces
    from rag.service.problems import Problem

    catalogs = [PostgresCatalog(postgres) for _ in range(2)]
    one, other = (SharedPlaces(catalog.connections, 2, 60.0) for catalog in catalogs)
    try:
        with one.hold("cleo"), other.hold("cleo"), one.hold("dora"):
            for places in (one, other):
                with pytest.raises(Problem, match="questions at once") as refused, places.hold("cleo"):
                    pytest.fail("there was no place")
                assert refused.value.status_code == 429
        with one.hold("cleo"), one.hold("cleo"):
            pass
        killed = SharedPlaces(catalogs[0].connections, 2, -1.0)
        with killed.hold("cleo"), killed.hold("cleo"), other.hold("cleo"):
            pass  # what ran out was taken away
        workers = [Workers(8, 8, places) for places in (one, other)]
        gate, both_run = threading.Event(), threading.Barrier(3, timeout=30)

        def work() -> bool:
            both_run.wait()
            return gate.wait(30)

        running = [worker.submit("eva", work) for worker in workers]
        both_run.wait()  # a probe before that would take the second one's place
        assert refuses(workers[0], "eva")
        gate.set()
        assert [future.result(30) for future in running] == [True, True]
        for worker in workers:
            worker.close()
    finally:
        for catalog in catalogs:
            catalog.close()


def refuses(workers: Workers, client: str) -> bool:
    """Whether a client has no place left."""
    error = workers.submit(client, lambda: None).exception(30)
    return error is not None and "questions at once" in str(error)
