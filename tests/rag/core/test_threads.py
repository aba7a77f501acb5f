"""Quotas of containers, what an explicit setting means, and that torch comes later."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.core.process import threads
from rag.core.process.threads import configure_threads, configure_threads_before_torch, cpu_quota, num_threads


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return root


def without_threads() -> dict[str, str]:
    """The environment without what other tests of this process left there: vLLM preloads an OpenMP library."""
    prefixes = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "LD_PRELOAD")
    return {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}


V2 = {"proc/self/cgroup": "0::/"}
V1 = {"proc/self/cgroup": "9:name=systemd:/\n2:cpuacct,cpu:/docker/abc\n0::/"}


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        (V2, None),
        (V2 | {"sys/fs/cgroup/cpu.max": "max 100000"}, None),
        (V2 | {"sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, None),
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "400000 100000"}, 4.0),
        (
            {
                "proc/self/cgroup": "0::/a/b",
                "sys/fs/cgroup/a/cpu.max": "400000 100000",
                "sys/fs/cgroup/a/b/cpu.max": "800000 100000",
            },
            4.0,
        ),
        (V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
        # In a container of the first version the group's name is the host's, and its files stand at the top.
        (V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 2.5),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "50000",
                "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000",
            },
            0.5,
        ),
    ],
)
def test_quotas(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    assert cpu_quota(write(tmp_path, files)) == quota


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (2.5, 2), (0.5, 1), (16.0, 8)])
def test_a_quota_bounds_the_threads(monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int) -> None:
    monkeypatch.setattr(threads, "_num_cpus", lambda: 8)
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    environ: dict[str, str] = {}
    configure_threads(environ)
    assert environ.get("OMP_NUM_THREADS") == (str(expected) if expected < 8 else None)
    assert num_threads(environ) == expected


def test_what_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_num_cpus", lambda: 8)
    monkeypatch.setattr(threads, "cpu_quota", lambda: 2.0)
    environ = {"OMP_NUM_THREADS": "5,2", "GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "200"}
    environ["OPENBLAS_THREAD_TIMEOUT"] = "9"
    configure_threads(environ)
    assert list(environ.values()) == ["5,2", "7", "200", "9"]
    assert num_threads(environ) == 5
    passive = {"OMP_WAIT_POLICY": "PASSIVE"}
    configure_threads(passive)
    assert "GOMP_SPINCOUNT" not in passive
    assert passive["OMP_NUM_THREADS"] == "2"


def test_the_command_and_an_engine_set_them_before_torch(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "import rag.cli.app\n"
        "from rag import Engine\n"
        "assert 'torch' not in sys.modules and 'GOMP_SPINCOUNT' not in os.environ\n"
        "rag.cli.app.app = lambda: print(os.environ.pop('GOMP_SPINCOUNT'))\n"
        "rag.cli.app.main()\n"
        "Engine.open(sys.argv[1]).close()\n"
        "print(os.environ['GOMP_SPINCOUNT'])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "library")]
    done = subprocess.run(command, env=without_threads(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(threads.SPIN_COUNT)] * 2


def test_a_program_that_has_loaded_torch_keeps_its_environment() -> None:
    environ: dict[str, str] = {}
    configure_threads_before_torch(environ, {"torch"})
    assert environ == {}
    configure_threads_before_torch(environ, {"numpy"})
    assert environ["GOMP_SPINCOUNT"] == str(threads.SPIN_COUNT)


@pytest.mark.real
def test_torch_takes_them() -> None:
    """The setting that is made here reaches the library that torch loads."""
    code = (
        "from rag.core.process import threads\n"
        "threads._num_cpus, threads.cpu_quota = lambda: 4, lambda: 1.2\n"
        "threads.configure_threads()\n"
        "import torch\n"
        "print(torch.get_num_threads())\n"
    )
    shown = without_threads() | {"OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run([sys.executable, "-c", code], env=shown, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert f"GOMP_SPINCOUNT = '{threads.SPIN_COUNT}'" in done.stderr


@pytest.mark.real
def test_one_thread_is_of_this_thread_alone() -> None:
    """In a process of its own: another thread keeps its number, and the number comes back, whatever happens."""
    code = (
        "import faiss, torch\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from rag.core.process.threads import one_thread\n"
        "def counts(): return torch.get_num_threads(), faiss.omp_get_max_threads()\n"
        "with ThreadPoolExecutor(1) as pool:\n"
        "    print(counts(), pool.submit(counts).result())\n"
        "    try:\n"
        "        with one_thread():\n"
        "            print(counts(), pool.submit(counts).result())\n"
        "            raise KeyError\n"
        "    except KeyError:\n"
        "        print(counts(), pool.submit(counts).result())\n"
    )
    environ = without_threads() | {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    before, within, after = done.stdout.splitlines()
    all_threads = before.partition(") ")[2]
    assert all_threads.endswith(", 2)")  # torch bounds its own by the cores of the machine
    assert [before, within, after] == [f"{all_threads} {all_threads}", f"(1, 1) {all_threads}", before]
