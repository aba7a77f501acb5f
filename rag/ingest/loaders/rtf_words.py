"""Words of the Rich Text Format, and what they stand for."""

from __future__ import annotations

from rag.ingest.loaders.base import to_set

# Groups that hold no text of the page.
UNSEEN = to_set(
    "fonttbl colortbl stylesheet info pict object objdata themedata colorschememapping datastore latentstyles "
    "listtable listoverridetable rsidtbl xmlnstbl generator fldinst filetbl revtbl bkmkstart bkmkend nonshppict atnid "
    "atnauthor annotation template shprslt operator falt panose wgrffmtfilter mmathPr pgptbl background do sp"
)
AROUND = {"header": 0, "headerf": 0, "headerl": 0, "headerr": 0, "footer": 2, "footerf": 2, "footerl": 2, "footerr": 2}
CHARACTERS = {
    "tab": "\t", "line": "\n", "emdash": "\u2014", "endash": "\u2013", "lquote": "\u2018", "rquote": "\u2019",
    "ldblquote": "\u201c", "rdblquote": "\u201d", "bullet": "\u2022", "emspace": " ", "enspace": " ", "qmspace": " ",
}  # fmt: skip
SYMBOLS = {"~": " ", "_": "-", "-": "", "\n": "", "\r": ""}
CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250",
}  # fmt: skip
