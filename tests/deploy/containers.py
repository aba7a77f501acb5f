"""Containers by hand: processes in Linux namespaces with a container's files, user, rights and network.

Every container sees a root of its own. System folders, the Python installation and this checkout are mounted into it
read-only and stand for an image; volumes and tmpfs are writable. It runs as another user without any capability. All
containers of a pod share one network, in which a service's name is an address.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT

_TOOLS = ("unshare", "nsenter", "setpriv", "chroot", "mount")
_SYSTEM = ("/bin", "/lib", "/lib64", "/sbin", "/usr", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl", "/sys")
_USERS = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
_DIES_WITH_THE_TESTS = ["setpriv", "--pdeathsig", "KILL"]
# Docker's own options for a tmpfs that names none.
_TMPFS = "mode=1777,nosuid,nodev,noexec"


def missing() -> str:
    """Why there can be no containers here; empty where there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "namespaces for users, files and network need root on Linux"
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent:
        return f"these programs are missing: {', '.join(absent)}"
    trial = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True)
    return f"this machine allows no namespaces: {trial.stderr.strip()}" if trial.returncode else ""


@dataclass(frozen=True)
class Bind:
    """A file or folder that is seen inside at ``target``."""

    source: Path
    target: str
    is_read_only: bool = False


@dataclass(frozen=True)
class Spec:
    """What a container runs, and with what.

    Attributes:
        aliases: its names in the network.
        owned: folders of the image that belong to the user.
        is_alone: it has no network.
    """

    name: str
    command: Sequence[str]
    uid: int
    environment: Mapping[str, str] = field(default_factory=dict)
    home: str = "/"
    workdir: str = "/"
    binds: Sequence[Bind] = ()
    tmpfs: Sequence[str] = ()
    owned: Sequence[str] = ()
    is_read_only: bool = False
    is_alone: bool = False
    aliases: Sequence[str] = ()


