"""Sizes and times of a fresh installation: disk, memory, seconds. Needs only Python and git, and the package index.

    python3 benchmarks/install.py [--dev] [--download]

Installs a copy of this checkout into a temporary folder with ``deploy/install.py``, runs the demo twice with an empty
cache of models, then one ``concord ask`` and one ``concord serve`` with a question. Pip's cache stays as it is: a
second run shows the times with a warm one. Prints a table, and one JSON object on the last line:

    install_s, demo_s, again_s        the installer; the first demo; installer and demo once more
    environment_mb, models_mb         the environment without development tools; the default models in the cache
    ask_mb, serve_mb                  peak of resident memory; of ``serve`` after one question
    dev_s, dev_mb                     --dev: the development tools; the environment with them
    download_mb, download_packages    --download: wheels for Concord from the package index alone (CUDA build of torch)
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUESTION = "Who was the first person to walk on the moon?"
START_TIMEOUT_S = 300
ROWS = {
    "install_s": "install, s",
    "demo_s": "first demo, s",
    "again_s": "install and demo again, s",
    "environment_mb": "environment, MB",
    "models_mb": "default models in the cache, MB",
    "ask_mb": "memory of concord ask, MB",
    "serve_mb": "memory of concord serve, MB",
    "dev_s": "development tools, s",
    "dev_mb": "environment with development tools, MB",
    "download_mb": "download from the package index alone, MB",
    "download_packages": "packages in that download",
}


def copy_checkout(folder: Path) -> Path:
    """The files that git tracks, as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        target = folder / "concord" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return folder / "concord"


def run(*command: str | Path, cwd: Path, environ: dict[str, str] | None = None) -> tuple[float, float]:
    """Run to the end; seconds, and the peak of resident memory in MB."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [*map(str, command)], cwd=cwd, env=environ, stdout=output, stderr=subprocess.STDOUT, text=True
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output.read()[-2000:]}")
    return time.perf_counter() - start, usage.ru_maxrss / 1e3


def size_mb(folder: Path) -> float:
    """Size of the files below ``folder``."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


def measure(checkout: Path) -> dict[str, float]:
    """Everything that needs no option."""
    cache = checkout.parent / "cache"
    environ = os.environ | {"XDG_CACHE_HOME": str(cache)}
    concord = checkout / ".venv" / "bin" / "concord"
    install = (sys.executable, "deploy/install.py")
    install_s, _ = run(*install, cwd=checkout)
    demo_s, _ = run(concord, "demo", cwd=checkout, environ=environ)
    again_s = run(*install, cwd=checkout)[0] + run(concord, "demo", cwd=checkout, environ=environ)[0]
    _, ask_mb = run(concord, "ask", "demo-library", QUESTION, cwd=checkout, environ=environ)
    return {
        "install_s": install_s,
        "demo_s": demo_s,
        "again_s": again_s,
        "environment_mb": size_mb(checkout / ".venv"),
        "models_mb": size_mb(cache),
        "ask_mb": ask_mb,
        "serve_mb": measure_service(concord, checkout, environ),
    }


def measure_service(concord: Path, checkout: Path, environ: dict[str, str]) -> float:
    """Peak of resident memory of ``concord serve`` after one question, MB."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    libraries = checkout.parent / "libraries"
    shutil.copytree(checkout / "demo-library", libraries / "default" / "demo")
    service = subprocess.Popen(
        [str(concord), "serve", str(libraries), "--port", str(port)],
        cwd=checkout,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{address}/readyz")
        chat = {"model": "demo", "messages": [{"role": "user", "content": QUESTION}]}
        request = urllib.request.Request(
            f"{address}/v1/chat/completions", json.dumps(chat).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=START_TIMEOUT_S) as reply:
            reply.read()
        status = Path(f"/proc/{service.pid}/status").read_text()
        return next(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM:"))
    finally:
        service.terminate()
        service.wait()


def wait_until_ready(url: str) -> None:
    """Ask until the service says that it is ready."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"{url} was not ready after {START_TIMEOUT_S} s")


def measure_dev(checkout: Path) -> dict[str, float]:
    """The development tools on top of what is installed."""
    dev_s, _ = run(sys.executable, "deploy/install.py", "--dev", cwd=checkout)
    return {"dev_s": dev_s, "dev_mb": size_mb(checkout / ".venv")}


def measure_download(checkout: Path) -> dict[str, float]:
    """What pip would download where it knows the package index alone, by the sizes that the index gives."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PIP_FIND_LINKS", "PIP_CONSTRAINT")}
    report = checkout.parent / "report.json"
    pip = (checkout / ".venv" / "bin" / "python", "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet")
    options = ("--report", report, "--constraint", "constraints.txt", "torch", ".[cpu]")
    run(*pip, *options, cwd=checkout, environ=environ | {"PIP_CONFIG_FILE": os.devnull})
    urls = [item["download_info"]["url"] for item in json.loads(report.read_text())["install"]]
    wheels = [url for url in urls if url.startswith("http")]
    with ThreadPoolExecutor(8) as pool:
        return {"download_mb": sum(pool.map(wheel_mb, wheels)), "download_packages": len(wheels)}


def wheel_mb(url: str) -> float:
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=60) as reply:
        return int(reply.headers["Content-Length"]) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Sizes and times of a fresh installation.")
    parser.add_argument("--dev", action="store_true", help="also install the development tools")
    parser.add_argument("--download", action="store_true", help="also the download from the package index alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkout = copy_checkout(Path(folder))
        figures = measure(checkout)
        if options.dev:
            figures |= measure_dev(checkout)
        if options.download:
            figures |= measure_download(checkout)
    for name, value in figures.items():
        print(f"{ROWS[name]:<44}{value:>8.0f}")
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
