"""Patches over HTTP: built by a job that survives its process, used in chats, kept apart by tenant."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.client import AsyncClient, Client
from rag.core.errors import LibraryError, PatchError
from rag.engine import Engine
from rag.library.sqlite.library import SqliteLibrary
from rag.models.sentence_encoder import EmbeddingsEncoder
from rag.patches.base import BuildReport
from tests.conftest import HashEmbeddings
from tests.postgres_server import free_port
from tests.processes import start
from tests.service.conftest import as_tenant, chat, fill, live, soon
from tests.service.tiny import CONFIG, load_tiny, serve, tiny_app

pytestmark = pytest.mark.real
TEXTS = {
    "harbour": "The harbour master is Edda Quist. The harbour was opened in 1764.",
    "mill": "The tide mill was built by Aron Pell. The tide mill has 14 rooms.",
    "short": "Hm.",
}
QUESTION = "who is the harbour master is edda quist"
PATCHES = "/v1/libraries/town/patches"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("town")


@pytest.fixture(scope="module")
def town(root: Path) -> Iterator[httpx.Client]:
    """A service whose library 'town' has the patches of all documents that can have one."""
    with live(tiny_app(root)) as url, httpx.Client(base_url=url, timeout=60) as http:
        fill(http, "town", TEXTS)
        job = build(http)
        assert (job["status"], job["kind"], job["num_done"], job["num_sources"]) == ("done", "patches", 3, 3)
        assert sorted(job["patch_report"]["built"]) == sorted([doc_id(http, "harbour"), doc_id(http, "mill")])
        assert [item["doc_id"] for item in job["patch_report"]["failed"]] == [doc_id(http, "short")]
        yield http


def build(http: httpx.Client, *documents: str) -> dict[str, Any]:
    response = http.post(PATCHES, json={"documents": documents}, params={"wait_s": 60})
    assert response.is_success, response.text
    job: dict[str, Any] = response.json()
    return job


def doc_id(http: httpx.Client, source: str) -> str:
    documents = http.get("/v1/libraries/town/documents").json()["data"]
    return next(str(document["doc_id"]) for document in documents if document["source"] == source)


def test_building_again_skips_what_is_there(town: httpx.Client) -> None:
    job = build(town, "harbour", doc_id(town, "mill"))
    assert (job["patch_report"]["built"], len(job["patch_report"]["skipped"])) == ([], 2)
    listed = town.get(PATCHES).json()
    assert listed["num_patched"] == 2
    assert {patch["doc_id"] for patch in listed["data"]} == {doc_id(town, "harbour"), doc_id(town, "mill")}


@pytest.mark.parametrize("is_stream", [False, True])
def test_chats_name_their_patches(town: httpx.Client, is_stream: bool) -> None:
    """All options of 'patches'; the patch moves the context stream, and its weight is in the reply."""

    def ask(mode: str) -> dict[str, Any]:
        rag = {"patches": mode, "decoder": "plain", "top_k": 1, "trace": True}
        response = town.post("/v1/chat/completions", json=chat(QUESTION, "town", rag=rag, stream=is_stream))
        if not is_stream:
            return dict(response.json())
        lines = [line for line in response.text.splitlines() if '"citations"' in line]
        return dict(json.loads(lines[0].removeprefix("data: ")))

    off, auto, only = ask("off"), ask("auto"), ask("only")
    (patch,) = [patch for patch in town.get(PATCHES).json()["data"] if patch["doc_id"] == doc_id(town, "harbour")]
    assert off["patches"] == []
    for reply in (auto, only):
        assert reply["patches"] == [{"doc_id": patch["doc_id"], "key": patch["key"], "weight": 1.0}]
        assert "patch" in reply["timings"]
    assert only["citations"] == []
    assert auto["citations"] == off["citations"]
    assert max(step["jsd"] for step in only["conflict"]["steps"]) > 0  # equal prompts: the patch parts the streams


def test_a_document_that_goes_takes_its_patch_along(tmp_path: Path) -> None:
    with live(tiny_app(tmp_path)) as url, httpx.Client(base_url=url, timeout=60) as http:
        fill(http, "town", TEXTS)
        build(http, "harbour", "mill")
        mill = doc_id(http, "mill")
        http.delete(f"/v1/libraries/town/documents/{doc_id(http, 'harbour')}").raise_for_status()
        http.delete(f"/v1/libraries/town/documents/{doc_id(http, 'short')}").raise_for_status()
        assert [patch["doc_id"] for patch in http.get(PATCHES).json()["data"]] == [mill]


def test_removing(tmp_path: Path) -> None:
    with live(tiny_app(tmp_path)) as url, httpx.Client(base_url=url, timeout=60) as http:
        fill(http, "town", TEXTS)
        build(http, "harbour", "mill")
        key = next(patch["key"] for patch in http.get(PATCHES).json()["data"])
        assert [patch["key"] for patch in http.delete(f"{PATCHES}/{key[:12]}").json()["removed"]] == [key]
        gone = http.delete(f"{PATCHES}/{key}")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "patch_not_found")
        for source in ("harbour", "mill"):
            http.delete(f"{PATCHES}/{doc_id(http, source)}")
        assert http.get(PATCHES).json()["data"] == []
        body = chat(QUESTION, "town", rag={"patches": "only"})
        refused = http.post("/v1/chat/completions", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "patch_not_ready")
        assert str(tmp_path) not in refused.text


def test_the_clients_have_the_engines_methods(town: httpx.Client, root: Path) -> None:
    """What the clients say of the library is what an engine opened on its folder says."""
    harbour = doc_id(town, "harbour")
    url = str(town.base_url)
    library, encoder = SqliteLibrary.open(root / "default" / "town"), EmbeddingsEncoder(HashEmbeddings(), "hash")
    with (
        Client(url, library="town") as client,
        Engine(library, CONFIG, encoder=encoder, generator=load_tiny()) as engine,
    ):
        assert client.patches.build(["harbour"]) == BuildReport(skipped=(harbour,))
        assert client.patches.ls() == engine.patches.ls()
        answers = [asked.ask(QUESTION, patches="only", top_k=1) for asked in (client, engine)]
        assert answers[0].patches == answers[1].patches
        assert answers[0].text == answers[1].text
        for call, error in ((client.patches.build, LibraryError), (client.patches.remove, PatchError)):
            with pytest.raises(error, match="nowhere"):
                call(["nowhere"])

    async def calls() -> None:
        async with AsyncClient(url, library="town") as client:
            assert (await client.patches.build(["harbour"])).skipped == (harbour,)
            key = next(info.key for info in await client.patches.ls() if info.doc_id == harbour)
            assert await client.patches.remove([harbour]) == [key]
            assert (await client.patches.build([harbour])).built == (harbour,)

    asyncio.run(calls())


BAD: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "/v1/libraries/nobody/patches", {}, 404, "library_not_found"),
    ("GET", "/v1/libraries/nobody/patches", {}, 404, "library_not_found"),
    ("DELETE", f"{PATCHES}/{'0' * 32}", {}, 404, "patch_not_found"),
    ("DELETE", f"{PATCHES}/..%2f..%2flibrary.sqlite3", {}, 404, "not_found"),
    ("POST", PATCHES, {"documents": ["nowhere"]}, 404, "document_not_found"),
    ("POST", PATCHES, {"documents": ["~/town", "/"]}, 404, "document_not_found"),
    ("POST", PATCHES, {"jobs": 3}, 400, "unknown_field"),
    ("POST", "/v1/chat/completions", chat(QUESTION, "town", rag={"patches": "maybe"}), 400, "invalid_value"),
    ("POST", "/v1/chat/completions", chat(QUESTION, "default", rag={"patches": "auto"}), 400, "invalid_option"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), BAD)
def test_refusals(town: httpx.Client, method: str, path: str, body: dict[str, Any], status: int, code: str) -> None:
    response = town.request(method, path, json=None if method == "GET" else body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_an_empty_library_has_nothing_to_build_from(town: httpx.Client) -> None:
    town.post("/v1/libraries", json={"name": "empty"})
    response = town.post("/v1/libraries/empty/patches", json={})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "library_not_ready")


def test_two_tenants_have_patches_of_their_own(keyed: tuple[str, dict[str, str]]) -> None:
    """The same documents under the same names: neither sees, uses nor removes the other's patches."""
    body = chat(QUESTION, "town", rag={"patches": "only", "top_k": 1})
    with as_tenant(keyed, "ann") as ann, as_tenant(keyed, "ben") as ben, as_tenant(keyed, "reader") as reader:
        for http in (ann, ben):
            fill(http, "town", TEXTS)
        job = build(ann, "harbour")
        assert ben.get(f"/v1/jobs/{job['id']}").status_code == 404
        (patch,) = ann.get(PATCHES).json()["data"]
        assert ben.get(PATCHES).json() == {"data": [], "num_patched": 0, "object": "list"}
        assert ben.delete(f"{PATCHES}/{patch['key']}").status_code == 404
        assert ben.post("/v1/chat/completions", json=body).json()["error"]["code"] == "patch_not_ready"
        assert ann.post("/v1/chat/completions", json=body).json()["patches"][0]["key"] == patch["key"]
        build(ben, "harbour")
        assert ben.delete(f"{PATCHES}/{patch['key']}").status_code == 200
        assert reader.get(PATCHES).json()["num_patched"] == 1  # equal content has equal keys, in folders of their own
        assert reader.post(PATCHES, json={}).status_code == 403
        assert reader.delete(f"{PATCHES}/{patch['key']}").status_code == 403


