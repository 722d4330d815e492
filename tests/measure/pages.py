"""HTML pages as text, which close what they open."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

OPEN = {"meta", "br", "link", "img", "hr"}  # elements without an end


class Page(HTMLParser):
    """The text of a page whose elements all close, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in OPEN:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> str:
    page = Page()
    page.feed(html)
    page.close()
    assert not page.open
    return page.text
