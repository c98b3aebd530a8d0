"""SGF as it is found in the wild, made fit for a strict parser: bytes in, one clean text a game out.

Encodings are those that Go programs have used: UTF-8, GBK (GB18030), Shift-JIS, EUC-KR, Latin-1; the CA property is believed
where the bytes agree with it. Nothing here knows Go.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator
from typing import Final

MAX_GAME_BYTES: Final = 16 << 20
"""A longer game is none that a person or a program has played."""

_CA: Final = re.compile(rb"(?<![A-Za-z])C[a-z]*A[a-z]*\s*\[\s*([^\]\s]{1,40})\s*\]")
_GUESSES: Final = ("gb18030", "shift_jis", "euc_kr")
_HIGH: Final = re.compile(rb"[\x80-\xff]")
_ACCENTED: Final = re.compile(rb"(?<![\x80-\xff])[\xc0-\xff](?![\x80-\xff])")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class SgfTextError(ValueError):
    """No game can be made of the bytes; the message says why."""


def decode(data: bytes) -> tuple[str, str]:
    """The text of SGF bytes, and the encoding that it was read by.

    A byte order mark decides; then UTF-8, which other text hardly ever is by chance; then the CA property, if all bytes agree; then
    Latin-1 for single accented letters; then the first guess that the bytes agree with; Latin-1, which everything agrees with, at
    last.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), encoding
    if data.isascii():
        return data.decode("ascii"), "ascii"
    candidates = ["utf-8"]
    named = _CA.search(data)
    if named:
        name = named[1].decode("ascii", "replace").lower()
        with contextlib.suppress(LookupError):
            candidates.append(codecs.lookup({"gb2312": "gb18030", "gbk": "gb18030"}.get(name, name)).name)
    if len(_ACCENTED.findall(data)) < len(_HIGH.findall(data)):  # "Müller" is valid GBK too
        candidates += _GUESSES
    for encoding in candidates:
        try:
            return data.decode(encoding), encoding
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1"), "latin-1"


def split_games(text: str) -> Iterator[tuple[int, str]]:
    """The game trees of a collection: (offset, text of one tree, brackets closed).

    What stands between trees is skipped. A tree that the file's end cuts short is closed; a property value that has no end is
    given one. Nesting is followed without recursion.
    """
    position, length = 0, len(text)
    while True:
        start = text.find("(", position)
        if start < 0:
            return
        if not re.match(r"\(\s*;", text[start : start + 200]):
            position = start + 1
            continue
        end, depth, in_value = _end_of_tree(text, start, length)
        game = text[start:end]
        if in_value:
            # A value with an odd backslash at its end would swallow the bracket.
            game = (game[:-1] if game.endswith("\\") else game) + "]"
        yield start, game + ")" * depth
        position = end


_MARKS: Final = re.compile(r"[()\[]")
_VALUE_END: Final = re.compile(r"(?:[^\\\]]|\\.)*\]", re.DOTALL)


def _end_of_tree(text: str, start: int, length: int) -> tuple[int, int, bool]:
    """Where the tree that begins at `start` ends, how many brackets are still open there, whether inside a value."""
    depth, position = 0, start
    while True:
        mark = _MARKS.search(text, position)
        if mark is None:
            return length, depth, False
        letter = mark[0]
        position = mark.end()
        if letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                return position, 0, False
        else:
            value = _VALUE_END.match(text, position)
            if value is None:
                return length, depth, True
            position = value.end()
