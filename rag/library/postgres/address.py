"""The address of a library in PostgreSQL: what it says, and how it is named without its password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from rag.core.errors import LibraryError

_FORM = "postgresql://[USER[:PASSWORD]@][HOST][:PORT]/DATABASE/LIBRARY"
PREFIX = "concord_"
# A schema of PostgreSQL is named by at most 63 bytes, prefix included.
MAX_NAME = 63 - len(PREFIX)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True)
class Address:
    """One library of one database.

    Attributes:
        conninfo: what libpq needs to connect, credentials included: never print it.
        place: the address without user, password and options.
        schema: the schema that holds the library.
        secret: the password; empty when the address has none.
    """

    conninfo: str = field(repr=False)
    place: str
    schema: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, address: str) -> Address:
        """Read ``postgresql://...``; no part of a malformed one is repeated, it may be the password.

        Raises:
            LibraryError: not of the expected form, or an option that libpq does not know.
        """
        from psycopg import ProgrammingError
        from psycopg.conninfo import make_conninfo

        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
            options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError:
            raise LibraryError(f"the library's address is malformed; expected {_FORM}") from None
        database, _, name = unquote(parts.path).strip("/").partition("/")
        if not database or not name:
            raise LibraryError(f"the library's address names no database or no library; expected {_FORM}")
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
            raise LibraryError(
                f"library name {name!r}; expected a-z, 0-9, '_', '-', '.', {MAX_NAME} at most, a letter or digit first"
            )
        secret = unquote(parts.password or "") or options.get("password", "")
        user = unquote(parts.username or "")
        parameters = {"host": host, "port": port, "dbname": database, "user": user, "password": secret} | options
        try:
            conninfo = make_conninfo("", **{key: value for key, value in parameters.items() if value})
        except ProgrammingError:
            raise LibraryError("the library's address has an option that libpq does not know") from None
        where = (host or options.get("host", "")) + (f":{port}" if port else "")
        return cls(conninfo, f"postgresql://{where}/{database}/{name}", PREFIX + name, secret)

    def clean(self, error: Exception) -> str:
        """An error's first line, without the password."""
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return line.replace(self.secret, "***") if self.secret else line
