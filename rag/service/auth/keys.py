"""API keys: who may do what, in whose libraries. At rest there are hashes only.

A key is 256 random bits, so one round of SHA-256 hides it as well as a slow password hash would.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

from filelock import FileLock

from rag.core.errors import SettingError
from rag.core.process.files import write_atomically
from rag.service.names import NAME_PATTERN

Scope = Literal["read", "write", "admin", "metrics"]
SCOPES: tuple[str, ...] = get_args(Scope)
_PREFIX = "ck_"


@dataclass(frozen=True)
class Key:
    """One key, without its secret.

    Attributes:
        key_id: what ``concord keys ls`` shows; not secret.
        tenant: whose libraries it opens.
        scopes: ``read`` asks and lists, ``write`` adds and removes documents, ``admin`` does everything in the
            tenant's libraries, ``metrics`` reads the counters of the whole service.
        secret_hash: SHA-256 of the secret, hex.
    """

    key_id: str
    tenant: str
    scopes: tuple[str, ...]
    secret_hash: str
    created_at: str

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do what needs ``scope``."""
        return scope in self.scopes or ("admin" in self.scopes and scope != "metrics")


LOCAL_KEY = Key("local", "default", ("admin", "metrics"), "", "")


class KeyFile:
    """The keys of one file; it is read again when it has changed, so that a removed key stops at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._stamp: tuple[int, int] | None = None
        self._by_hash: dict[str, Key] = {}

    def find(self, secret: str) -> Key | None:
        """The key with this secret.

        Raises:
            SettingError: the file is missing or damaged.
        """
        with self._lock:
            stamp = self._read_stamp()
            if stamp is None or stamp != self._stamp:
                self._by_hash = {key.secret_hash: key for key in self.keys()}
                self._stamp = stamp
            return self._by_hash.get(_hash(secret))

    def keys(self) -> list[Key]:
        """All keys, oldest first."""
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))["keys"]
            return [Key(**{**entry, "scopes": tuple(entry["scopes"])}) for entry in entries]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingError(
                f"cannot read keys from {self._path}: {error}; make one with: concord keys add --keys {self._path}"
            ) from error

    def add(self, tenant: str, scopes: Collection[str]) -> tuple[Key, str]:
        """A new key and its secret, which is kept nowhere.

        Raises:
            SettingError: a tenant's name or a scope that cannot be.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise SettingError(f"scopes={unknown or '(none)'}; expected one or more of {', '.join(SCOPES)}")
        if not re.fullmatch(NAME_PATTERN, tenant):
            raise SettingError(f"tenant={tenant!r}; expected lower-case letters, digits, '-' and '_'")
        secret = _PREFIX + secrets.token_urlsafe(32)
        ordered = tuple(scope for scope in SCOPES if scope in scopes)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        key = Key(secrets.token_hex(4), tenant, ordered, _hash(secret), now)
        with self._writing():
            self._write([*(self.keys() if self._path.exists() else []), key])
        return key, secret

    def remove(self, key_id: str) -> Key:
        """Remove a key by its id.

        Raises:
            SettingError: there is none with this id.
        """
        with self._writing():
            keys = self.keys()
            gone = [key for key in keys if key.key_id == key_id]
            if not gone:
                raise SettingError(f"no key {key_id!r} in {self._path}; 'concord keys ls' lists them")
            self._write([key for key in keys if key.key_id != key_id])
        return gone[0]

    def _writing(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(f"{self._path}.lock", mode=0o600)

    def _write(self, keys: list[Key]) -> None:
        text = json.dumps({"keys": [asdict(key) for key in keys]}, indent=1)
        write_atomically(self._path, text.encode())

    def _read_stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
