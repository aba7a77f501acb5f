"""The page's views of a library in a real browser, and Markdown in answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rag.conflicts.library import search
from tests.service.browsing import NEEDS, launched, opened, until, violations
from tests.service.conftest import as_tenant, fill, live
from tests.service.test_survey import TEXTS
from tests.service.tiny import tiny_app

pytestmark = NEEDS
SPILT = """[...document.querySelectorAll(".side *")]
  .filter((one) => one.getBoundingClientRect().right > one.closest(".side").getBoundingClientRect().right)
  .map((one) => one.outerHTML)"""
MARKDOWN = """# Harbour

The **master** is *Tomas Orrel*, `code <b>`, a_b_c and 2 * 3 * 4.
He signs <script>alert(1)</script> permits.

1. one
   - inner [link](https://example.org/a) and ![picture](https://example.org/p.png)
2. two

> quoted

| name | since |
|---|---|
| Orrel | 2023 |

```
<img src=x onerror=alert(1)>
```
[bad](javascript:alert(1))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live(tiny_app(tmp_path_factory.mktemp("views"))) as address:
        with httpx.Client(base_url=address, timeout=30) as http:
            fill(http, "town", TEXTS)
            http.post("/v1/libraries", json={"name": "empty"})
        yield address


@pytest.fixture
def page(browser: Any, town: str) -> Iterator[Any]:
    for page in opened(browser, town):
        until(page, "document.querySelector('#library').value !== ''")
        page.select_option("#library", label="town")
        yield page


def go(page: Any, view: str) -> Any:
    """Follow a link of the navigation; the view, when it has loaded."""
    page.click(f"#views >> text={view}")
    until(page, "document.querySelector('.view-page') && !document.querySelector('.view-page .waiting')")
    return page.locator("#view")


def test_conflicts_are_compared_and_both_sentences_open(page: Any) -> None:
    view = go(page, "Conflicts")
    view.locator("text=Compare all documents").click()
    page.wait_for_selector(".conflict")
    assert view.locator(".conflict").count() == 2
    master = view.locator(".conflict", has_text="Edda Lindqvist")
    assert master.locator("h4").all_inner_texts() == ["Tomas Orrel", "Edda Lindqvist"]
    assert master.locator(".badge").all_inner_texts() == ["newest"]
    assert master.locator("mark").all_inner_texts() == ["Tomas Orrel", "Edda Lindqvist"]
    page.click(".choices >> text=yes and no")
    assert view.locator(".conflict").count() == 1
    page.click(".choices >> text=all 2")
    master.locator("button").first.click()
    page.wait_for_selector("#passage[open]")
    assert "notice-2023" in page.inner_text("#passage-source")
    assert page.inner_text("#passage-text mark") == "The harbour master of Port Selwick is Tomas Orrel."
    page.keyboard.press("Escape")
    master.locator("text=show in the graph").click()
    page.wait_for_selector(".graph")
    assert page.locator(".graph .is-centre").count() == 2
    page.go_back()
    page.wait_for_selector(".conflict")


def test_a_comparison_is_seen_after_a_reload_and_cancelled(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go, compare = threading.Event(), search._compare

    def held(*parameters: Any) -> Any:
        parameters[2](1, 6)
        may_go.wait(20)
        parameters[2](2, 6)  # where a job notices that it is cancelled
        return compare(*parameters)

    monkeypatch.setattr(search, "_compare", held)
    try:
        go(page, "Conflicts").locator(".survey > button").click()
        page.wait_for_selector("text=Compared 1 of 6 sentences")
        page.reload()
        page.wait_for_selector("text=Compared 1 of 6 sentences")
        assert page.locator(".survey > button").is_hidden()
        with page.expect_response(lambda response: response.request.method == "DELETE"):
            page.click(".job button")
        may_go.set()
        page.wait_for_selector("text=Cancelled")
    finally:
        may_go.set()
    assert page.locator(".survey > button").is_visible()


def test_an_audit_lists_claims_with_both_answers(page: Any) -> None:
    view = go(page, "Audit")
    view.locator("text=Ask the model").click()
    page.wait_for_selector(".belief")
    assert "not calibrated" in view.inner_text()
    assert view.locator(".belief .of-documents p").first.inner_text()
    assert view.locator("[role=radiogroup] label").count() == 3
    view.locator(".belief a").first.click()
    page.wait_for_selector(".passages")
    assert page.locator(".passages li").count() == 1


def test_documents_are_filtered_removed_and_brought_back(page: Any) -> None:
    view = go(page, "Documents")
    assert "3 documents in 3 passages" in view.inner_text()
    rows = view.locator(".document-list li:visible")
    assert "of 2019" in view.locator("li", has_text="notice-2019").inner_text()
    page.fill("#filter-documents", "guide")
    assert rows.count() == 1
    rows.locator("button").click()
    assert rows.count() == 0
    page.click("#notice >> text=Undo")
    assert rows.count() == 1
    rows.locator("a").click()
    page.wait_for_selector(".passages")
    assert "Dogs are allowed on the pier." in view.inner_text()
    page.reload()
    page.wait_for_selector(".passages")


def test_a_file_that_could_not_be_added_is_listed_with_the_reason(page: Any, town: str) -> None:
    upload = {"files": ("broken.pdf", b"%PDF-1.4 nothing")}
    job = httpx.post(f"{town}/v1/libraries/town/files", files=upload, params={"wait_s": 30}).json()
    assert job["status"] == "failed"
    note = go(page, "Documents").locator(".note.is-failed").inner_text()
    assert "broken.pdf" in note
    assert len(note.splitlines()[-1]) > len("broken.pdf: ")


def test_the_graph_is_walked_with_the_keyboard(page: Any) -> None:
    go(page, "Graph")
    page.fill("#graph-name", "Port Selwick")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:has-text('Port Selwick')")
    claims = page.locator(".claim.is-contested").all_inner_texts()
    assert len(claims) == 2
    assert any("the harbour master: Edda Lindqvist" in claim for claim in claims)
    assert page.locator(".graph path.contested").count() == 2
    document = page.locator(".graph .node[title='guide.txt']")
    document.focus()
    lit = page.locator(".graph path.is-lit").count()
    assert 0 < lit < page.locator(".graph path").count()
    page.keyboard.press("Enter")
    page.wait_for_selector(".graph .is-centre:has-text('guide')")


def test_patches_are_listed_and_removed(page: Any) -> None:
    view = go(page, "Patches")
    assert "0 of 3 documents" in view.inner_text()
    view.locator("text=Build what is missing").click()
    page.wait_for_selector(".document-list:not(.skills) li")
    number = view.locator(".document-list:not(.skills) li").count()
    view.locator(".document-list button").first.click()
    patches = "document.querySelectorAll('#view .document-list:not(.skills) li').length"
    until(page, f"{patches} === {number - 1}")


def test_skills_are_listed_with_what_they_were_measured_to_do(page: Any) -> None:
    text = go(page, "Patches").locator(".skills").inner_text()
    assert "reader" in text
    assert "answers by default" in text
    assert "follows altered passages: 20 % to" in text


def test_an_empty_library_and_a_service_that_is_gone_are_said_in_words(page: Any) -> None:
    page.select_option("#library", label="empty")
    assert "No documents yet" in go(page, "Documents").inner_text()
    go(page, "Conflicts").locator(".survey > button").click()
    page.wait_for_selector("#notice >> text=is empty; add documents first")
    page.context.set_offline(True)
    error = go(page, "Audit").locator("[role=alert]")
    assert "cannot be reached" in error.inner_text()
    page.context.set_offline(False)
    error.locator("button").click()
    page.wait_for_selector("text=Ask the model")


def test_a_key_that_only_reads_sees_all_and_is_told_what_it_may_not(
    browser: Any, keyed: tuple[str, dict[str, str]]
) -> None:
    address, secrets = keyed
    with as_tenant(keyed, "ann") as http:
        fill(http, "watched", TEXTS)
    for page in opened(browser, address):
        page.fill("#key-value", secrets["reader"])
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#library').value !== ''")
        page.select_option("#library", label="watched")
        go(page, "Conflicts").locator("text=Compare all documents").click()
        page.wait_for_selector("#notice >> text=needs a key with write")
        go(page, "Graph")
        until(page, "document.querySelectorAll('.graph .node').length > 3")


def test_markdown_in_answers_is_shown_and_runs_nothing(page: Any) -> None:
    """The browser shows what a model may write; the reply alone is written here, since no model writes it on demand."""
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in answer_chunks(MARKDOWN)) + "data: [DONE]\n\n"
    page.route("**/v1/chat/completions", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.on("dialog", lambda dialog: pytest.fail("a script of the answer ran"))
    page.fill("#question", "Who?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer:not([aria-busy]) .answer-text.is-formatted")
    text = page.locator(".answer-text")
    assert text.locator("h2").inner_text() == "Harbour"
    assert [text.locator(tag).inner_text() for tag in ("strong", "em", "blockquote", "th >> nth=1")] == [
        "master",
        "Tomas Orrel",
        "quoted",
        "since",
    ]
    assert text.locator("p code").inner_text() == "code <b>"
    assert text.locator("ol > li").count() == 2
    assert text.locator("ol > li ul li a").evaluate_all("all => all.map(a => a.href)") == [
        "https://example.org/a",
        "https://example.org/p.png",
    ]
    shown = text.inner_text()
    for literal in ("<script>alert(1)</script>", "a_b_c", "2 * 3 * 4", "<img src=x", "[bad](javascript:alert(1))"):
        assert literal in shown
    assert text.locator("img, script").count() == 0
    assert text.locator(".token").count() > 3
    for width, scheme in ((1280, "light"), (320, "light"), (320, "dark")):
        page.set_viewport_size({"width": width, "height": 860})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert violations(page) == []
        assert page.evaluate(SPILT) == []


def answer_chunks(text: str) -> Iterator[dict[str, Any]]:
    """An answer in pieces of words, each with what both streams wanted."""
    step = {
        "jsd": 0.4,
        "context_top": "a",
        "parametric_top": "b",
        "context_logprob": -0.5,
        "parametric_logprob": -2.0,
    }
    for line in text.splitlines(keepends=True):
        for word in line.replace(" ", " \0").split("\0"):
            yield {"choices": [{"index": 0, "delta": {"content": word}}], "step": step}
    place = {"doc_id": "d", "source": "notice.txt", "title": "harbour-master-notice", "location": "lines 1-16"}
    citations = [{**place, "passage_id": f"d:{number}", "passage": "The master is Tomas Orrel."} for number in range(2)]
    readings = [{**place, "passage_id": f"d:{number}", "quote": "", "date": "2019-03-04"} for number in range(2)]
    positions = [
        {"answer": "Tomas Orrel", "readings": readings[:1], "num_sources": 1, "is_superseded": False},
        {"answer": "Edda Lindqvist", "readings": readings[1:], "num_sources": 1, "is_superseded": True},
    ]
    memory = {"answer": "a sailor", "knows": 0.02, "relation": "unsure", "is_calibrated": True}
    verdict = {"kind": "outdated", "summary": "The newer one replaces it.", "positions": positions, "memory": memory}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield {**last, "citations": citations, "verdict": verdict}


FUZZ = """async (seed) => {
  const { renderMarkdown } = await import("/page/markdown.js");
  const parts = ["**", "*", "_", "__", "`", "```\\n", "~~", "[", "](", ")", "![", "](https://a.b/c)", "https://a.b/c ",
    "](javascript:x)", "<b>", "|", "|---|", "---", "- ", "1. ", "> ", "# ", "\\\\", "\\n", "\\n\\n", " ",
    "w1", "w2", "w3."];
  const next = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8;
  const wrong = [];
  const known = new Set("P H2 HR PRE CODE BLOCKQUOTE UL OL LI STRONG EM S A DIV TABLE THEAD TBODY TR TH TD".split(" "));
  for (let n = 0; n < 1500; n += 1) {
    const text = Array.from({ length: 1 + (next() % 30) }, () => parts[next() % parts.length]).join("");
    const box = document.createElement("div");
    box.append(...renderMarkdown(text, (start, end) => [document.createTextNode(text.slice(start, end))]));
    const tags = new Set([...box.querySelectorAll("*")].map((one) => one.tagName));
    const foreign = [...tags].filter((tag) => !known.has(tag));
    const links = [...box.querySelectorAll("a")].filter((one) => !/^https?:/.test(one.href));
    const words = (from) => (from.match(/w\\d/g) ?? []).join(" ");
    if (foreign.length || links.length || words(box.textContent) !== words(text)) wrong.push(text);
  }
  return wrong;
}"""


def test_whatever_a_model_writes_no_word_is_lost_and_no_element_is_foreign(page: Any) -> None:
    assert page.evaluate(FUZZ, 7) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing_in_any_view(page: Any, town: str, scheme: str, width: int) -> None:
    pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    for kind in ("conflicts", "audit"):
        httpx.post(f"{town}/v1/libraries/town/{kind}", json={}, params={"wait_s": 60}, timeout=90)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 860})
    for view in ("Documents", "Conflicts", "Audit", "Graph", "Patches"):
        go(page, view)
        assert violations(page) == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
    page.goto(f"{town}/#/documents/{httpx.get(f'{town}/v1/libraries/town/documents').json()['data'][0]['doc_id']}")
    page.wait_for_selector(".passages")
    assert violations(page) == []
