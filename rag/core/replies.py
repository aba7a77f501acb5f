"""What is meant in the replies of language models, which write other things around it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from itertools import islice
from typing import Any

from rag.core.verdict import NOT_STATED

_MAX_TRIED = 20


def find_object(reply: str, keys: Collection[str] = ()) -> dict[str, Any] | None:
    """The first JSON object in a reply that has one of ``keys``; ``None`` if there is none.

    Args:
        reply: text of any kind.
        keys: names to look for; without any, the first object is taken. Only the first 20 braces are tried.
    """
    decoder = json.JSONDecoder()
    for brace in islice(re.finditer(r"\{", reply), _MAX_TRIED):
        try:
            value, _ = decoder.raw_decode(reply, brace.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and (not keys or any(key in value for key in keys)):
            return value
    return None


def is_refusal(reply: str) -> bool:
    """Whether a reply says that the documents hold no answer, in the words of :data:`NOT_STATED`."""
    return first_line(reply).casefold().startswith(NOT_STATED.rstrip(".").casefold())


def first_line(text: str) -> str:
    """An answer without what a model goes on to say in further lines, and without its final full stop."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return re.sub(r"^(?:Answer|A):\s*", "", line).rstrip(".").strip()
