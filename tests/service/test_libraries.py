"""Libraries over HTTP: uploads, jobs, removal, limits, and what pretends to be something else."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import docx
import httpx
import pytest
from fpdf import FPDF

from tests.service.conftest import chat, fill, live
from tests.service.tiny import tiny_app

pytestmark = pytest.mark.real


def upload(http: httpx.Client, library: str, *files: tuple[str, bytes]) -> httpx.Response:
    parts = [("files", file) for file in files]
    return http.post(f"/v1/libraries/{library}/files", files=parts, params={"wait_s": 30})


def make_pdf(text: str) -> bytes:
    page = FPDF()
    page.add_page()
    page.set_font("helvetica")
    page.cell(text=text)
    return bytes(page.output())


def make_docx(text: str) -> bytes:
    document, out = docx.Document(), io.BytesIO()
    document.add_paragraph(text)
    document.save(out)
    return out.getvalue()


def test_files_of_every_type(http: httpx.Client) -> None:
    http.post("/v1/libraries", json={"name": "types"})
    files = [("a.txt", b"one"), ("b.md", b"# Two"), ("c.html", b"<p>three</p>"), ("d.pdf", make_pdf("four"))]
    job = upload(http, "types", *files, ("e.docx", make_docx("five"))).json()
    assert (job["status"], job["num_done"], job["report"]["failed"]) == ("done", 5, [])
    documents = http.get("/v1/libraries/types/documents").json()["data"]
    assert [document["source"] for document in documents] == ["a.txt", "b.md", "c.html", "d.pdf", "e.docx"]
    again = upload(http, "types", *files[:2]).json()
    assert again["report"]["unchanged"] == ["a.txt", "b.md"]
    changed = upload(http, "types", ("a.txt", b"another")).json()
    assert changed["report"]["replaced"] == ["a.txt"]


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("../../etc/passwd.txt", "etc/passwd.txt"),
        ("..\\..\\boot.txt", "boot.txt"),
        ("/abs/olute.txt", "abs/olute.txt"),
        ("papers\\C:\\mill.txt", "papers/mill.txt"),
        ("a//b/./c.txt", "a/b/c.txt"),
    ],
)
def test_a_name_keeps_its_folders_and_is_no_path(http: httpx.Client, filename: str, name: str) -> None:
    http.post("/v1/libraries", json={"name": "names"})
    job = upload(http, "names", (filename, b"w1 w2")).json()
    assert [*job["report"]["added"], *job["report"]["unchanged"]] == [name]


def test_files_of_one_name_from_two_folders_are_two_documents(http: httpx.Client) -> None:
    http.post("/v1/libraries", json={"name": "mayors"})
    job = upload(http, "mayors", ("2019/mayor.md", b"Ann"), ("2023/mayor.md", b"Ben")).json()
    assert job["report"]["added"] == ["2019/mayor.md", "2023/mayor.md"]
    refused = upload(http, "mayors", ("mayor.md", b"Ann"), ("mayor.md", b"Ben"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "duplicate_name")
    assert http.get("/v1/libraries/mayors").json()["num_documents"] == 2


@pytest.mark.parametrize("name", ["..", "a" * 600 + ".txt"])
def test_names_that_cannot_be_taken(http: httpx.Client, name: str) -> None:
    response = upload(http, "papers", (name, b"w1"))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_name")


def test_a_library_follows_a_folder(http: httpx.Client) -> None:
    http.post("/v1/libraries", json={"name": "town"})

    def send(*files: tuple[str, bytes], **params: object) -> dict[str, list[object]]:
        parts = [("files", file) for file in files]
        query = {"wait_s": 30, **params}
        reply = http.post("/v1/libraries/town/files", files=parts, params=query).json()  # type: ignore[arg-type]
        report: dict[str, list[object]] = reply["report"]
        return report

    send(("town/a.txt", b"w1 w2"), ("town/b.txt", b"w3 w4"), ("town/c.txt", b"w5"), ("other.txt", b"w6"))
    report = send(("town/a.txt", b"w1 w2"), ("town/d.txt", b"w3 w4"), folder="town")
    assert report["gone"] == ["town/c.txt"]
    assert report["moved"] == [{"source": "town/d.txt", "former": "town/b.txt"}]
    report = send(("town/a.txt", b"w1 w2"), ("town/copy.txt", b"w1 w2"), folder="town", sync=True)
    assert sorted(map(str, report["removed"])) == ["town/c.txt", "town/d.txt"]
    assert report["copies"] == [{"source": "town/copy.txt", "original": "town/a.txt"}]
    documents = http.get("/v1/libraries/town/documents").json()["data"]
    assert [document["source"] for document in documents] == ["other.txt", "town/a.txt", "town/copy.txt"]
    refused = http.post("/v1/libraries/town/files", files=[("files", ("a.txt", b"w1"))], params={"sync": True})
    assert refused.status_code == 400


def test_texts_of_one_source_are_parts_of_one_document(http: httpx.Client) -> None:
    http.post("/v1/libraries", json={"name": "parts"})
    pages = [{"source": "locks.pdf", "text": f"w{n} w{n + 1}", "location": f"page {n}"} for n in (1, 2, 3)]
    job = http.post("/v1/libraries/parts/documents", json={"documents": pages}, params={"wait_s": 30}).json()
    assert job["report"]["added"] == ["locks.pdf"]
    [document] = http.get("/v1/libraries/parts/documents").json()["data"]
    assert document["size_chars"] >= sum(len(page["text"]) for page in pages)


@pytest.mark.parametrize(
    ("file", "status", "code"),
    [
        (("report.pdf", b"<html>not a pdf</html>"), 400, "invalid_file"),
        (("report.docx", b"plain text"), 400, "invalid_file"),
        (("tool.exe", b"MZ"), 400, "unknown_file_type"),
        (("none", b"text"), 400, "unknown_file_type"),
    ],
)
def test_files_that_are_not_what_they_say(http: httpx.Client, file: tuple[str, bytes], status: int, code: str) -> None:
    response = upload(http, "papers", file)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_a_damaged_file_fails_its_job_alone(http: httpx.Client) -> None:
    http.post("/v1/libraries", json={"name": "damaged"})
    broken = upload(http, "damaged", ("broken.pdf", b"%PDF-1.7 and then nothing")).json()
    assert broken["status"] == "failed"
    assert "broken.pdf" in broken["error"]
    mixed = upload(http, "damaged", ("broken.pdf", b"%PDF-1.7 and then nothing"), ("fine.txt", b"w1")).json()
    assert (mixed["status"], mixed["report"]["added"]) == ("done", ["fine.txt"])
    assert [failure["source"] for failure in mixed["report"]["failed"]] == ["broken.pdf"]


def test_removing(http: httpx.Client) -> None:
    fill(http, "short-lived", {"one": "w1", "two": "w2"})
    first, second = http.get("/v1/libraries/short-lived/documents").json()["data"]
    assert http.delete(f"/v1/libraries/short-lived/documents/{first['doc_id']}").status_code == 200
    assert http.get("/v1/libraries/short-lived/documents").json()["data"] == [second]
    assert http.delete("/v1/libraries/short-lived").status_code == 200
    assert http.get("/v1/libraries/short-lived").status_code == 404
    fill(http, "short-lived", {"three": "w3"})
    assert http.get("/v1/libraries/short-lived").json()["num_documents"] == 1


def test_retrieving(http: httpx.Client) -> None:
    body = {"questions": ["who runs the mill", "w10"], "top_k": 1}
    rankings = http.post("/v1/libraries/papers/retrieve", json=body).json()["rankings"]
    assert [ranking[0]["source"] for ranking in rankings] == ["mill", "harbour"]


def test_an_empty_library_cannot_answer(http: httpx.Client) -> None:
    http.post("/v1/libraries", json={"name": "empty"})
    question = [{"role": "user", "content": "w1"}]
    response = http.post("/v1/chat/completions", json={"model": "empty", "messages": question})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "library_not_ready")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/libraries/nobody", 404, "library_not_found"),
        ("DELETE", "/v1/libraries/nobody", 404, "library_not_found"),
        ("GET", "/v1/libraries/..%2f..%2fetc", 404, "not_found"),
        ("GET", "/v1/libraries/UPPER", 400, "invalid_value"),
        ("DELETE", "/v1/libraries/papers/documents/nobody", 404, "document_not_found"),
        ("GET", "/v1/jobs/nobody", 404, "job_not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("PUT", "/v1/models", 405, "method_not_allowed"),
    ],
)
def test_refusals(http: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    response = http.request(method, path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_bodies_over_the_limit(tmp_path: Path) -> None:
    def chunks() -> list[bytes]:
        return [b"x" * 1000] * 20

    app = tiny_app(tmp_path, max_upload_bytes=10_000, max_body_bytes=2_000)
    with live(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        http.post("/v1/libraries", json={"name": "small"})
        declared = upload(http, "small", ("a.txt", b"x" * 20_000))
        undeclared = http.post("/v1/chat/completions", content=iter(chunks()))
    for response in (declared, undeclared):
        assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


def test_no_keys_no_other_name_for_this_machine(http: httpx.Client) -> None:
    assert http.get("/v1/models", headers={"Host": "evil.example"}).status_code == 400


def test_no_message_names_the_folder_of_the_service(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with live(tiny_app(root)) as url, httpx.Client(base_url=url, timeout=30) as http:
        fill(http, "papers", {"mill": "w1 w2 w3"})
        with sqlite3.connect(root / "default" / "papers" / "library.sqlite3") as db:
            db.execute("UPDATE meta SET value = 'another' WHERE key = 'encoder'")
        reply = http.post("/v1/chat/completions", json=chat("Who?"))
    assert reply.status_code >= 400
    assert "the library at default/papers was made with encoder 'another'" in reply.json()["error"]["message"]
    assert str(tmp_path) not in reply.text
