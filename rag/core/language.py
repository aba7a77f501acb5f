"""Which language a text is in, by its script and its small words. No model.

The engine's rules for English (follow-ups, clauses, length of a question) ask this first. A text without small words,
such as a name, has no language here; whoever asks decides what that means.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from rag.core.scripts import Script, main_script

# The commonest closed-class words. Those of several languages tell nothing by themselves; the sum decides.
_SMALL_WORDS = {
    "en": "a an and are as at be been but by can did do does for from had has have he her his how i in is it its many "
    "me my no not of on or our she should that the their them there these they this those to was we were what when "
    "where which who whom whose why will with would you your",
    "de": "aber als am an auch auf aus bei bis das dass dem den der des die doch durch ein eine einem einen einer er "
    "es für hat haben hatte ich ihr im in ist kann man mehr mit nach nicht noch nur oder sein seine sich sie sind so "
    "über um und unter vom von vor wann war waren warum was welche welcher wer wie wird wo wurde wurden zu zum zur",
    "fr": "au aux avec ce ces cette comment dans de des du elle en est et eux il ils je la le les leur lui mais ne "
    "nous on ont ou où par pas pour pourquoi quand que quel quelle quels qui sa sans se ses son sont sur un une vous "
    "était été",
    "es": "al como con cuál cuándo cuánto de del desde dónde el ella en entre era es esta este está fue ha hay la las "
    "lo los más muy no o para pero por porque que quién qué se sin sobre son su sus también un una y ya",
    "it": "al alla anche che chi come con cosa da dal dalla dei del della delle di dove e era gli ha i il in io la le "
    "lo ma nel nella non o per perché più quale quando quanto questo questa se si sono stata stato su sua sul suo tra "
    "un una uno è",
    "pt": "a ao aos as com como da das de do dos e ela ele em era essa esse está foi há isso mais mas na nas no nos "
    "não o onde os ou para pela pelo por porque qual quando que quem se sem ser seu sua são também um uma é",
    "nl": "aan als bij dat de deze die dit door een en er het hij hoe hun ik in is je kan maar meer met naar niet nog "
    "of om ook op over te tot uit van voor waar waarom wanneer was wat welke werd wie wordt worden zijn ze zij zich",
    "sv": "att av de den det efter en ett från för han har hon hur i inte jag kan man med mot när och om på som sin "
    "till under var vad vem vid vilken är över",
    "pl": "ale co czy dla do gdzie i jak jaki jest już kiedy kto która które który ma na nie o od oraz po przez się "
    "są ta tak tego ten to tym w we z za ze że był była było",
    "tr": "ama ancak bir bu da daha de en gibi hangi her ile için kadar kim mi ne nerede neden o olan olarak "
    "sonra ve veya ya",
    "cs": "a aby ale byl byla bylo co do i jako je jeho jsou k kde kdo kdy na nebo není o od po pro proč při s se si "
    "tak také ten to u v ve z za ze že",
    "id": "ada adalah akan apa dan dari dengan di dia ini itu karena ke kepada mana oleh pada siapa tidak untuk yang",
    "vi": "ai bao các cho có của gì khi không là một này như những nào trong và về với được đã đến",
}
_BY_SCRIPT: dict[Script, str] = {
    "han": "zh",
    "kana": "ja",
    "hangul": "ko",
    "thai": "th",
    "arabic": "ar",
    "hebrew": "he",
    "indic": "hi",
    "cyrillic": "ru",
    "greek": "el",
}
_WORD = re.compile(r"[^\W\d_]+")
_MIN_WORDS = 2
# Enough to tell a language; a book is not read to its end for it.
_MAX_CHARS = 4000


def guess_language(text: str) -> str:
    """ISO 639-1 code of the likeliest language; empty where nothing tells it.

    Scripts that several languages share give the commonest of them: Cyrillic ``ru``, Arabic ``ar``, Devanagari and its
    neighbours ``hi``.
    """
    text = text[:_MAX_CHARS]
    script = main_script(text)
    if script != "latin":
        return _BY_SCRIPT.get(script, "")
    counts: dict[str, int] = {}
    for word in _WORD.findall(text.lower()):
        for language in _languages().get(word, ()):
            counts[language] = counts.get(language, 0) + 1
    best = max(counts.values(), default=0)
    # English first: a tie is no reason to leave out what serves most questions. One word alone may be part of a name.
    language = next((language for language in _SMALL_WORDS if counts.get(language, 0) == best), "")
    return language if best >= _MIN_WORDS or counts.get("en") else ""


def may_be_english(text: str) -> bool:
    """False where script or small words show another language."""
    return guess_language(text) in ("", "en") and main_script(text) in ("", "latin")


def small_words() -> Collection[str]:
    """The small words of all languages that are known here."""
    return _languages().keys()


@cache
def _languages() -> dict[str, tuple[str, ...]]:
    """The languages that have a small word, by word."""
    languages: dict[str, tuple[str, ...]] = {}
    for language, words in _SMALL_WORDS.items():
        for word in words.split():
            languages[word] = (*languages.get(word, ()), language)
    return languages
