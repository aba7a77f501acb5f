"""Makes the small data set of the quality gates: an invented country, its documents, questions and triples.

    python tests/data/lowmere/make.py

Everything in it is made up. Documents of one kind are worded in several ways; half of the simple questions share few
words with their document; chain questions name only the first of the documents that they need.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Row = dict[str, Any]


def listed(text: str) -> list[str]:
    """The names in ``text``: between bars, or else between blanks."""
    return text.split("|") if "|" in text else text.split()


TOWNS = listed(
    "Aldquay Brennick Corvale Dunharrow Eskmoor Fennwick Garrowby Hollin Ivelstead Jarrowmead Kessock Lunderby "
    "Marrick Northolme Orsby Pellworth Quernford Rathley Stavely Thornmere"
)
FIRST = listed(
    "Adela Bertram Cosima Derrin Elspeth Florian Greta Hamond Isolde Jorun Kasimir Lavinia Mortimer Nerys Osric "
    "Philippa Quill Rosamund Sigrun Tobias"
)
LAST = listed(
    "Ashgrove Bellwether Crane Dovecote Emberly Farrant Gilchrist Hartnoll Inkpen Jessop Kettlewell Lorimer Merriden "
    "Netherby Oakshott Pendrake Quarles Rainsford Swithin Tolliver"
)
RIVERS = listed("Arl Bourne Calder Devan Eddle Frome")
BRIDGES = listed("Anchor Beacon Chapel Drover Ember Falcon Gallows Heron Iron Juniper")
BOOKS = listed(
    "The Salt Road|A Winter of Bells|The Glass Orchard|Letters to a Ferryman|The Ninth Lantern|Under Slate Roofs|"
    "The Quiet Harvest|Maps of Nowhere|The Tin Crown|Songs for the Tide"
)
FIRMS = listed(
    "Ashbell Foundry|Brightwater Mill|Coppergate Press|Dalefold Brewery|Eastmarch Glassworks|Foxley Ropery|"
    "Grayling Shipyard|Hazelmere Pottery"
)
GOODS = listed("church bells|linen cloth|prayer books|dark beer|window panes|ship's ropes|fishing boats|blue bowls")
FEASTS = listed("Lantern Walk|Herring Fair|Bell Sunday|Frost Market|Hay Crowning|Oar Day")


class Country:
    """Who was born where, who made what: drawn once, with a fixed seed."""

    def __init__(self) -> None:
        draw = random.Random(11)
        self.people = [f"{first} {last}" for first, last in zip(FIRST, LAST, strict=True)]
        towns = TOWNS * 2
        self.birthplace = dict(zip(self.people, draw.sample(TOWNS, 20), strict=True))
        self.birth_year = {name: 1790 + 3 * number for number, name in enumerate(draw.sample(self.people, 20))}
        self.river = {town: RIVERS[number % len(RIVERS)] for number, town in enumerate(draw.sample(TOWNS, 20))}
        self.twin = {town: towns[towns.index(town) + 7] for town in TOWNS}
        makers = draw.sample(self.people, 20)
        self.engineer = dict(zip(BRIDGES, makers[:10], strict=True))
        self.author = dict(zip(BOOKS, makers[10:], strict=True))
        self.founder = dict(zip(FIRMS, draw.sample(self.people, 8), strict=True))
        self.seat = dict(zip(FIRMS, draw.sample(TOWNS, 8), strict=True))
        self.feast_town = dict(zip(FEASTS, draw.sample(TOWNS, 6), strict=True))
        self.bridge_year = {name: 1841 + 4 * number for number, name in enumerate(BRIDGES)}
        self.book_year = {name: 1850 + 5 * number for number, name in enumerate(BOOKS)}
        self.bridge_river = {name: RIVERS[number % 6] for number, name in enumerate(BRIDGES)}


def documents(land: Country) -> Iterator[tuple[str, str]]:
    """Titles and texts."""
    for number, name in enumerate(land.people):
        town, year = land.birthplace[name], land.birth_year[name]
        yield (
            name,
            (
                f"{name} came into the world in {town} in the spring of {year}, the child of a baker.",
                f"Born in {town} in {year}, {name} was sent to the charity school at the age of seven.",
                f"The family of {name} kept an inn at {town}, where the child was christened in {year}.",
            )[number % 3]
            + (
                " Two letters and a portrait in oils survive.",
                " A plaque on the old school remembers this.",
                " Little else is told about the early years.",
                " The grave was lost when the churchyard was moved.",
            )[number % 4],
        )
    for number, town in enumerate(TOWNS):
        river, twin = land.river[town], land.twin[town]
        yield (
            town,
            (
                f"{town} stands on the river {river}, two days' walk from the coast. It is twinned with {twin}.",
                f"The market town of {town} grew around a ford of the {river}. Its twin town is {twin}.",
                f"The {river} runs through {town}, whose council signed a friendship with {twin}.",
            )[number % 3]
            + f" The parish counted {1200 + 137 * number} souls at the last census.",
        )
    for number, name in enumerate(BRIDGES):
        yield (
            f"{name} Bridge",
            (
                f"{land.engineer[name]} was the engineer of {name} Bridge, which has spanned the "
                f"{land.bridge_river[name]} since {land.bridge_year[name]}.",
                f"{name} Bridge was opened to carriages in {land.bridge_year[name]}. Its arches were designed by "
                f"{land.engineer[name]}.",
            )[number % 2]
            + f" Tolls of {number + 1} pence were taken at the gate until they were given up.",
        )
    for number, name in enumerate(BOOKS):
        yield (
            name,
            (
                f"{name} is a novel by {land.author[name]}, printed in {land.book_year[name]} in two volumes.",
                f"{land.author[name]} wrote {name} within one winter; it came out in {land.book_year[name]}.",
            )[number % 2]
            + " Critics of the day found it too long.",
        )
    for number, name in enumerate(FIRMS):
        yield (
            name,
            (
                f"{name} was founded by {land.founder[name]}. Its yards at {land.seat[name]} turn out {GOODS[number]}.",
                f"{name} of {land.seat[name]} is known for {GOODS[number]}. "
                f"{land.founder[name]} set it up with a loan.",
            )[number % 2],
        )
    for number, name in enumerate(FEASTS):
        yield (
            name,
            (
                f"{name} is kept every year in {land.feast_town[name]}; strangers are asked to bring bread."
                if number % 2
                else f"Each year the people of {land.feast_town[name]} hold {name}, with music until midnight."
            ),
        )
    yield from distractors(land)


def distractors(land: Country) -> Iterator[tuple[str, str]]:
    """Documents that no question needs, worded like those that they do."""
    for number, town in enumerate(TOWNS):
        yield (
            f"Notes on {town}",
            (
                f"Travellers write that the inns of {town} are dear and the beds damp.",
                f"The school of {town} was rebuilt after a fire; the bell was saved.",
                f"In {town} the bridge toll, the mill and the novel reading room closed in one year.",
            )[number % 3],
        )
    for number, river in enumerate(RIVERS):
        yield f"River {river}", f"The {river} rises in the hills and is {40 + 9 * number} miles long. It froze twice."


def questions(land: Country) -> Iterator[Row]:
    """Questions, each with the titles of the documents that it needs."""
    for number, name in enumerate(BRIDGES):
        engineer = land.engineer[name]
        town = land.birthplace[engineer]
        yield row(f"Where was the engineer of {name} Bridge born?", town, [f"{name} Bridge", engineer], "chain")
        if number % 2:
            year = str(land.bridge_year[name])
            yield row(f"When could coaches first cross {name} Bridge?", year, [f"{name} Bridge"], "paraphrase")
        else:
            text = f"Which river flows through the birthplace of the engineer of {name} Bridge?"
            yield row(text, land.river[town], [f"{name} Bridge", engineer, town], "long chain")
    for number, name in enumerate(BOOKS):
        author = land.author[name]
        town, year = land.birthplace[author], str(land.birth_year[author])
        if number % 2:
            yield row(f"In which year was the author of {name} born?", year, [name, author], "chain")
        else:
            text = f"What is the twin town of the birthplace of the author of {name}?"
            yield row(text, land.twin[town], [name, author, town], "long chain")
        yield row(f"Which year saw the publication of {name}?", str(land.book_year[name]), [name], "paraphrase")
    for number, name in enumerate(FIRMS):
        seat, goods = land.seat[name], GOODS[number]
        yield row(f"Which river runs past the works of {name}?", land.river[seat], [name, seat], "chain")
        yield row(f"Which company makes {goods}?", name, [name], "single")
    for name in FEASTS:
        town = land.feast_town[name]
        yield row(
            f"Which town is twinned with the town that celebrates {name}?", land.twin[town], [name, town], "chain"
        )
    for name in land.people[::4]:
        yield row(f"What was the home town of {name}?", land.birthplace[name], [name], "paraphrase")


def row(question: str, answer: str, gold: list[str], group: str) -> Row:
    """A question in the plain format."""
    return {"question": question, "answers": [answer], "gold_doc_ids": gold, "group": group}


def triples(land: Country) -> Iterator[list[str]]:
    """The country as a graph."""
    for name in land.people:
        yield [name, "place of birth", land.birthplace[name]]
        yield [name, "year of birth", str(land.birth_year[name])]
    for town in TOWNS:
        yield [town, "river", land.river[town]]
        yield [town, "twin town", land.twin[town]]
    for name in BRIDGES:
        yield [f"{name} Bridge", "engineer", land.engineer[name]]
        yield [f"{name} Bridge", "opening year", str(land.bridge_year[name])]
    for name in BOOKS:
        yield [name, "author", land.author[name]]
        yield [name, "publication year", str(land.book_year[name])]
    for name in FIRMS:
        yield [name, "founder", land.founder[name]]
        yield [name, "seat", land.seat[name]]


def path_questions(land: Country) -> Iterator[Row]:
    """Questions for the walker: the answers are the ends of paths of two relations, worded in other ways."""
    for number, name in enumerate(BRIDGES):
        engineer = land.engineer[name]
        if number % 2:
            yield path(f"Where was the engineer of {name} Bridge born?", land.birthplace[engineer])
        else:
            yield path(f"What was the home town of the man who designed {name} Bridge?", land.birthplace[engineer])
        asked = "When" if number % 2 else "In which year"
        yield path(f"{asked} was the builder of {name} Bridge born?", str(land.birth_year[engineer]))
    for number, name in enumerate(BOOKS):
        author = land.author[name]
        if number % 2:
            yield path(f"In which year was the writer of {name} born?", str(land.birth_year[author]))
        else:
            yield path(f"Where does the novelist behind {name} come from?", land.birthplace[author])
    for name in FIRMS:
        yield path(f"Where does the founder of {name} come from?", land.birthplace[land.founder[name]])
        yield path(f"Which river flows past the headquarters of {name}?", land.river[land.seat[name]])
        yield path(f"What town is the seat of {name} twinned with?", land.twin[land.seat[name]])


def path(question: str, answer: str) -> Row:
    """A question for the walker."""
    return {"question": question, "answers": [answer]}


def write(name: str, rows: Iterator[Any]) -> None:
    """One JSON value a line."""
    lines = [json.dumps(value, ensure_ascii=False) + "\n" for value in rows]
    (HERE / name).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    country = Country()
    write("corpus.jsonl", ({"doc_id": title, "title": title, "text": text} for title, text in documents(country)))
    write("questions.jsonl", questions(country))
    write("triples.jsonl", triples(country))
    write("path_questions.jsonl", path_questions(country))
