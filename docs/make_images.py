"""Make the pictures of the README again: ``python -m docs.make_images [page|terminal]``, from a checkout.

Both show real answers of the default model over the example documents. The picture of the page needs the development
tools and a browser (``apt-get install chromium``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from shutil import copytree, which
from tempfile import TemporaryDirectory
from typing import Any

from typer.testing import CliRunner

from rag.cli import common
from rag.cli.app import app
from rag.cli.demo import CORPUS
from rag.client import Client

IMAGES = Path(__file__).with_name("images")
# One that the model knows otherwise, and one over which two documents differ.
PAGE_QUESTION = "Who was the first person to walk on the moon?"
TERMINAL_QUESTION = "Who is the harbour master of Port Selwick?"
WIDTH = 96
WAIT_MS = 600_000


def main() -> None:
    """Make one picture, or both."""
    names = sys.argv[1:] or ["terminal", "page"]
    IMAGES.mkdir(exist_ok=True)
    if "terminal" in names:
        (IMAGES / "terminal.svg").write_text(terminal_svg(), encoding="utf-8")
    if "page" in names:
        (IMAGES / "page.png").write_bytes(page_png())


@contextmanager
def demo_library() -> Iterator[str]:
    """A library of the example documents, in a folder whose paths are those of a checkout."""
    with TemporaryDirectory() as folder, chdir(folder):
        corpus = copytree(CORPUS, Path("rag", "demo", "corpus"))
        concord("add", "demo-library", str(corpus))
        yield "demo-library"


def concord(*arguments: str) -> None:
    """Run one command in this process, as the ``concord`` script does."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    if result.exit_code:
        raise SystemExit(result.output)


def terminal_svg() -> str:
    """What ``concord ask`` prints, in its colours."""
    with demo_library() as library:
        common.out.record, common.out.width = True, WIDTH
        concord("ask", library, TERMINAL_QUESTION)
        svg = common.out.export_svg(title=f'concord ask {library} "{TERMINAL_QUESTION}"', unique_id="concord")
    # The picture must not fetch fonts from other hosts.
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def page_png() -> bytes:
    """The page with one answer and its verdict."""
    from tests.service.running import running_service

    with TemporaryDirectory() as folder, running_service(Path(folder)) as address:
        with Client(address, library="port-selwick") as client:
            client.create()
            client.add(CORPUS)
        with opened_page(address) as page:
            page.wait_for_selector("#library option[value=port-selwick]", state="attached")
            page.select_option("#library", "port-selwick")
            page.fill("#question", PAGE_QUESTION)
            page.keyboard.press("Enter")
            page.wait_for_selector(".answer:last-of-type:not([aria-busy])")
            page.wait_for_selector("#send:visible")
            return bytes(page.screenshot())


@contextmanager
def opened_page(address: str) -> Iterator[Any]:
    """The service's page in a browser without a window."""
    from playwright.sync_api import sync_playwright

    program = which("chromium") or which("chromium-browser")
    if program is None:
        raise SystemExit("no browser; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 640}, device_scale_factor=1.5)
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{address}/")
        yield page
        browser.close()


if __name__ == "__main__":
    main()
