"""The code blocks of README.md and docs/, and what an HTML comment on the line before one says about it.

    <!-- not run: why -->                        nothing is checked
    <!-- in: examples/card_risk.yaml -->         YAML: a part of, or a policy for, that contract
    <!-- given: const featlib::Contract& c -->   C++: parameters of the function whose body this is
    <!-- from: examples/cpp_embed/main.cpp -->   each line stands in that file
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(r"(?:^<!-- (?P<how>[a-z ]+): (?P<what>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: `line` is its first, counted from 1 in its page; `how` and `what` its marker, or ""."""

    page: str
    line: int
    language: str
    text: str
    how: str
    what: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    """All blocks, or those in some languages that are not marked `not run`."""
    found = []
    for page in NAMES:
        for match in FENCE.finditer(text_of(page)):
            line = text_of(page)[: match.start("text")].count("\n") + 1
            found.append(Block(page, line, match["language"], match["text"], match["how"] or "", match["what"] or ""))
    return [block for block in found if not languages or (block.language in languages and block.how != "not run")]


def prose(page: str) -> str:
    """A page without its blocks."""
    return FENCE.sub("", text_of(page))
