"""Text for LaTeX, with every character in a form that any engine and font encoding can set."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: The preamble for characters that pdfTeX has no glyph for: other engines set the character by its
#: number; pdfTeX shows the number in brackets.
PREAMBLE = (
    r"\DeclareRobustCommand{\anycharacter}[1]"
    r'{\ifdefined\Umathcode\char"#1\relax\else[U+#1]\fi}'
)

_SIGNS = {
    **{sign: f"\\{sign}" for sign in "&%$#{}"},
    "_": r"\_\allowbreak{}",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "'": r"'{}",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "§": r"\S{}",
    "¶": r"\P{}",
    "…": r"\ldots{}",
    "\N{EN DASH}": r"--{}",
    "—": r"---{}",
    "\N{LEFT SINGLE QUOTATION MARK}": r"`{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": r"'{}",
    "“": r"``{}",
    "”": r"''{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "\N{LATIN SMALL LETTER DOTLESS I}": r"\i{}",
    "\N{NO-BREAK SPACE}": r"\nobreakspace{}",
    "¡": r"\textexclamdown{}",
    "¿": r"\textquestiondown{}",
    **{
        sign: f"\\ensuremath{{{formula}}}"
        for sign, formula in {
            "◊": r"\diamond",
            "▲": r"\triangle",
            "\N{MULTIPLICATION SIGN}": r"\times",
            "÷": r"\div",
            "±": r"\pm",
            "·": r"\cdot",
            "•": r"\bullet",
            "\N{MINUS SIGN}": "-",
            "°": r"{}^{\circ}",
            "²": "{}^2",
            "³": "{}^3",
            "µ": r"\mu",
            "μ": r"\mu",
            "→": r"\rightarrow",
            "←": r"\leftarrow",
            "≤": r"\leq",
            "≥": r"\geq",
            "≈": r"\approx",
            "≠": r"\neq",
        }.items()
    },
}

#: The accents that every font encoding has, by combining character.
_ACCENTS = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0304": r"\=",
    "\u0306": r"\u",
    "\u0307": r"\.",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030b": r"\H",
    "\u030c": r"\v",
    "\u0323": r"\d",
    "\u0327": r"\c",
}

#: Words may be broken after this many characters, so that nothing sticks out of a narrow column.
_LONGEST_WORD, _BREAK_EVERY = 18, 10

#: Short text that is the same in LaTeX, as is most of a table.
_PLAIN = re.compile(r"[A-Za-z0-9.,:;()/=+ ]{0,18}|-")

_QUOTED = re.compile(r'"([^"]*)"')


def to_latex_text(text: str) -> str:
    """Text as one line of LaTeX; line breaks and control characters become spaces.

    Words may break after an underscore, and inside where they are long. What pdfTeX has no glyph
    for is ``\\anycharacter`` (`PREAMBLE`).
    """
    if _PLAIN.fullmatch(text):
        return text
    quoted = _QUOTED.sub("“\\1”", " ".join(text.split()))
    return " ".join(_word(word) for word in quoted.split(" "))


@lru_cache(maxsize=4096)  # the words of a table are mostly those of its other rows
def _word(word: str) -> str:
    """A word that may break after an underscore, and anywhere in a part that is still too long."""
    pieces = re.findall(r"[^_]*_|[^_]+", word)
    return "".join(map(_piece, pieces))


def _piece(piece: str) -> str:
    shown = [_character(character) for character in piece]
    for at in range(1, len(shown)):
        if piece[at - 1] == piece[at] == "-":  # else LaTeX joins them into a longer dash
            shown[at] = "{}-"
    if len(piece) <= _LONGEST_WORD:
        return "".join(shown)
    parts = ("".join(shown[at : at + _BREAK_EVERY]) for at in range(0, len(shown), _BREAK_EVERY))
    return r"\allowbreak{}".join(parts)


def _character(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if " " <= character <= "~":
        return character
    letter, *accents = list(unicodedata.normalize("NFD", character))
    if letter.isascii() and len(accents) == 1 and accents[0] in _ACCENTS:
        return f"{_ACCENTS[accents[0]]}{{{letter}}}"
    if unicodedata.category(character).startswith("C"):  # control, unassigned, surrogate
        return ""
    return f"\\anycharacter{{{ord(character):04X}}}"
