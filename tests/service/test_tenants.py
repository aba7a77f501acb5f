"""Keys, scopes, limits, and two tenants with the same names: neither sees the other."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.core.errors import SettingError
from rag.generation.base import Request
from rag.generation.transformers.generator import TransformersGenerator
from rag.service.auth.keys import KeyFile
from rag.service.auth.limits import RateLimit
from rag.service.catalog.base import tenant_salt
from rag.service.problems import Problem
from tests.generation.conftest import tiny_model, tiny_tokenizer
from tests.service.conftest import as_tenant, chat, fill, live
from tests.service.tiny import tiny_app

Keyed = tuple[str, dict[str, str]]


def test_keys_are_hashed_at_rest(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    key, secret = keys.add("ann", ["read"])
    assert secret not in (tmp_path / "keys.json").read_text()
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
    assert keys.find(secret) == key
    assert keys.find(secret + "x") is None
    keys.remove(key.key_id)
    assert keys.find(secret) is None


@pytest.mark.parametrize(("tenant", "scopes"), [("../up", ["read"]), ("ann", ["everything"]), ("ann", [])])
def test_keys_that_cannot_be(tmp_path: Path, tenant: str, scopes: list[str]) -> None:
    with pytest.raises(SettingError):
        KeyFile(tmp_path / "keys.json").add(tenant, scopes)


def test_a_rate_limit_says_when_to_come_back() -> None:
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    limit.check("ann")
    limit.check("ann")
    limit.check("ben")
    with pytest.raises(Problem) as refused:
        limit.check("ann")
    assert refused.value.headers == {"Retry-After": "30"}
    now = 30.0
    limit.check("ann")


@pytest.mark.real
def test_scopes(keyed: Keyed) -> None:
    with as_tenant(keyed, "reader") as reader:
        assert reader.get("/v1/models").status_code == 200
        refused = reader.post("/v1/libraries", json={"name": "mine"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic abc"}):
        response = httpx.get(f"{keyed[0]}/v1/models", headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert httpx.get(f"{keyed[0]}/healthz").status_code == 200


@pytest.mark.real
def test_two_tenants_never_meet(keyed: Keyed) -> None:
    """500 random calls on libraries, files and questions of the same names; each tenant's words are its own."""
    words = {"ann": "w60 w61 w62", "ben": "w70 w71 w72"}
    clients = {who: as_tenant(keyed, who) for who in words}
    for who, http in clients.items():
        fill(http, "papers", {"report.txt": f"{words[who]} runs the harbour", "notes.txt": words[who]})
        fill(http, "second", {"report.txt": words[who]})
    jobs = {who: new_job(http, words[who]) for who, http in clients.items()}
    rng = random.Random(0)
    for number in range(500):
        who = rng.choice(sorted(words))
        other = "ben" if who == "ann" else "ann"
        text = call(clients[who], rng, number, words[who], jobs[other])
        for word in words[other].split():
            assert word not in text, (who, text)
    for http in clients.values():
        http.close()


def new_job(http: httpx.Client, words: str) -> str:
    body = {"documents": [{"source": "job.txt", "text": words}]}
    return str(http.post("/v1/libraries/second/documents", json=body, params={"wait_s": 10}).json()["id"])


def call(http: httpx.Client, rng: random.Random, number: int, words: str, foreign_job: str) -> str:
    """One random call; its reply without the answer's own text, which a random model makes up."""
    library = rng.choice(["papers", "second"])
    match rng.randrange(7):
        case 0:
            documents = [{"source": "report.txt", "text": f"{words} runs the harbour {number}"}]
            url, params = f"/v1/libraries/{library}/documents", {"wait_s": 10}
            return http.post(url, json={"documents": documents}, params=params).text
        case 1:
            return http.get(f"/v1/libraries/{library}/documents").text
        case 2 | 3:
            question = rng.choice(["who runs the harbour", "w60 w70", "report"])
            return http.post(f"/v1/libraries/{library}/retrieve", json={"questions": [question]}).text
        case 4:
            assert http.get(f"/v1/jobs/{foreign_job}").status_code == 404
            return http.get("/v1/libraries").text
        case 5:
            return http.get("/metrics").text + http.get("/v1/models").text
        case _:
            body = chat("who runs the harbour", library, max_tokens=1, stream=rng.random() < 0.5)
            return cited(http.post("/v1/chat/completions", json=body).text)


