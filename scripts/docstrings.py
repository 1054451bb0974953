"""What the reference of the site makes of docstrings before they are parsed: an extension of griffe, which mkdocstrings reads with."""

import re
from typing import Any

import griffe

SEVERAL = re.compile(r"^(?P<indent> +)(?P<names>[\w.]+(?:, [\w.]+)+)(?P<rest>: .*)$")
"""The first line of an entry for several arguments, attributes or errors that are described together."""


class Docstrings(griffe.Extension):
    """Gives each name an entry of its own, and examples the form of code."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = fence_examples(split_entries(obj.docstring.value))


def split_entries(text: str) -> str:
    """Turns `a, b: what they are` into an entry for each name, with the lines that go with it."""
    lines, done = text.splitlines(), []
    while lines:
        line = lines.pop(0)
        found = SEVERAL.match(line)
        if found is None:
            done.append(line)
            continue
        more = []
        while lines and lines[0].startswith(found["indent"] + " "):
            more.append(lines.pop(0))
        for name in found["names"].split(", "):
            done += [f"{found['indent']}{name}{found['rest']}", *more]
    return "\n".join(done)


def fence_examples(text: str) -> str:
    """Puts what an interpreter was asked, and what it answered, into blocks of code."""
    return re.sub(r"^( *)>>> .*(?:\n\1\S.*)*", lambda found: fence(found[0], found[1]), text, flags=re.MULTILINE)


def fence(example: str, indent: str) -> str:
    """A block of code, with empty lines around it as Markdown needs."""
    return f"{indent}```pycon\n{example}\n{indent}```"
