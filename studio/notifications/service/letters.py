"""Writes mail to people: the same letter as plain text and as HTML."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field

_FONT = "font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:15px;line-height:1.5;color:#1f2933"
_LABEL = "padding:2px 24px 2px 0;color:#52606d;vertical-align:top;white-space:nowrap"
_VALUE = "padding:2px 0"
_LINK = "color:#1f5fa8"


@dataclass(frozen=True)
class Letter:
    """What a mail says.

    Attributes:
        headline: One sentence.
        facts: Values by label.
        figures: Numbers by name; None where one is undefined.
        figures_title: What the numbers are.
        links: Addresses by what is found there.
    """

    headline: str
    facts: Mapping[str, str]
    links: Mapping[str, str]
    figures: Mapping[str, float | None] = field(default_factory=dict)
    figures_title: str = ""


def write_text(letter: Letter) -> str:
    """The letter for readers of plain text."""
    parts = [_one_line(letter.headline), _columns({label: _one_line(value) for label, value in letter.facts.items()})]
    if letter.figures:
        parts.append(f"{letter.figures_title}:\n{_columns(_written(letter.figures), indent='  ')}")
    parts += [f"{label}:\n{address}" for label, address in letter.links.items()]
    return "\n\n".join(parts) + "\n"


def write_html(letter: Letter) -> str:
    """The letter for all others; it loads nothing from anywhere."""
    parts = [f'<h1 style="font-size:20px;margin:0 0 16px">{html.escape(letter.headline)}</h1>', _table(letter.facts)]
    if letter.figures:
        parts += [
            f'<h2 style="font-size:16px;margin:24px 0 8px">{html.escape(letter.figures_title)}</h2>',
            _table(_written(letter.figures)),
        ]
    for label, address in letter.links.items():
        link = f'<a style="{_LINK}" href="{html.escape(address)}">{html.escape(label)}</a>'
        parts.append(f'<p style="margin:16px 0 0">{link}</p>')
    return f'<!doctype html>\n<html lang="en"><body style="{_FONT}">\n' + "\n".join(parts) + "\n</body></html>\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _columns(values: Mapping[str, str], indent: str = "") -> str:
    width = max(map(len, values), default=0)
    return "\n".join(f"{indent}{label:<{width}}  {value}" for label, value in values.items())


def _table(values: Mapping[str, str]) -> str:
    rows = [
        f'<tr><td style="{_LABEL}">{html.escape(label)}</td><td style="{_VALUE}">{html.escape(value)}</td></tr>'
        for label, value in values.items()
    ]
    return f'<table style="border-collapse:collapse;{_FONT}">' + "".join(rows) + "</table>"


def _written(figures: Mapping[str, float | None]) -> dict[str, str]:
    return {name: "-" if value is None else f"{value:.4g}" for name, value in figures.items()}
