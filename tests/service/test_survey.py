"""What a library shows of itself: comparison, audit, graph, texts; each tenant sees its own."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.conflicts.library import audit as library_audit
from rag.conflicts.library import search
from rag.conflicts.memory.calibration import recall
from tests.service.conftest import as_tenant, fill, live, soon
from tests.service.tiny import tiny_app

pytestmark = pytest.mark.real
TEXTS = {
    "notice-2019.txt": "The harbour master of Port Selwick is Edda Lindqvist. The ferry is blue.",
    "notice-2023.txt": "The harbour master of Port Selwick is Tomas Orrel. Dogs are not allowed on the pier.",
    "guide.txt": "Dogs are allowed on the pier. Port Selwick was founded in 1610.",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("survey")


@pytest.fixture(scope="module")
def town(root: Path) -> Any:
    with live(tiny_app(root)) as url, httpx.Client(base_url=f"{url}/v1/libraries/town", timeout=30) as http:
        with httpx.Client(base_url=url, timeout=30) as service:
            fill(service, "town", TEXTS)
        yield http


def run(http: httpx.Client, kind: str, **body: Any) -> dict[str, Any]:
    job: dict[str, Any] = http.post(f"/{kind}", params={"wait_s": 60}, json=body or None).json()
    assert (job["kind"], job["status"]) == (kind, "done"), job
    return job


def test_conflicts_with_both_sentences(town: httpx.Client) -> None:
    before = town.get("/conflicts").json()
    assert (before["data"], before["made_at"], before["is_current"]) == ([], "", False)
    job = run(town, "conflicts")
    assert job["num_done"] == job["num_sources"] == 6
    report = town.get("/conflicts").json()
    assert (report["num_conflicts"], report["is_current"]) == (2, True)
    master = next(one for one in report["data"] if one["kind"] == "value")
    assert [side["object"] for side in master["sides"]] == ["Tomas Orrel", "Edda Lindqvist"]
    assert [side["places"][0]["date"] for side in master["sides"]] == ["2023", "2019"]
    assert len(town.get("/conflicts", params={"limit": 1, "offset": 1}).json()["data"]) == 1


def test_an_audit_holds_every_claim(town: httpx.Client) -> None:
    job = run(town, "audit", limit=3)
    report = town.get("/audit").json()
    assert job["num_sources"] == len(report["data"]) == 3
    assert report["num_contradicts"] + report["num_unsure"] + report["num_agrees"] == 3
    assert report["is_calibrated"] is False
    assert report["data"][0]["source"] in TEXTS


def test_the_graph_around_documents_and_a_name(town: httpx.Client) -> None:
    documents = {one["source"]: one["doc_id"] for one in town.get("/documents").json()["data"]}
    part = town.get("/graph", params={"doc_id": documents["guide.txt"]}).json()
    assert [one["source"] for one in part["documents"] if one["is_centre"]] == ["guide.txt"]
    assert {one["source"] for one in part["documents"]} == TEXTS.keys()  # all name Port Selwick
    assert part["names"][0] == {"name": "port selwick", "label": "Port Selwick"}
    around = town.get("/graph", params={"name": "Port Selwick"}).json()
    links = {(one["subject"], one["relation"], one["object"]) for one in around["links"]}
    assert ("port selwick", "the harbour master", "tomas orrel") in links
    assert town.get("/graph", params={"name": "nobody"}).json()["documents"] == []
    assert town.get("/graph").status_code == 400
    assert town.get("/graph", params={"doc_id": "nothing"}).status_code == 404


def test_a_document_with_its_passages_and_date(town: httpx.Client) -> None:
    listed = next(one for one in town.get("/documents").json()["data"] if one["source"] == "notice-2019.txt")
    assert listed["date"] == "2019"
    document = town.get(f"/documents/{listed['doc_id']}").json()
    assert document["passages"][0]["text"] == TEXTS["notice-2019.txt"]
    assert town.get(f"/documents/{listed['doc_id']}", params={"offset": 1}).json()["passages"] == []
    assert town.get("/documents/nothing").status_code == 404


def test_what_a_removed_document_said_is_gone(town: httpx.Client, root: Path) -> None:
    run(town, "conflicts")
    run(town, "audit", limit=200)
    doc_id = next(o["doc_id"] for o in town.get("/documents").json()["data"] if o["source"] == "notice-2019.txt")
    assert town.delete(f"/documents/{doc_id}").status_code == 200
    report = town.get("/conflicts").json()
    assert (report["num_conflicts"], report["is_current"]) == (1, False)
    assert "Edda" not in json.dumps([report, town.get("/audit").json()])
    held = [file for file in (root / "default" / "town").iterdir() if file.suffix in (".json", ".jsonl")]
    assert len(held) == 4
    assert all("Edda" not in file.read_text() for file in held)


def test_one_comparison_at_a_time_that_can_be_cancelled(town: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go, compare = threading.Event(), search._compare

    def held(*parameters: Any) -> Any:
        may_go.wait(20)
        parameters[2](2, 6)  # where a job notices that it is cancelled
        return compare(*parameters)

    monkeypatch.setattr(search, "_compare", held)
    try:
        jobs = [town.post("/conflicts").json() for _ in range(2)]
        assert jobs[0]["id"] == jobs[1]["id"]
        town.delete(f"{str(town.base_url).split('/libraries')[0]}/jobs/{jobs[0]['id']}")
    finally:
        may_go.set()
    url = f"{str(town.base_url).split('/libraries')[0]}/jobs/{jobs[0]['id']}"
    assert soon(lambda: town.get(url).json()["status"] == "cancelled")


def test_tenants_and_scopes(keyed: tuple[str, dict[str, str]]) -> None:
    with as_tenant(keyed, "ann") as ann, as_tenant(keyed, "ben") as ben, as_tenant(keyed, "reader") as reader:
        fill(ann, "town", TEXTS)
        url = "/v1/libraries/town"
        assert ann.post(f"{url}/conflicts", params={"wait_s": 60}).json()["status"] == "done"
        assert reader.get(f"{url}/conflicts").json()["num_conflicts"] == 2
        assert [reader.post(f"{url}/{kind}", json={}).status_code for kind in ("conflicts", "audit")] == [403, 403]
        paths = ("conflicts", "audit", "graph?name=port+selwick", "documents/notice-2019.txt")
        assert [ben.get(f"{url}/{path}").status_code for path in paths] == [404] * 4
        assert [ben.post(f"{url}/{kind}", json={}).status_code for kind in ("conflicts", "audit")] == [404, 404]


def test_an_audit_that_was_cut_off_goes_on(town: httpx.Client, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one asks only what was not asked."""
    (root / "default" / "town" / "audit.jsonl").unlink(missing_ok=True)
    run(town, "audit", limit=1)
    asked: list[int] = []

    def counting(generator: Any, questions: Any, **options: Any) -> Any:
        asked.append(len(questions))
        return recall(generator, questions, **options)

    monkeypatch.setattr(library_audit, "recall", counting)
    job = run(town, "audit", limit=2)
    assert (job["num_done"], asked) == (2, [1])


def test_a_library_in_postgresql(postgres: str, tmp_path: Path) -> None:
    """Any process may have made the report; all of them show it."""
    apps = [tiny_app(tmp_path / name, database=postgres) for name in ("one", "two")]
    with live(apps[0]) as first, live(apps[1]) as second, httpx.Client(base_url=first, timeout=60) as http:
        fill(http, "town", TEXTS)
        for kind in ("conflicts", "audit"):
            job = http.post(f"/v1/libraries/town/{kind}", params={"wait_s": 60}, json={"limit": 3}).json()
            assert job["status"] == "done", job
        report = httpx.get(f"{second}/v1/libraries/town/conflicts").json()
        assert (report["num_conflicts"], report["is_current"]) == (2, True)
        assert len(httpx.get(f"{second}/v1/libraries/town/audit").json()["data"]) == 3
        part = httpx.get(f"{second}/v1/libraries/town/graph", params={"name": "port selwick"}, timeout=60).json()
        assert len(part["documents"]) == 3
        http.delete("/v1/libraries/town")
        fill(http, "town", {"a.txt": "w1"})
        assert http.get("/v1/libraries/town/conflicts").json()["made_at"] == ""