class Pod:
    """One network with a name service, and the containers in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names = folder / "names"
        self._names.write_text("")
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (folder / "hosts").write_text("127.0.0.1 localhost\n")
        command = [
            *_DIES_WITH_THE_TESTS,
            "unshare",
            "--net",
            sys.executable,
            str(Path(__file__).with_name("pod.py")),
            str(self._names),
        ]
        self._network = subprocess.Popen(command)

    @contextmanager
    def running(self, spec: Spec) -> Iterator[Container]:
        """The container while it runs."""
        container = Container(self, spec)
        self._rename(add=spec.aliases)
        try:
            yield container
        finally:
            self._rename(remove=spec.aliases)
            container.stop()

    def network(self, spec: Spec) -> list[str]:
        """A command that runs the one after it in the network of ``spec``."""
        return ["unshare", "--net"] if spec.is_alone else ["nsenter", f"--net=/proc/{self._network.pid}/ns/net"]

    def close(self) -> None:
        """End the network."""
        self._network.kill()
        self._network.wait()

    def _rename(self, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        names = (set(self._names.read_text().split()) | set(add)) - set(remove)
        partial = self._names.with_suffix(".partial")
        partial.write_text("\n".join(sorted(names)))
        partial.replace(self._names)


class Container:
    """A container that has been started."""

    def __init__(self, pod: Pod, spec: Spec) -> None:
        self._spec = spec
        self._log = pod.folder / f"{spec.name}.log"
        root = pod.folder / "roots" / spec.name
        root.mkdir(parents=True, exist_ok=True)
        script = "\n".join([*_build_root(pod.folder, root, spec), _exec(spec, root)])
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_DIES_WITH_THE_TESTS, *pod.network(spec), *isolated], stdout=log, stderr=log
            )

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def wait(self, timeout_s: float) -> int:
        """The exit code, once it has ended by itself."""
        return self._process.wait(timeout_s)

    def run(self, *command: str, timeout_s: float = 120.0, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command inside, as the container's user."""
        pid = self._inner_pid()
        assert pid is not None, f"{self._spec.name} ended:\n{self.log[-4000:]}"
        inside = ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--root"]
        return subprocess.run(
            [*inside, "--", *_as_user(self._spec), *command],
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def until_healthy(self, test: Sequence[str], timeout_s: float) -> None:
        """Run the health check again and again until it succeeds."""
        deadline = time.monotonic() + timeout_s
        while True:
            check = self.run(*test)
            if check.returncode == 0:
                return
            assert time.monotonic() < deadline, f"{self._spec.name}: {check.stderr}\n{self.log[-4000:]}"
            time.sleep(1.0)

    def stop(self) -> None:
        """End it and everything in it: the kernel ends a process namespace with its first process."""
        if (pid := self._inner_pid()) is not None:
            os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _inner_pid(self) -> int | None:
        """Its first process as this machine numbers it; ``None`` once it has ended."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while self._process.poll() is None:
            if pids := children.read_text().split():
                return int(pids[0])
            time.sleep(0.01)
        return None


def _build_root(folder: Path, root: Path, spec: Spec) -> Iterator[str]:
    """Shell commands that mount everything the container sees."""
    users = folder / "passwd"
    users.write_text(f"{_USERS}concord:x:{spec.uid}:{spec.uid}::{spec.home}:/bin/sh\n")
    yield f"mount -t tmpfs -o mode=0755 tmpfs {root}"
    for system in map(Path, _SYSTEM):
        if system.is_symlink():
            yield f"ln -s {system.readlink()} {root}{system}"
        elif system.exists():
            yield from _bind(root, Bind(system, str(system), is_read_only=True))
    yield f"mkdir -p {root}/proc {root}/dev && mkdir -m 1777 {root}/tmp"
    yield f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev"
    # Before the checkout, which may itself lie below one of them.
    for path in spec.tmpfs:
        yield f"mkdir -p {root}{path} && mount -t tmpfs -o {_TMPFS} tmpfs {root}{path}"
    for name in ("resolv.conf", "hosts", "passwd"):
        yield from _bind(root, Bind(folder / name, f"/etc/{name}", is_read_only=True))
    yield from _bind(root, Bind(_script(folder), "/opt/bin/concord", is_read_only=True))
    for path in _installation():
        yield from _bind(root, Bind(path, str(path), is_read_only=True))
    for path in spec.owned:
        yield f"mkdir -p {root}{path} && chown {spec.uid}:{spec.uid} {root}{path}"
    for bind in spec.binds:
        yield from _bind(root, bind)
    if spec.is_read_only:
        yield f"mount -o remount,ro {root}"


def _bind(root: Path, bind: Bind) -> Iterator[str]:
    source, target = shlex.quote(str(bind.source)), shlex.quote(f"{root}{bind.target}")
    yield f"mkdir -p {target}" if bind.source.is_dir() else f"mkdir -p $(dirname {target}) && touch {target}"
    yield f"mount --bind {source} {target}"
    if bind.is_read_only:
        yield f"mount -o remount,bind,ro {target}"


def _script(folder: Path) -> Path:
    """The command ``concord`` as pip would make it from pyproject.toml, for the code of this checkout."""
    module, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["concord"].split(":")
    script = folder / "concord"
    script.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n")
    script.chmod(0o755)
    return script


def _installation() -> list[Path]:
    """This checkout, and the Python that runs the tests with its packages."""
    paths: list[Path] = []
    for path in map(Path, (ROOT, sys.base_prefix, sys.prefix)):
        if not any(path.is_relative_to(other) for other in [Path("/usr"), *paths]):
            paths.append(path)
    return paths


def _exec(spec: Spec, root: Path) -> str:
    return shlex.join(["exec", "chroot", str(root), *_as_user(spec), *spec.command])


def _as_user(spec: Spec) -> list[str]:
    user, group = f"--reuid={spec.uid}", f"--regid={spec.uid}"
    # A change of user clears the signal that a parent's death sends, so it is set again.
    rights = ["--pdeathsig", "KILL", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    path = f"/opt/bin:{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    values = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": spec.home} | dict(spec.environment)
    variables = [f"{name}={value}" for name, value in values.items()]
    return ["setpriv", user, group, *rights, "env", "-i", f"--chdir={spec.workdir}", *variables]