def cited(text: str) -> str:
    data = [line.removeprefix("data: ") for line in text.splitlines() if "citations" in line]
    return json.dumps(json.loads(data[0])["citations"])


@pytest.mark.real
def test_each_tenant_has_its_own_cache_salt(keyed: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    stream = TransformersGenerator.stream

    def watch(self: Any, requests: list[Request]) -> Any:
        seen.append({prompt.salt for request in requests for prompt in request.streams.values()})
        return stream(self, requests)

    monkeypatch.setattr(TransformersGenerator, "stream", watch)
    for who in ("ann", "ben", "ann"):
        with as_tenant(keyed, who) as http:
            http.post("/v1/chat/completions", json=chat("w1", "default", max_tokens=1)).raise_for_status()
    assert seen[0] == seen[2] != seen[1]
    assert all(len(salt) == 32 for salts in seen for salt in salts)


@pytest.mark.real
def test_what_an_engine_asks_by_itself_is_salted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that the generator rewords: its own request, and the one for the rewording."""
    seen: list[set[str]] = []
    stream = TransformersGenerator.stream

    def watch(self: Any, requests: list[Request]) -> Any:
        seen.append({prompt.salt for request in requests for prompt in request.streams.values()})
        return stream(self, requests)

    monkeypatch.setattr(TransformersGenerator, "stream", watch)
    turns = [("user", "w1"), ("assistant", "w2"), ("user", "and the harbour?")]
    body = {"model": "papers", "messages": [{"role": role, "content": text} for role, text in turns], "max_tokens": 2}
    app = tiny_app(tmp_path, lambda: TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny", window=512))
    with live(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        fill(http, "papers", {"harbour": "w10 w11 w12 runs the harbour"})
        http.post("/v1/chat/completions", json={**body, "rag": {"rewrite": "model"}}).raise_for_status()
    assert seen == [{tenant_salt("default")}] * 2


def test_a_removed_key_file_is_named_to_nobody(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    KeyFile(file).add("ann", ["read"])
    with live(tiny_app(tmp_path / "root", keys=file)) as url:
        file.unlink()
        reply = httpx.get(f"{url}/v1/libraries", headers={"Authorization": "Bearer ck_x"})
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "keys_unavailable"
    assert str(tmp_path) not in reply.text


@pytest.mark.real
def test_a_key_that_only_reads_leaves_the_question_cache_as_it_is(keyed: Keyed) -> None:
    body = chat("w10 w11 w12", "cached", rag={"question_cache": True, "trace": True})

    def is_from_cache(client: httpx.Client) -> bool:
        reply = client.post("/v1/chat/completions", json=body)
        assert reply.status_code == 200, reply.text
        return bool(reply.json()["trace"]["is_from_cache"])

    with as_tenant(keyed, "ann") as ann, as_tenant(keyed, "reader") as reader:
        fill(ann, "cached", {f"page {number}": f"w10 w11 w12 w{number}" for number in range(20, 26)})
        assert [is_from_cache(reader) for _ in range(2)] == [False, False]
        assert [is_from_cache(ann) for _ in range(2)] == [False, True]
        assert is_from_cache(reader)  # reading what a writer remembered is allowed


@pytest.mark.real
def test_no_client_says_whether_it_remembers(keyed: Keyed) -> None:
    with as_tenant(keyed, "reader") as reader:
        reply = reader.post("/v1/chat/completions", json=chat("w10", "default", rag={"remembers": True}))
    assert reply.status_code == 400
    assert "'remembers'" in reply.json()["error"]["message"]
