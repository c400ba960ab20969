"""The line of a mistake: where a key stands in the text of a file.

The standard library's parser forgets lines, and a mistake without one sends its reader searching the whole file.
This finder follows brackets and keys only; the parser has judged the text before.
"""

import re

_TOKEN = re.compile(
    r"""(?P<space>[^\S\n]+|\#[^\n]*)
      | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
      | (?P<mark>[\[\]{},=.\n])
      | (?P<word>[^\s\[\]{},=.\#"']+)""",
    re.VERBOSE | re.DOTALL,
)


class KeyLines:
    """Where each key of a TOML text stands: path (`alert.levels[1].over`) to line.

    The parser of the standard library tells the values only. The text is known to be valid when it comes here, so
    brackets and keys are all there is to follow; what a value says does not matter.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[str, int] = {}
        self._tokens: list[tuple[str, int]] = []
        line = 1
        for match in _TOKEN.finditer(text):
            if match.lastgroup != "space":
                self._tokens.append((match[0], line))
            line += match[0].count("\n")
        self._tokens.append(("", line))
        self._at = 0
        self._tables: dict[str, int] = {}
        self._document()

    def line(self, path: str) -> int:
        """The line of the path, else of what is around it, else 1."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return 1

    def _peek(self) -> str:
        return self._tokens[self._at][0]

    def _next(self) -> str:
        token = self._peek()
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _key(self, path: str, *, array: bool = False) -> str:
        """Reads a dotted key and gives its path, inside the newest table where a part is an array of tables."""
        while True:
            line = self._tokens[self._at][1]
            part = self._next()
            path = f"{path}.{part.strip(chr(34) + chr(39))}".removeprefix(".")
            self.lines.setdefault(path, line)
            more = self._peek() == "."
            if array and not more:
                self._tables[path] = self._tables.get(path, -1) + 1
            if path in self._tables:
                path = f"{path}[{self._tables[path]}]"
                self.lines.setdefault(path, line)
            if not more:
                return path
            self._next()

    def _document(self) -> None:
        table = ""
        while self._peek():
            if self._peek() == "\n":
                self._next()
            elif self._peek() == "[":
                self._next()
                array = self._peek() == "["
                if array:
                    self._next()
                table = self._key("", array=array)
                while self._peek() == "]":
                    self._next()
            else:
                path = self._key(table)
                self._next()
                self._value(path)

    def _value(self, path: str) -> None:
        self.lines.setdefault(path, self._tokens[self._at][1])
        opened = self._peek()
        if opened not in ("[", "{"):
            while self._peek() not in ("\n", ",", "]", "}", ""):
                self._next()
            return
        self._next()
        index = 0
        while self._peek() not in ("]", "}", ""):
            if self._peek() in ("\n", ","):
                self._next()
            elif opened == "[":
                self._value(f"{path}[{index}]")
                index += 1
            else:
                key = self._key(path)
                self._next()
                self._value(key)
        self._next()
