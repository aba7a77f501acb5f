"""Lists of small English words, side by side; each leaves out what its reader can do without.

They differ on purpose, and figures depend on each: changing a word of one changes scores that are in docs/LOG.md.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Closed-class words. They are no names, even when capitalised at the start of a sentence, and no content words. The
# longest list: a word too many costs a rare name ("May"), a word too few makes a name of every sentence's beginning.
FUNCTION_WORDS = _words(
    "a about above after again against all along also although am among an and another any are around as at be became "
    "because become been before began being below between both but by came can could despite did do does down due "
    "during each either even every few first following for from further had has have he hence her here him his how "
    "however i if in instead into is it its just last later like many may me might more most much must my near "
    "neither never no nor not now of off often on once one only or other our out over own per same second several she "
    "should since so some such than that the their them then there these they third this those though three through "
    "thus to today together too two under unlike until up upon us very was we were what when where whether which "
    "while who whom whose why will with within without would yet you your"
)

# Words that BM25 does not search for: they say nothing about the subject of a question, and searching their long
# postings costs time. Shorter than the list above, since a search may keep what no name begins with ("first", "two",
# "without"). Which of the two lists finds more was not measured.
SEARCH_STOP_WORDS = _words(
    "a about after all also am an and any are as at be been before being between both but by can could did do does "
    "during each for from had has have he her hers him his how i if in into is it its just many me more most much my "
    "no not of on one only or other our out over own same she should so some such than that the their them then there "
    "these they this those through to too under until up us very was we were what when where which while who whom "
    "whose why will with would you your"
)

# What the question cache reads from two questions to tell them apart (:mod:`retrievers.question_cache.wording`).
INTERROGATIVES = _words("who whom whose what which when where why how")
# Negation, order, amount and time: another one of these asks for something else.
MODIFIERS = INTERROGATIVES | _words(
    "after against all before below above both during each either every except few first last later least less many "
    "more most much neither never no nor not only same second since third three two under unlike until without"
)
# Function words that are also a country, a month or a name in lower case.
AMBIGUOUS = _words("us may will might")
# "s" is what remains of a possessive without its apostrophe.
SILENT = _words("a an the do does did s")
# What a polite opening is made of ("can you tell me ...").
OPENINGS = _words("ask curious explain find give know let me need out please say show tell whether wish wonder")
AUXILIARIES = _words("am are can could did do does had has have is may might must should was were will would")

# What a sentence begins with that goes on about the one before it (:mod:`rag.conflicts.reading.excerpts`).
REFERRING = _words("he her his it its she that their these they this those")
