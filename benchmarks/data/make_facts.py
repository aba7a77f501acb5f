"""Writes facts.jsonl: facts that small models know, each with an agreeing and a conflicting passage.

The conflicting answer is another fact's of the same kind, so that both passages read alike.
"""

import json
from pathlib import Path

KINDS = {
    "capital": (
        "What is the capital of {}?",
        "The capital of {0} is {1}. Most visitors to {0} begin their journey there.",
        "France:Paris Italy:Rome Spain:Madrid Germany:Berlin Japan:Tokyo Russia:Moscow Egypt:Cairo Greece:Athens "
        "China:Beijing Portugal:Lisbon Austria:Vienna Ireland:Dublin Norway:Oslo Sweden:Stockholm Poland:Warsaw "
        "Hungary:Budapest Cuba:Havana Canada:Ottawa England:London Turkey:Ankara",
    ),
    "author": (
        "Who wrote {}?",
        "{0} was written by {1}. The work was printed in many editions.",
        "Romeo_and_Juliet:William_Shakespeare Pride_and_Prejudice:Jane_Austen Oliver_Twist:Charles_Dickens "
        "The_Odyssey:Homer Frankenstein:Mary_Shelley The_Great_Gatsby:F._Scott_Fitzgerald Moby-Dick:Herman_Melville "
        "War_and_Peace:Leo_Tolstoy Don_Quixote:Miguel_de_Cervantes The_Divine_Comedy:Dante_Alighieri",
    ),
    "symbol": (
        "What is the chemical symbol for {}?",
        "The chemical symbol for {0} is {1}. It stands in every table of the elements.",
        "gold:Au silver:Ag iron:Fe oxygen:O sodium:Na hydrogen:H carbon:C helium:He lead:Pb copper:Cu",
    ),
    "discoverer": (
        "Who is known for {}?",
        "{1} is known for {0}. Schools teach the name to this day.",
        "the_theory_of_relativity:Albert_Einstein the_laws_of_motion:Isaac_Newton "
        "the_theory_of_evolution:Charles_Darwin inventing_the_telephone:Alexander_Graham_Bell "
        "inventing_the_light_bulb:Thomas_Edison discovering_penicillin:Alexander_Fleming "
        "discovering_radium:Marie_Curie painting_the_Mona_Lisa:Leonardo_da_Vinci",
    ),
    "opposite": (
        "What is the opposite of {}?",
        "The opposite of {0} is {1}. Children learn this pair of words early.",
        "hot:cold big:small up:down fast:slow day:night black:white happy:sad light:dark rich:poor young:old",
    ),
    "place": (
        "On which continent is {}?",
        "{0} is on the continent of {1}. It is marked on every map.",
        "Brazil:South_America Kenya:Africa India:Asia France:Europe Mexico:North_America Egypt:Africa "
        "Japan:Asia Spain:Europe Argentina:South_America Canada:North_America",
    ),
}


def main() -> None:
    rows = []
    for question, passage, table in KINDS.values():
        facts = [tuple(part.replace("_", " ") for part in pair.split(":")) for pair in table.split()]
        answers = list(dict.fromkeys(answer for _, answer in facts))
        for subject, answer in facts:
            swapped = answers[(answers.index(answer) + len(answers) // 2) % len(answers)]
            rows.append(
                {
                    "question": question.format(subject),
                    "agreeing_context": passage.format(subject, answer),
                    "agreeing_answer": answer,
                    "conflicting_context": passage.format(subject, swapped),
                    "conflicting_answer": swapped,
                    "aliases": [],
                }
            )
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    Path(__file__).with_name("facts.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
