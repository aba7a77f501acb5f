"""The page in a real browser, over a real service and the default model."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import rag.ingest.parsing.parser as parser_module
from tests.conftest import CORPUS
from tests.service.browsing import NEEDS, launched, opened, until, violations
from tests.service.conftest import as_tenant, live, soon
from tests.service.conftest import fill as fill_library
from tests.service.running import running_service
from tests.service.tiny import tiny_app

pytestmark = NEEDS
QUESTION = "Who was the first person to walk on the moon?"
CONTRAST = """(selector) => {
  // sRGB colours come from a canvas, whatever notation the style has; translucent ones are laid over the ground.
  const context = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d");
  const element = document.querySelector(selector);
  const style = getComputedStyle(element);
  const paint = (...layers) => {
    for (const layer of layers) { context.fillStyle = layer; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255);
  };
  const behind = [];
  for (let node = element; node; node = node.parentElement) behind.unshift(getComputedStyle(node).backgroundColor);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const pair = [light(paint(...behind)), light(paint(...behind, style.color))].sort();
  return (pair[1] + 0.05) / (pair[0] + 0.05);
}"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("page")) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


def fill(page: Any) -> None:
    """Make the library 'town' and upload some of the corpus, as a person does."""
    page.select_option("#library", label="New library …")
    page.fill("#library-name", "Not A Name")
    page.click("#make-library button")
    assert page.evaluate("document.querySelector('#library-name').validity.patternMismatch")
    page.fill("#library-name", "town")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#library').value === 'town'")
    page.set_input_files("#files", sorted(CORPUS.glob("*.md"))[:3])
    page.wait_for_selector(".uploads li")
    until(page, "!document.querySelector('.uploads progress')")
    assert page.locator(".uploads .is-failed").count() == 0
    until(page, "parseInt(document.querySelector('#documents-count').textContent) >= 3")


