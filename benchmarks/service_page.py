"""What axe-core finds wrong with the page in a browser: light and dark, wide and narrow, before and after an answer.

Part of ``benchmarks/service.py``. Needs playwright, axe-playwright-python and a browser (``apt-get install chromium``).
"""

from __future__ import annotations

import importlib.resources
import sys
from itertools import product
from shutil import which
from typing import Any

_WAIT_MS = 120_000
_SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def page_axe_violations(url: str, library: str, question: str) -> int | None:
    """Violations in all views together; ``None`` where a browser or axe-core is missing."""
    browser_path = which("chromium") or which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright

        script = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text()
    except ImportError as error:
        print(f"  page_axe_violations: {error}", file=sys.stderr)
        return None
    if browser_path is None:
        print("  page_axe_violations: no browser", file=sys.stderr)
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=_SWITCHES)
        page = browser.new_page()
        page.set_default_timeout(_WAIT_MS)
        page.goto(f"{url}/")
        page.wait_for_selector(f"#library option[value='{library}']", state="attached")
        page.select_option("#library", value=library)
        num_found = _count(page, script)
        page.fill("#question", question)
        page.press("#question", "Enter")
        page.wait_for_selector(".answer:last-of-type:not([aria-busy])")
        page.wait_for_selector("#send:visible")
        num_found += _count(page, script)
        browser.close()
    return num_found


def _count(page: Any, script: str) -> int:
    num_found = 0
    for scheme, width in product(("light", "dark"), (320, 1280)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 860})
        page.evaluate(script)
        for violation in page.evaluate("axe.run()")["violations"]:
            print(f"  {scheme}, {width} px: {violation['id']}: {violation['help']}", file=sys.stderr)
            num_found += len(violation["nodes"])
    return num_found
