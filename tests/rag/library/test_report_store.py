"""Reports on a library, in both kinds of library."""

from __future__ import annotations

from rag.library.open import open_library


def test_a_report_is_replaced_and_found_by_the_next_one_who_opens(place: str) -> None:
    library = open_library(place)
    store = library.report_store()
    assert store.read("conflicts") is None
    store.write("conflicts", b"one")
    store.write("conflicts", b"\x00two")
    store.write("audit", b"three")
    library.close()
    library = open_library(place)
    assert [library.report_store().read(name) for name in ("conflicts", "audit", "graph")] == [
        b"\x00two",
        b"three",
        None,
    ]
    library.close()