@pytest.fixture(scope="module")
def filled(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service over a tiny model, for tests that do not look at what an answer says."""
    with live(tiny_app(tmp_path_factory.mktemp("tiny"))) as address:
        for page in opened(browser, address):
            fill(page)
        yield address


@pytest.fixture
def page(browser: Any, filled: str) -> Iterator[Any]:
    for page in opened(browser, filled):
        until(page, "document.querySelector('#library').value === 'town'")
        yield page


def ask(page: Any, question: str = QUESTION) -> Any:
    """Ask with the keyboard alone; the finished answer."""
    page.focus("#question")
    page.keyboard.type(question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer:last-of-type:not([aria-busy])")
    page.wait_for_selector("#send:visible")
    return page.locator(".answer").last


@pytest.fixture(scope="module")
def answered(browser: Any, service: str) -> Iterator[Any]:
    """A page with one finished answer by the default model, for tests that only look at it."""
    for page in opened(browser, service):
        fill(page)
        ask(page)
        yield page


def test_an_answer_shows_the_conflict(answered: Any) -> None:
    answer = answered.locator(".answer")
    assert answer.locator(".token").count() > 3
    verdict = answer.locator(".verdict")
    assert "knows otherwise" in verdict.inner_text()
    assert "Hensley" in verdict.locator(".of-documents").inner_text()
    assert "Armstrong" in verdict.locator(".of-memory").inner_text()
    tints = answer.locator(".token").evaluate_all("all => all.map(t => Number(t.style.getPropertyValue('--jsd')))")
    # The reader answers with the name alone: memory wants another one at every token, more at some than at others.
    assert max(tints) > 0.3
    assert min(tints) < max(tints)
    assert "knows otherwise" in answered.inner_text("#announcer")


def test_tokens_tell_what_both_streams_wanted(answered: Any) -> None:
    page, answer = answered, answered.locator(".answer")
    tokens = answer.locator(".token")
    box = page.locator("#candidates")
    tokens.nth(1).hover()
    assert box.is_visible()
    assert "Documents" in box.inner_text()
    assert "Memory" in box.inner_text()
    page.mouse.move(2, 2)
    assert not box.is_visible()
    tokens.first.focus()
    page.keyboard.press("ArrowRight")
    assert tokens.nth(1).evaluate("token => token === document.activeElement")
    assert tokens.nth(1).get_attribute("aria-describedby") == "candidates"
    assert box.is_visible()
    page.keyboard.press("Escape")
    assert not box.is_visible()
    page.keyboard.press("Tab")  # one stop for the whole text, then its sources
    assert page.evaluate("document.activeElement.closest('.citations, .ref') !== null")


def test_citations_open_the_passage(answered: Any) -> None:
    page, answer = answered, answered.locator(".answer")
    citation = answer.locator(".citations button").first
    citation.focus()
    page.keyboard.press("Enter")
    assert page.locator("#passage").is_visible()
    assert len(page.inner_text("#passage-text")) > 20
    page.keyboard.press("Escape")
    assert not page.locator("#passage").is_visible()
    assert citation.evaluate("button => button === document.activeElement")


def test_the_dial_decides_who_is_believed(page: Any) -> None:
    sent = record_requests(page)
    page.uncheck("#auto")
    assert "as they stand" in page.inner_text("#dial-hint")
    page.focus("#alpha")
    page.keyboard.press("End")
    assert "Memory alone" in page.inner_text("#dial-hint")
    assert page.get_attribute("#alpha", "aria-valuetext").startswith("1.00")
    ask(page)
    page.focus("#alpha")
    page.keyboard.press("Home")
    ask(page)
    assert [(body["rag"]["decoder"], body["rag"]["alpha"]) for body in sent] == [("dial", 1), ("dial", 0)]
    assert [len(body["messages"]) for body in sent] == [1, 3]


def record_requests(page: Any) -> list[Any]:
    """Bodies of the chats that the page asks for from now on."""
    sent: list[Any] = []
    page.on("request", lambda request: sent.append(request.post_data_json) if "/chat/" in request.url else None)
    return sent


def test_patches_are_built_and_used(page: Any) -> None:
    sent = record_requests(page)
    until(page, "!document.querySelector('#patches-box').hidden")
    assert page.inner_text("#patches-count").startswith("0 of")
    assert page.is_disabled("#patches-mode")
    page.click("#build-patches")
    until(page, "!document.querySelector('#patches-mode').disabled")
    num_patched, num_documents = re.findall(r"\d+", page.inner_text("#patches-count"))
    assert 0 < int(num_patched) <= int(num_documents)
    page.select_option("#patches-mode", "auto")
    ask(page)
    page.select_option("#patches-mode", label="In place of the passages")
    answer = ask(page, "Who was the first person to walk on the moon? Clara Hensley walked on the moon")
    assert [body["rag"]["patches"] for body in sent] == ["auto", "only"]
    assert "1 patch" in answer.locator(".meta").last.inner_text()
    assert answer.locator(".citations").count() == 0
    page.select_option("#library", label="No library: the model alone")
    assert not page.locator("#patches-box").is_visible()


def test_nothing_from_a_document_is_markup(page: Any, tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)>.txt"
    hostile.write_text("The <script>alert(1)</script> lighthouse keeper is <b>Zo Quill</b>.")
    page.on("dialog", lambda dialog: pytest.fail("a document's text was run"))
    page.set_input_files("#files", hostile)
    page.wait_for_selector("text=Added")
    answer = ask(page, "Who is the lighthouse keeper?")
    for button in answer.locator(".citations button").all():
        button.click()
        assert page.locator("#passage-text *").count() == 0
        page.click("#passage [data-close]")
    assert page.locator("main img, aside img, main b script").count() == 0
    page.click("#documents-box summary")
    assert page.evaluate("document.querySelector('#panel').scrollWidth <= document.querySelector('#panel').clientWidth")
    page.click("[aria-label^='Remove <img']")
    page.click("#notice >> text=Dismiss")  # now it cannot be undone
    until(page, "!document.querySelector('#documents').textContent.includes('onerror')")


def test_a_file_that_is_not_what_it_says(page: Any, tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"this is no PDF at all")
    page.set_input_files("#files", tmp_path / "report.pdf")
    page.wait_for_selector(".uploads .is-failed")
    assert "report.pdf" in page.inner_text(".uploads")
    assert len(page.inner_text(".uploads .is-failed")) > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_it_can_be_read(answered: Any, scheme: str, width: int) -> None:
    page = answered
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 760})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for selector in (".question", ".verdict h2", ".side h3", ".side p", ".meta", "#send", ".citations b"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, f"{selector} in {scheme}"
    page.evaluate("document.querySelector('.token').style.setProperty('--jsd', 1)")
    assert page.evaluate(CONTRAST, ".token") >= 4.5
    page.evaluate("document.querySelector('.token').style.setProperty('--jsd', 0)")
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 60) == (scheme == "dark")
    if width == 320:
        assert not page.locator("#panel").is_visible()
        page.click("#toggle-panel")
        assert page.locator("#library").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#panel").is_visible()


def test_everything_has_a_name_and_a_visible_focus(answered: Any) -> None:
    page = answered
    page.set_viewport_size({"width": 1280, "height": 860})
    page.focus(".skip")
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const e = document.activeElement;
                if (e === document.body) return null;
                const name = e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent
                    || document.getElementById(e.getAttribute("aria-labelledby"))?.textContent;
                const ringed = e.type === "file" ? e.nextElementSibling : e.id === "question" ? e.form : e;
                const style = getComputedStyle(ringed);
                return {key: e.id || e.className, name: name.trim(),
                        isVisible: style.outlineStyle !== "none" || e.id === "question"};
            }"""
        )
        if focus is None:
            break
        assert focus["name"], focus
        assert focus["isVisible"], focus
        seen.add(focus["key"])
    assert {"library", "files", "auto", "new-chat", "question", "send", "ref"} <= seen


