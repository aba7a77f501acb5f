"""HTML pages: the main text, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.ingest.loaders.base import Text

if TYPE_CHECKING:
    from bs4 import Tag

_BLOCKS = ["p", "li", "h1", "h2", "h3", "h4", "h5", "h6", "td", "th", "dt", "dd", "pre", "blockquote"]
_ASIDE = ["script", "style", "nav", "header", "footer", "aside", "noscript", "template"]


def load_html(content: bytes) -> Text:
    """The page's title and its main text, without navigation and scripts."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(content, "html.parser")
    title = soup.title.get_text(strip=True) if soup.title else ""
    for tag in soup(_ASIDE):
        tag.decompose()
    body = soup.find("main") or soup.find("article") or soup.body or soup
    return Text(title, body.get_text("\n", strip=True) if not body.find(_BLOCKS) else _join_blocks(body))


def _join_blocks(body: Tag) -> str:
    blocks = []
    for tag in body.find_all([*_BLOCKS, "tr"]):
        if tag.find(_BLOCKS) and tag.name != "tr":
            continue  # its inner blocks come by themselves
        if tag.name in ("td", "th"):
            continue  # its row comes as one line
        blocks.append(" ".join(tag.get_text(" ", strip=True).split()))
    return "\n\n".join(block for block in blocks if block)
