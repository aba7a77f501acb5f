"""The worker that reads files: what it survives, what it costs, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from docx import Document as new_docx

from rag.core.errors import SourceError
from rag.ingest.parsing.limits import Limits
from rag.ingest.parsing.parser import Parser
from rag.ingest.source import Source
from tests.conftest import ROOT

PAGE = b"<html><body><p>The mill grinds rye.</p></body></html>"


def source(name: str) -> Source:
    return Source(name, bytes, Path(name).suffix)


def parse(parser: Parser, name: str, content: bytes) -> str:
    return "\n".join(block.text for block in parser.parse(source(name), content).blocks)


def reason(parser: Parser, name: str, content: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        parser.parse(source(name), content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def docx_of(*paragraphs: str) -> bytes:
    document, out = new_docx(), BytesIO()
    for text in paragraphs:
        document.add_paragraph(text)
    document.save(out)
    return out.getvalue()


def bomb(num_bytes: int) -> bytes:
    """A Word file one part of which expands to ``num_bytes``."""
    out = BytesIO(docx_of("small"))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/more.xml", b" " * num_bytes)
    return out.getvalue()


@pytest.fixture
def parser() -> Iterator[Parser]:
    with Parser(Limits()) as opened:
        yield opened


def pid(parser: Parser) -> int:
    assert parser._worker is not None
    return parser._worker.pid


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_many_files_go_through_one_worker(parser: Parser) -> None:
    assert parse(parser, "a.html", PAGE) == "The mill grinds rye."
    first = pid(parser)
    assert parse(parser, "b.docx", docx_of("The mill stands.")) == "The mill stands."
    assert reason(parser, "c.docx", docx_of("cut")[:900])
    assert parse(parser, "d.html", PAGE) == "The mill grinds rye."
    assert pid(parser) == first
    parser.close()
    assert not is_running(first)


def test_short_text_starts_no_worker(parser: Parser) -> None:
    assert parse(parser, "a.txt", "The mill grinds rye, naïvely.".encode()) == "The mill grinds rye, naïvely."
    assert parser._worker is None
    assert parse(parser, "b.txt", "Die Mühle mahlt Roggen in Bad Zwesten.".encode("cp1252")).startswith("Die M")
    assert parser._worker is not None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK\x03\x04 and then nothing", ""),
        (b"", ""),
        (docx_of("a")[:-40], ""),
        (docx_of("a").replace(b"PK\x01\x02", b"PK\x01\x03"), ""),
        (bomb(40 * 2**20), "expands"),
    ],
)
def test_a_damaged_file_costs_itself(parser: Parser, content: bytes, expected: str) -> None:
    assert expected in reason(parser, "bad.docx", content)
    assert parse(parser, "good.html", PAGE) == "The mill grinds rye."


def test_an_archive_is_refused_by_its_list_of_contents() -> None:
    content = bomb(40 * 2**20)
    with pytest.raises(SourceError, match="expands to 40 MiB, more than 30 MiB"):
        Limits(expansion_mib=30).check_expansion(content)
    with pytest.raises(SourceError, match="as an archive bomb does"):
        Limits().check_expansion(content)
    Limits().check_expansion(docx_of("a"))
    Limits().check_expansion(b"no archive")


@pytest.fixture
def bad_parsers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers get parsers that fail in every way; Python runs this file when it starts."""
    (tmp_path / "sitecustomize.py").write_text(
        """
import os, time
from rag.ingest.loaders.registry import _ALL
def recurse(content): return recurse(content)
def fail(content): raise AssertionError("two\\nlines")
parsers = {
    ".hangs": lambda content: time.sleep(3600),
    ".dies": lambda content: os.abort(),
    ".exits": lambda content: os._exit(3),
    ".fills": lambda content: [bytes(2**20) for _ in range(2**20)],
    ".recurses": recurse,
    ".fails": fail,
}
_ALL |= {suffix: ("file", parser) for suffix, parser in parsers.items()}
"""
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("dies", "its parser died (SIGABRT)"),
        ("exits", "its parser died (exit code 3)"),
        ("fills", "reading it takes more than 256 MiB (setting parse_memory_mib)"),
        ("hangs", "reading it took more than 1.5 s (setting parse_timeout_s)"),
        ("recurses", "it is not a readable file: its parts are nested too deeply"),
        ("fails", "it is not a readable file: two lines"),
    ],
)
@pytest.mark.usefixtures("bad_parsers")
def test_whatever_a_parser_does_costs_one_file(kind: str, expected: str) -> None:
    with Parser(Limits(timeout_s=1.5, memory_mib=256)) as parser:
        assert reason(parser, f"first.{kind}", b"x") == expected
        assert parse(parser, "a.txt", b"The mill grinds rye.") == "The mill grinds rye."
        assert reason(parser, f"second.{kind}", b"x") == expected


def test_a_file_that_takes_too_much_memory_is_given_up() -> None:
    large = b"<html><body>" + b"<p>rye</p>" * 200_000
    with Parser(Limits(memory_mib=64)) as parser:
        assert parse(parser, "small.html", PAGE) == "The mill grinds rye."
        assert "parse_memory_mib" in reason(parser, "large.html", large)
        assert parse(parser, "small.html", PAGE) == "The mill grinds rye."
        assert "parse_memory_mib" in reason(parser, "huge.html", b" " * (65 * 2**20))


def test_a_worker_that_dies_between_two_files_costs_none(parser: Parser) -> None:
    parse(parser, "a.html", PAGE)
    os.kill(pid(parser), signal.SIGKILL)
    assert parse(parser, "b.html", PAGE) == "The mill grinds rye."


def test_no_model_library_is_loaded() -> None:
    code = "import sys, rag.ingest.parsing.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "numpy", "langchain_core", "pydantic"} & set(done.stdout.split())


def test_a_program_without_a_guard_may_add(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(PAGE)
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from rag import Engine
from tests.conftest import HashEmbeddings
print("started")
with Engine.open({str(tmp_path / "library")!r}, embeddings=HashEmbeddings()) as engine:
    print(len(engine.add({str(tmp_path / "page.html")!r}).added))
"""
    )
    done = subprocess.run([sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["started", "1"], done.stderr


def test_a_worker_ends_with_its_parent() -> None:
    code = f"""
import time
from rag.ingest.parsing.parser import Parser
from rag.ingest.parsing.limits import Limits
from rag.ingest.source import Source
parser = Parser(Limits())
parser.parse(Source("a.html", bytes, ".html"), {PAGE!r})
print(parser._worker.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.kill()
    end = time.monotonic() + 60
    while is_running(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(worker)