def test_stopping_and_beginning_again(answered: Any) -> None:
    page = answered
    page.set_viewport_size({"width": 1280, "height": 860})
    sent = record_requests(page)
    page.fill("#question", "Tell me everything about the town and its harbour.")
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer:last-of-type .token")
    page.click("#stop")
    page.wait_for_selector("text=Stopped.")
    assert page.locator("#send").is_visible()
    page.click("#new-chat")
    assert page.locator(".answer").count() == 0
    ask(page)
    assert [len(body["messages"]) for body in sent] == [3, 1]  # a new chat has no history
    assert not {"decoder", "alpha"} & sent[0]["rag"].keys()  # the service's default answers, as on the command line


def test_a_key_is_asked_for(browser: Any, keyed: tuple[str, dict[str, str]]) -> None:
    address, secrets = keyed
    for page in opened(browser, address):
        page.wait_for_selector("#key[open]")
        page.fill("#key-value", "ck_wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=The key was refused")
        page.fill("#key-value", secrets["ann"])
        page.keyboard.press("Enter")
        page.wait_for_selector("#library option", state="attached")
        assert not page.locator("#key").is_visible()
        stored = json.loads(page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])"))
        assert [secrets["ann"] in json.dumps(part) for part in stored] == [True, False]  # gone with the tab


def test_numbers_in_the_answer_lead_to_the_sentence(answered: Any) -> None:
    page = answered
    page.set_viewport_size({"width": 1280, "height": 860})
    number = page.locator(".answer .ref").first
    number.click()
    sentence = page.inner_text("#passage-text mark")
    assert "walk on the moon" in sentence
    assert len(sentence) < len(page.inner_text("#passage-text"))
    page.keyboard.press("Escape")
    assert number.evaluate("button => button === document.activeElement")
    assert (
        f"[{page.locator('.citations .is-used b').first.inner_text()}]"
        in page.locator(".answer .ref").all_inner_texts()
    )


def test_a_removal_can_be_undone(page: Any, filled: str) -> None:
    def names() -> list[str]:
        return sorted(one["source"] for one in httpx.get(f"{filled}/v1/libraries/town/documents").json()["data"])

    before = names()
    page.click("#documents-box summary")
    rows = page.locator("#documents li:visible")
    num_rows = rows.count()
    rows.first.locator("button").click()
    assert rows.count() == num_rows - 1
    page.click("#notice >> text=Undo")
    assert rows.count() == num_rows
    assert page.evaluate("document.activeElement.textContent === 'Remove'")
    assert names() == before
    page.set_input_files("#files", {"name": "gone.txt", "mimeType": "text/plain", "buffer": b"w10 w11"})
    page.wait_for_selector("text=Added")
    page.click("#documents li:has([title='gone.txt']) button")
    ask(page)  # a question that is asked meanwhile does not see it any more
    assert names() == before


