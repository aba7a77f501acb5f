"""Names of tenants and libraries."""

from __future__ import annotations

import re

# A name is one folder on disk and one part of a database address: nothing in it can lead anywhere else.
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"


def name_from_folder(folder: str) -> str:
    """A library's name from that of its folder: "My Papers" is "my-papers"."""
    slug = re.sub(r"[^a-z0-9_-]+", "-", folder.lower()).strip("-_")
    return slug[:63] or "library"
