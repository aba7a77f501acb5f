"""Writes patch_facts.jsonl: invented documents, three facts each, and questions about them.

    python benchmarks/data/make_patch_facts.py

Every name is made of syllables, so no model can know one. The test questions are worded by hand, per kind of document,
with other words than the sentences ("founded" is asked as "established"), and never pass through the writer that makes
the training questions. Settings were chosen on the rows of split ``dev``; figures are reported on ``test``, which has
other kinds of documents. A document has about 75 words, most of them about nothing that is asked; the passages of the
published experiments have 100.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

SYLLABLES = ("bel", "cor", "dra", "fen", "gol", "hes", "jor", "kel", "lom", "mir", "nal", "orv", "pel", "quen", "ras")
ENDINGS = ("an", "eth", "or", "im", "us", "ane", "ick", "old", "ara", "en")
# Kind: split, how many, how its title ends, its text, and per fact the answer's field and the test question.
Kind = tuple[str, int, str, str, tuple[tuple[str, str], ...]]
KINDS: dict[str, Kind] = {
    "company": (
        "dev",
        2,
        " Instruments",
        "{title} was founded by {person}. The company was started in {year}. Its head office is in {place}. "
        "It makes compasses and levels for surveyors. "
        "For many decades the workshop trained its own apprentices, who spent a full year at the lathe "
        "before they touched a lens. The oldest designs are still sold today, because surveyors trust them "
        "in wet weather and on steep ground. Visitors may watch the engravers at work behind a glass wall.",
        (
            ("person", "Who established {title}?"),
            ("year", "What year did {title} begin trading?"),
            ("place", "In which town is {title} headquartered?"),
        ),
    ),
    "ship": (
        "dev",
        2,
        "",
        "The {title} was built in {place}. Her first captain was {person}. She carries {number} passengers. "
        "In summer she sails along the northern coast. "
        "Her hull is painted white with a narrow green stripe, and her funnel is kept so clean that it "
        "shines. The crew bakes bread on board every morning and serves it warm to anyone who is awake. In "
        "winter she lies in dry dock, where carpenters mend the deck and the railings.",
        (
            ("place", "Which shipyard town constructed the {title}?"),
            ("person", "Who was first to command the {title}?"),
            ("number", "How many people can travel on board the {title}?"),
        ),
    ),
    "village": (
        "dev",
        2,
        "",
        "{title} is a village on the river {place}. The mayor of {title} is {person}. "
        "{title} has {number} inhabitants. Its market is held every week. "
        "Most of the houses are built of grey stone and have low doors, so tall guests learn to bow. An old "
        "footpath leads through the orchards to a chapel on the hill. In autumn the whole place smells of "
        "apples, and the children are let out of class to help with the harvest.",
        (
            ("place", "Which river flows through {title}?"),
            ("person", "Who heads the local government of {title}?"),
            ("number", "What is the population of {title}?"),
        ),
    ),
    "museum": (
        "test",
        4,
        " Museum",
        "{title} was opened in {year}. The director of {title} is {person}. It is located in {place}. "
        "Its halls show old looms and spinning wheels. "
        "Children are allowed to try the smaller machines, and on quiet mornings a retired weaver explains "
        "how the patterns were drawn by hand. The cellar holds a library of cloth samples that nobody has "
        "counted. There is a small garden behind the building, with benches and a plum tree.",
        (
            ("year", "Since when has {title} been open to visitors?"),
            ("person", "Who runs {title}?"),
            ("place", "In which city would you find {title}?"),
        ),
    ),
    "bridge": (
        "test",
        4,
        " Bridge",
        "{title} was designed by {person}. It crosses the river {place}. The bridge was finished in {year}. "
        "Carts and trams share its roadway. "
        "The stone for its piers was brought by barge and cut on the bank. On windy days the lamps along the "
        "railing swing and hum, which some people find pleasant and others do not. A small shelter in the "
        "middle gives walkers a place to wait until the rain is over.",
        (
            ("person", "Which engineer planned {title}?"),
            ("place", "What river does {title} span?"),
            ("year", "When was {title} completed?"),
        ),
    ),
    "orchestra": (
        "test",
        4,
        " Orchestra",
        "{title} is conducted by {person}. The orchestra was formed in {year}. It has {number} musicians. "
        "Most of its concerts are held in the open air. "
        "The players are known for tuning slowly and for laughing when a string breaks. Young people may "
        "attend rehearsals without paying, provided that they sit still and leave their shoes at the door. "
        "Its library of handwritten scores is kept in a dry room above a bakery.",
        (
            ("person", "Who is the conductor of {title}?"),
            ("year", "What year was {title} established?"),
            ("number", "How many players are there in {title}?"),
        ),
    ),
    "newspaper": (
        "test",
        4,
        " Gazette",
        "The {title} is printed in {place}. Its editor is {person}. The paper sells {number} copies. "
        "It appears twice a week. "
        "Its readers like the long letters on the second page, in which neighbours argue politely about "
        "hedges and dogs. The presses are old, loud and carefully oiled, and the typesetters wear gloves. On "
        "holidays the whole staff helps to fold the sheets before breakfast.",
        (
            ("place", "In which town is the {title} produced?"),
            ("person", "Who edits the {title}?"),
            ("number", "What is the circulation of the {title}?"),
        ),
    ),
    "novel": (
        "test",
        4,
        "",
        "The novel {title} was written by {person}. It was first published in {year}. The story is set in {place}. "
        "Its heroine repairs clocks. "
        "She lives above a shop with two cats and a parrot that repeats every secret it hears. Much of the "
        "plot turns on a letter that is never opened, and on a long journey by sledge. Readers still quarrel "
        "about the last chapter, which some call sad and others merely honest.",
        (
            ("person", "Who is the author of {title}?"),
            ("year", "When did {title} first come out?"),
            ("place", "In which city does {title} take place?"),
        ),
    ),
    # Added later, and after the others: the rows above stay what they were.
    "lighthouse": (
        "dev",
        3,
        " Lighthouse",
        "{title} was lit for the first time in {year}. Its keeper is {person}. The lamp of {title} came from {place}. "
        "Gulls nest under its gallery. "
        "On clear evenings the beam can be seen far out at sea, and fishermen set their watches by it. The stairs are "
        "narrow and smell of oil, and every visitor is asked to count them. Nobody has ever reported the same number "
        "twice, which is why the guest book is full of sums.",
        (
            ("year", "When did {title} begin to shine?"),
            ("person", "Who looks after {title}?"),
            ("place", "In which town was the lamp of {title} made?"),
        ),
    ),
    "school": (
        "dev",
        3,
        " School",
        "{title} was named after {person}. It stands in {place}. {number} pupils attend {title}. "
        "Lessons begin after breakfast. "
        "The yard has a sundial that the youngest class repaints each spring, and a wall on which everyone may draw. "
        "On the last day of term the teachers cook for the children, who rate the soup. A brass bell from a ship hangs "
        "above the door and is rung by hand.",
        (
            ("person", "In whose honour is {title} called so?"),
            ("place", "Where can {title} be found?"),
            ("number", "How many children go to {title}?"),
        ),
    ),
    "railway": (
        "dev",
        3,
        " Railway",
        "The {title} was planned by {person}. Its first train left in {year}. The line ends in {place}. "
        "Most of its carriages are blue. "
        "The track follows a stream through beech woods and crosses it so often that passengers lose count. At the "
        "halts one must wave to make the train stop. A guard sells tea and plum cake from a basket, and knows by name "
        "everyone who travels more than once.",
        (
            ("person", "Which engineer laid out the {title}?"),
            ("year", "When did the {title} start running?"),
            ("place", "What is the last stop of the {title}?"),
        ),
    ),
}


def main() -> None:
    """Write the file beside this script."""
    rng = random.Random(23)
    used: set[str] = set()

    def name() -> str:
        new_name = ""
        while not new_name or new_name in used:
            new_name = (rng.choice(SYLLABLES) + rng.choice(SYLLABLES)[:2] + rng.choice(ENDINGS)).capitalize()
        used.add(new_name)
        return new_name

    lines = []
    for kind, (split, num_documents, ending, text, facts) in KINDS.items():
        for _ in range(num_documents):
            fields = {"title": name() + ending, "place": name(), "person": f"{name()} {name()}"}
            fields |= {"year": str(rng.randrange(1710, 1990)), "number": str(rng.randrange(1200, 9800))}
            asked = [{"question": question.format(**fields), "answer": fields[field]} for field, question in facts]
            row = {"split": split, "kind": kind, "title": fields["title"], "text": text.format(**fields)}
            lines.append(json.dumps(row | {"questions": asked}))
    Path(__file__).with_name("patch_facts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
