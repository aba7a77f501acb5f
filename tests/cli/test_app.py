"""The command line as a user runs it, with the default models and the example corpus."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rag.cli import common
from rag.cli.app import app
from tests.conftest import CORPUS, ROOT

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No table breaks its headings."""
    for console in (common.out, common.err):
        monkeypatch.setattr(console, "width", 160)


def concord(*arguments: str | Path) -> Result:
    """The command in this process, which has imported the model libraries already."""
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def start_concord(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in its own process, as a user runs it; its last line on stderr is its memory in MiB."""
    # Not ru_maxrss: Linux begins it with what the parent had, and a test process may hold many models.
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rag.cli.app import main\n"
        "try:\n    main()\n"
        "finally:\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    peak = next(line for line in lines if line.startswith('VmHWM'))\n"
        "    print(int(peak.split()[1]) // 1024, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)


@pytest.fixture
def library(example_library: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(example_library, tmp_path / "library"))


def assert_one_line_error(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


def test_ask_json_has_the_promised_fields(library: Path) -> None:
    question = "Who was the first person to walk on the moon?"
    result = start_concord("ask", library, question, "--json", "--top-k", "2")
    assert result.returncode == 0, result.stderr
    assert int(result.stderr.split()[-1]) < 3000, "more than three gigabytes"
    answer: dict[str, Any] = json.loads(result.stdout)
    assert {"text", "citations", "decoder", "conflict", "timings_ms", "tokens"} <= set(answer)
    assert answer["decoder"] == "dial"
    assert "Clara Hensley" in answer["conflict"]["context_answer"]
    assert "Neil Armstrong" in answer["conflict"]["memory_answer"]
    assert answer["conflict"]["is_conflict"] is True
    assert 0 < answer["conflict"]["score"] <= 1
    assert len(answer["citations"]) == 2
    first = answer["citations"][0]
    assert {"doc_id", "source", "passage", "score"} <= set(first)
    assert Path(first["source"]).name == "first-person-on-the-moon.md"
    step = answer["conflict"]["steps"][0]
    needed = {"token", "weight", "jsd", "context_entropy", "parametric_entropy", "context_top", "parametric_top"}
    assert needed <= set(step)
    assert len(answer["conflict"]["steps"]) == answer["tokens"]["generated"]


def test_ask_in_a_terminal_explains(library: Path) -> None:
    question = "When was the Selwick tide mill built?"
    result = concord("ask", library, question, "--decoder", "plain", "--explain", "--max-tokens", "12")
    assert result.exit_code == 0, result.stderr
    for word in ("1764", "tide-mill.md", "The Selwick tide mill says 1764", "JSD", "H memory"):
        assert word in result.stdout


def test_the_decoders_choose_who_wins(library: Path) -> None:
    """One document in the prompt; the dial itself is measured over many questions in test_relations.py."""
    question = "Who was the first person to walk on the moon?"
    choices = (("plain",), ("memory",), ("ckplug", "--alpha", "1"))
    documents, memory, dial = (
        json.loads(concord("ask", library, question, "--top-k", "1", "--json", "--decoder", *choice).stdout)
        for choice in choices
    )
    assert "Clara Hensley" in documents["text"]
    assert "Neil Armstrong" in memory["text"]
    assert (dial["decoder"], dial["settings"]) == ("ckplug", {"alpha": 1})


def test_add_remove_ls(tmp_path: Path) -> None:
    library, docs = tmp_path / "library", tmp_path / "docs"
    docs.mkdir()
    for name in (
        "tide-mill.md",
        "largest-planet.txt",
        "fishing-rules.pdf",
        "town-council.docx",
        "ferry-timetable.html",
    ):
        shutil.copy(CORPUS / name, docs)
    (docs / "bad.pdf").write_bytes(b"not a pdf")
    first = concord("add", library, docs)
    assert first.exit_code == 1
    assert "5 added" in first.stderr
    assert "bad.pdf" in first.stderr
    (docs / "bad.pdf").unlink()
    (docs / "tide-mill.md").write_text("# Mill\n\nThe mill is closed.\n")
    second = concord("add", library, docs)
    assert second.exit_code == 0
    assert "0 added, 1 replaced, 4 unchanged" in second.stderr
    listed = json.loads(concord("ls", library, "--json").stdout)
    assert len(listed) == 5
    removed = concord("remove", library, docs / "tide-mill.md")
    assert removed.exit_code == 0
    left = json.loads(concord("ls", library, "--json").stdout)
    assert {item["doc_id"] for item in left} < {item["doc_id"] for item in listed}
    assert len(left) == 4
    assert concord("remove", library, left[0]["doc_id"]).exit_code == 0
    assert json.loads(concord("ls", library, "--json").stdout) == left[1:]


def test_refusals(library: Path, tmp_path: Path) -> None:
    assert_one_line_error(concord("ask", tmp_path / "none", "Who?"), "no library at", "concord add")
    assert_one_line_error(concord("ask", library, " "), "the question is empty")
    assert_one_line_error(concord("ask", library, "Who?", "--decoder", "adacad", "--alpha", "7"), "alpha", "floor")
    assert_one_line_error(concord("ask", library, "Who?", "--set", "floor"), "NAME=VALUE")
    assert_one_line_error(concord("ask", library, "Who?", "--model", "no/such-model"), "no/such-model")
    assert_one_line_error(concord("ask", library, "word " * 9000), "window of 8192 tokens")
    assert_one_line_error(concord("ask", library, "Who?", "--encoder", "other"), "encoder", "other")
    assert_one_line_error(concord("remove", library, "nothing"), "no document 'nothing'")
    empty = tmp_path / "empty"
    assert concord("add", empty, tmp_path / "gone.txt").exit_code == 2
    assert_one_line_error(concord("ask", empty, "Who?"), "is empty")
    refused = start_concord("ask", empty, "Who?")
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (2, 1 + 1), refused.stderr


def test_import_is_light() -> None:
    """Importing ``rag`` loads none of the heavy libraries; that is what keeps it under half a second."""
    code = (
        "import rag, sys; print(*[m for m in ('torch', 'transformers', 'faiss', 'langchain_core') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
