"""Files that are zip archives of XML: Word, PowerPoint, Excel, OpenDocument, EPUB."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import ZipFile

from rag.core.errors import SourceError

if TYPE_CHECKING:
    from lxml.etree import _Element

# What one part, and all parts that are read, may expand to.
_MAX_PART = 128 * 2**20
_MAX_TOTAL = 512 * 2**20
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"


class Package:
    """An archive, read part by part, within limits.

    Raises:
        SourceError: no zip archive, or one with a password.
    """

    def __init__(self, content: bytes) -> None:
        if content.startswith(_OLE_MAGIC):
            raise SourceError(
                "it is encrypted or of the old binary format; save it in the new format without a password"
            )
        self._archive = ZipFile(BytesIO(content))
        self.names = tuple(self._archive.namelist())
        self._known = frozenset(self.names)
        self._num_left = _MAX_TOTAL
        self.notes: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def read(self, name: str) -> bytes:
        """One part.

        Raises:
            SourceError: it is not there, has a password, or expands beyond the limits.
        """
        if name not in self._known:
            raise SourceError(f"it lacks its part {name}")
        info = self._archive.getinfo(name)
        if info.flag_bits & 1:
            raise SourceError("it is encrypted; save it without a password first")
        limit = min(_MAX_PART, self._num_left)
        with self._archive.open(info) as part:
            content = part.read(limit + 1)
        if len(content) > limit:
            raise SourceError(f"its part {name} expands to more than {limit // 2**20} MiB")
        self._num_left -= len(content)
        return content

    def read_xml(self, name: str) -> _Element:
        """One part as XML.

        Raises:
            SourceError: see :meth:`read`.
        """
        return parse_xml(self.read(name))

    def read_optional(self, name: str) -> _Element | None:
        """A part that the text can do without. Damage is noted in :attr:`notes`."""
        if name not in self:
            return None
        try:
            return self.read_xml(name)
        except MemoryError:
            raise
        except Exception:  # an edge: zip and XML parsers trip over damage in many ways; the rest of the file counts
            self.notes.append(f"its part {name} is damaged and left out")
            return None

    def read_relations(self, name: str) -> dict[str, str]:
        """The parts that part ``name`` refers to, by id. Empty where the list is missing or damaged."""
        folder, _, base = name.rpartition("/")
        root = self.read_optional(f"{folder}/_rels/{base}.rels".lstrip("/"))
        return {
            relation.get("Id", ""): resolve(folder, relation.get("Target", ""))
            for relation in (root if root is not None else ())
            if relation.get("TargetMode") != "External"
        }


def resolve(folder: str, target: str) -> str:
    """The full name of a part that is named relative to ``folder``."""
    parts = [] if target.startswith("/") else folder.split("/")
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(part for part in parts if part)


def parse_xml(content: bytes) -> _Element:
    """XML without entities, network and deep nesting (libxml2 stops at 256 levels)."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    return etree.fromstring(content, parser)


def local_name(element: _Element) -> str:
    """The name of an element without its namespace; empty for entities."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: _Element, name: str, default: str = "") -> str:
    """An attribute by its name without namespace."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return default


def child(element: _Element, *path: str) -> _Element | None:
    """The first child of these names, level by level."""
    node: _Element | None = element
    for name in path:
        node = next((each for each in node if local_name(each) == name), None) if node is not None else None
    return node


def find_relation_id(node: _Element) -> str:
    """The id of the relation that an element names; its own id has no namespace."""
    return next((str(value) for key, value in node.attrib.items() if str(key).endswith("}id")), "")