def test_a_removal_is_done_when_the_page_is_left(page: Any, filled: str) -> None:
    page.set_input_files("#files", {"name": "left.txt", "mimeType": "text/plain", "buffer": b"w10 w11"})
    page.wait_for_selector("text=Added")
    page.click("#documents-box summary")
    page.click("#documents li:has([title='left.txt']) button")
    page.goto("about:blank")
    assert soon(lambda: "left.txt" not in httpx.get(f"{filled}/v1/libraries/town/documents").text)
    page.goto(filled)


def test_a_reload_loses_nothing(page: Any) -> None:
    sent = record_requests(page)
    answer = ask(page).locator(".answer-text").inner_text()
    num_tokens = page.locator(".token").count()
    page.fill("#question", "half a thought")
    page.reload()
    until(page, "document.querySelector('#library').value === 'town'")
    assert page.locator(".question p").inner_text() == QUESTION
    assert page.locator(".answer .answer-text").inner_text() == answer
    assert page.locator(".token").count() == num_tokens
    assert page.input_value("#question") == "half a thought"
    page.fill("#question", "")
    ask(page)
    assert [len(body["messages"]) for body in sent] == [1, 3]
    page.click("#new-chat")
    assert page.locator(".question").count() == 0
    page.locator("#chats .name").first.click()
    assert page.locator(".question").count() == 2


def test_a_chat_as_a_file(page: Any) -> None:
    answer = ask(page).locator(".answer-text").inner_text()
    with page.expect_download() as saved:
        page.click("#save-markdown")
    text = Path(saved.value.path()).read_text()
    assert f"**{QUESTION}**" in text
    assert re.sub(r"\[\d\]", "", answer).strip() in text
    with page.expect_download() as saved:
        page.click("#save-json")
    chat = json.loads(Path(saved.value.path()).read_text())
    assert chat["turns"][0]["question"] == QUESTION
    assert chat["turns"][0]["about"]["citations"]


def test_asking_again_and_changing_a_question(page: Any) -> None:
    sent = record_requests(page)
    ask(page)
    ask(page, "And who was the second?")
    assert page.locator(".actions .again:visible").count() == 1
    page.click(".actions .again:visible")
    page.wait_for_selector("#send:visible")
    assert page.locator(".question").count() == 2
    page.locator(".question button").first.click()
    assert page.input_value("#question") == QUESTION
    page.click("#stop-editing")
    assert page.locator(".question").count() == 2
    page.locator(".question button").first.click()
    page.fill("#question", "")
    ask(page, "Who was the third?")
    assert page.locator(".question p").all_inner_texts() == ["Who was the third?"]
    assert [len(body["messages"]) for body in sent] == [1, 3, 3, 1]


