"""On which line of a TOML text each key stands.

`tomllib` does not tell. The text has been parsed by it before, so that it is known to be valid: this scanner
has to find keys, not mistakes.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from hhsim.config.names import KEY, plain_key
from hhsim.config.problems import KeyPath, show

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(KEY)
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.S)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def locate(text: str) -> dict[str, int]:
    """The line, from 1, of every key and list element of `text`, by its path as `problems.show` has it."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[str, int] = {}
        self.newlines = [i for i, character in enumerate(text) if character == "\n"]
        self.counts: dict[str, int] = {}  # how often each [[table]] was opened so far

    def scan(self) -> dict[str, int]:
        table: KeyPath = ()
        while self._skip_blank():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _skip_blank(self) -> bool:
        """Go to the next thing that is neither white space nor a comment; False at the end of the text."""
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return self.at < len(self.text)

    def _header(self) -> KeyPath:
        several = self.text.startswith("[[", self.at)
        start = self.at
        self.at += 2 if several else 1
        keys = self._keys()
        self._skip_blank()
        self.at += 2 if several else 1
        path: KeyPath = ()
        for i, key in enumerate(keys):
            path = (*path, key)
            if i == len(keys) - 1 and several:
                self.counts[show(path)] = self.counts.get(show(path), 0) + 1
            if show(path) in self.counts:
                self._mark(path, start)
                path = (*path, self.counts[show(path)] - 1)
            self._mark(path, start)
        return path

    def _pair(self, table: KeyPath) -> None:
        start = self.at
        path = table
        for key in self._keys():
            path = (*path, key)
            self._mark(path, start)
        self._skip_blank()
        self.at += 1  # "="
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip_blank()
            match = _KEY.match(self.text, self.at)
            assert match is not None
            keys.append(plain_key(match.group()))
            self.at = match.end()
            self._skip_blank()
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        if self.text[self.at] == "[":
            self._items("]", path, lambda i: self._element((*path, i)))
        elif self.text[self.at] == "{":
            self._items("}", path, lambda _: self._pair(path))
        else:
            match = _STRING.match(self.text, self.at) or _SCALAR.match(self.text, self.at)
            assert match is not None
            self.at = match.end()

    def _element(self, path: KeyPath) -> None:
        self._mark(path, self.at)
        self._value(path)

    def _items(self, end: str, path: KeyPath, read: object) -> None:
        assert callable(read)
        self.at += 1
        index = 0
        while self._skip_blank() and self.text[self.at] != end:
            read(index)
            index += 1
            self._skip_blank()
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def _mark(self, path: KeyPath, at: int) -> None:
        self.lines.setdefault(show(path), bisect_left(self.newlines, at) + 1)