def test_chats_are_answered_while_patches_are_trained(tmp_path: Path) -> None:
    """With the tokens that they have without training."""
    body = chat(QUESTION, "town", rag={"top_k": 1})
    with live(tiny_app(tmp_path)) as url, httpx.Client(base_url=url, timeout=60) as http:
        fill(http, "town", many(24))
        before = http.post("/v1/chat/completions", json=body).json()["choices"]
        job, num_meanwhile = http.post(PATCHES, json={}).json(), 0
        while http.get(f"/v1/jobs/{job['id']}").json()["status"] in ("queued", "running"):
            assert http.post("/v1/chat/completions", json=body).json()["choices"] == before
            num_meanwhile += 1
        assert http.get(f"/v1/jobs/{job['id']}").json()["status"] == "done"
    assert num_meanwhile >= 2


def many(num: int) -> dict[str, str]:
    return {f"d{n}": f"The keeper of mill {n} is Aron Pell{n}. Mill {n} has {n + 10} rooms." for n in range(num)}


def test_a_build_goes_on_after_a_kill(tmp_path: Path) -> None:
    """Acknowledged, then kill -9: another process on that root ends the job, and keeps what was built."""
    port = free_port()
    process = start(serve, tmp_path, port)
    url = f"http://127.0.0.1:{port}"
    try:
        assert soon(lambda: answers(url), 180.0)
        with httpx.Client(base_url=url, timeout=30) as http:
            fill(http, "town", many(12))
            job = http.post(PATCHES, json={}).json()
            assert soon(lambda: http.get(PATCHES).json()["num_patched"] > 0, 180.0)
    finally:
        process.kill()
        process.join()
    with live(tiny_app(tmp_path)) as url, httpx.Client(base_url=url, timeout=30) as http:
        assert soon(lambda: http.get(f"/v1/jobs/{job['id']}").json()["status"] == "done", 180.0)
        report = http.get(f"/v1/jobs/{job['id']}").json()["patch_report"]
        assert len(report["built"]) + len(report["skipped"]) == 12
        assert report["skipped"]


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