def test_an_answer_is_copied(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer = ask(page)
    text = answer.locator(".answer-text").inner_text()
    answer.locator("text=Copy").click()
    page.wait_for_selector("text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == re.sub(r"\[\d+\]", "", text).split()  # marks of citations are the page's


def test_a_chat_is_deleted_and_brought_back(page: Any) -> None:
    ask(page)
    page.click("[aria-label^='Delete the chat']")
    page.set_viewport_size({"width": 320, "height": 800})
    box = page.locator("#notice").bounding_box()
    assert box["width"] <= 320
    assert box["height"] < 120
    page.set_viewport_size({"width": 1280, "height": 860})
    assert page.locator("#chats li").count() == 0
    assert page.locator(".question").count() == 0
    page.click("#notice >> text=Undo")
    assert page.locator("#chats li").count() == 1


def test_a_service_that_is_gone_is_said_in_words(page: Any) -> None:
    page.context.set_offline(True)
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    error = page.locator(".answer .error")
    assert "cannot be reached" in error.inner_text()
    page.context.set_offline(False)
    error.locator("button").click()
    page.wait_for_selector(".answer:not([aria-busy]) .answer-text", state="attached")
    assert page.locator(".question").count() == 1


def test_what_became_of_a_file_is_said(page: Any) -> None:
    def add(content: bytes) -> str:
        page.set_input_files("#files", {"name": "same.txt", "mimeType": "text/plain", "buffer": content})
        page.wait_for_selector(".uploads li")
        until(page, "!document.querySelector('.uploads progress')")
        return str(page.inner_text(".uploads .hint"))

    assert [add(b"w10"), add(b"w10"), add(b"w11")] == [
        "Added",
        "Was there already, unchanged",
        "Replaced the earlier one of this name",
    ]


def test_files_of_a_folder_keep_their_way(page: Any, tmp_path: Path) -> None:
    for year, mayor in (("2019", "w10"), ("2023", "w11")):
        (tmp_path / "archive" / year).mkdir(parents=True)
        (tmp_path / "archive" / year / "mayor.md").write_text(mayor)
    page.evaluate("document.querySelector('#files').webkitdirectory = true")
    page.set_input_files("#files", tmp_path / "archive")
    page.wait_for_selector(".uploads li")
    until(page, "!document.querySelector('.uploads progress')")
    assert sorted(page.locator(".uploads .name").all_inner_texts()) == [
        "archive/2019/mayor.md",
        "archive/2023/mayor.md",
    ]
    assert page.locator(".uploads .hint").all_inner_texts() == ["Added", "Added"]


def test_a_job_is_seen_after_a_reload_and_cancelled(
    page: Any, filled: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    may_go, load = threading.Event(), parser_module.read_document

    def held(*parameters: Any) -> Any:
        may_go.wait(20)
        return load(*parameters)

    monkeypatch.setattr(parser_module, "read_document", held)
    try:
        page.set_input_files("#files", {"name": "slow.txt", "mimeType": "text/plain", "buffer": b"w10 w12"})
        page.wait_for_selector(".uploads [aria-label^='Cancel']:visible")
        page.reload()
        page.wait_for_selector(".uploads progress")
        page.click(".uploads [aria-label^='Cancel']")
        may_go.set()
        page.wait_for_selector("text=Cancelled")
    finally:
        may_go.set()
    assert "slow.txt" not in httpx.get(f"{filled}/v1/libraries/town/documents").text


def test_a_key_that_only_reads_is_told_so(browser: Any, keyed: tuple[str, dict[str, str]]) -> None:
    address, secrets = keyed
    with as_tenant(keyed, "ann") as http:
        fill_library(http, "kept", {"a.txt": "w10 w11"})
    for page in opened(browser, address):
        page.fill("#key-value", secrets["reader"])
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#library').value !== ''")
        page.select_option("#library", label="kept")
        page.click("#documents-box summary")
        page.click("#documents li:has([title='a.txt']) button")
        page.click("#notice >> text=Dismiss")
        page.wait_for_selector("#notice >> text=Use another key")
        assert "needs a key with write" in page.inner_text("#notice")
        assert page.locator("#documents li:has([title='a.txt']) button").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing(answered: Any, scheme: str, width: int) -> None:
    pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    page = answered
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 860})
    assert violations(page) == []
    if width == 320:
        page.click("#toggle-panel")
    if not page.locator("#documents").is_visible():
        page.click("#documents-box summary")
    assert violations(page) == []
    if width == 320:
        page.keyboard.press("Escape")
    page.locator(".citations button").first.click()
    assert violations(page) == []
    page.keyboard.press("Escape")


def test_the_description_of_the_interface(browser: Any, filled: str) -> None:
    pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    for page in opened(browser, filled):
        page.goto(f"{filled}/docs")
        page.wait_for_selector("details")
        assert page.locator("details").count() >= 15
        page.click("summary:has-text('/v1/chat/completions')")
        assert "messages" in page.inner_text("details[open]")
        assert violations(page) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page) == []
