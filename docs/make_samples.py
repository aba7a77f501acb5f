"""Fill in the output of every ``console`` block of the pages: ``python -m docs.make_samples``, from a checkout.

Lines that begin with ``$`` are commands. They run in this process, in a folder that looks like a checkout after
``make demo``. ``tests/docs/test_samples.py`` compares the pages with the same commands' output.
"""

from __future__ import annotations

import io
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from typer.testing import CliRunner

from rag.cli import common
from rag.cli.app import app
from rag.cli.demo import CORPUS

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100
_BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def main() -> None:
    """Rewrite the pages."""
    with demo_folder():
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
            text = page.read_text(encoding="utf-8")
            new = _BLOCK.sub(lambda match: "".join(_filled(match[0])), text)
            if new != text:
                page.write_text(new, encoding="utf-8")
                sys.stderr.write(f"wrote {page.name}\n")


@contextmanager
def demo_folder() -> Iterator[None]:
    """A folder with the examples and ``demo-library``, as it is after ``make demo`` in a checkout."""
    widths = common.out.width, common.err.width
    common.out.width = common.err.width = WIDTH
    with TemporaryDirectory() as folder, chdir(folder):
        corpus = copytree(CORPUS, Path("rag", "demo", "corpus"))
        copytree(ROOT / "examples", "examples", symlinks=True)
        run_command(f"concord add demo-library {corpus}")
        yield
    common.out.width, common.err.width = widths


def run_command(command: str) -> str:
    """What ``concord ...`` or ``python FILE`` prints."""
    program, *arguments = shlex.split(command)
    if program == "python":
        with redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(arguments[0], run_name="__main__")
        return printed.getvalue().strip("\n")
    if program != "concord":
        raise ValueError(f"{command!r}; a console block holds 'concord' and 'python FILE' only")
    output = CliRunner().invoke(app, arguments, catch_exceptions=False).output
    return "\n".join(line.rstrip() for line in output.splitlines()).strip("\n")


def _filled(block: str) -> Iterator[str]:
    for line in block.splitlines():
        if line.startswith("$ "):
            yield f"{line}\n{run_command(line[2:])}\n"


if __name__ == "__main__":
    main()
