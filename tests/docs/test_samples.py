"""The outputs that the pages show are those that the commands print.

What the model writes is compared by its names and numbers: between two tokens that are nearly as likely rounding
decides, and it differs from processor to processor. All else is compared as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from docs.make_samples import demo_folder, run_command
from kg.names import canonical, names_in
from tests.docs.pages import Sample, samples

pytestmark = pytest.mark.real

# Where a part of an answer's output begins: a label, a verdict's mark, or a citation.
_PART = re.compile(r"^(?=\s*(?:[a-z ]+:\s|\[\d+\]|[^\w\s]))", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[None]:
    with demo_folder():
        yield


def loosely(text: str) -> str:
    """Without what differs from run to run: scores and times, and where a line was broken."""
    return " ".join(re.sub(r"\d+\.\d+", "#", text).split())


def parts(output: str) -> list[tuple[str, str]]:
    """The parts of an output: the label of what the model wrote and its text, or no label and all of the part."""
    answer, *others = _PART.split(output)
    labelled = (re.match(r"\s*([a-z ]+:)(?=\s)(.*)", part, re.DOTALL) for part in others)
    return [
        ("answer:", answer),
        *((match[1], match[2]) if match else ("", part) for match, part in zip(labelled, others, strict=True)),
    ]


def facts(text: str) -> set[str]:
    """The names and numbers of a text."""
    return {span.name for span in names_in(text)} | set(re.findall(r"\d+", text))


def assert_same_answer(printed: str, shown: str) -> None:
    assert [label for label, _ in parts(printed)] == [label for label, _ in parts(shown)]
    for (label, text), (_, shown_text) in zip(parts(printed), parts(shown), strict=True):
        if label:
            words = f" {canonical(text)} "
            assert all(f" {canonical(fact)} " in words for fact in facts(shown_text)), (label, text, shown_text)
        else:
            assert loosely(text) == loosely(shown_text)


def test_the_pages_show_samples() -> None:
    assert len(samples()) >= 5


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: f"{sample.page}: {sample.command}")
def test_a_command_prints_what_the_page_shows(sample: Sample) -> None:
    printed = run_command(sample.command)
    is_written_by_model = "[1]" in sample.output or sample.command.startswith("python")
    if is_written_by_model:
        assert_same_answer(printed, sample.output)
    else:
        assert loosely(printed) == loosely(sample.output), "run: python -m docs.make_samples"
