"""Building blocks of the pages in HTML, which need no network and no other file."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from PIL import Image

from nca.reports.finding import Finding
from nca.reports.style import STYLE
from nca.reports.table import Table


def document(title: str, parts: Sequence[str]) -> str:
    """Return a whole page.

    Args:
        title: Plain text.
        parts: HTML, one below the other.
    """
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def answered(headline: str, findings: Sequence[Finding]) -> str:
    """Return the verdict: one sentence, then each question with its answer and figures."""
    rows = "\n".join(_finding(finding) for finding in findings)
    return (
        f"<section class=verdict><p class=headline>{escape(headline)}</p>\n"
        f"<dl>{rows}</dl></section>"
    )


def section(title: str, parts: Sequence[str]) -> str:
    """Return HTML under a heading."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def figure(picture: Image.Image, caption: str, *, chart: bool = False) -> str:
    """Return a picture, inside the page, above its caption; the first sentence stands for it.

    Args:
        picture: Anything drawn.
        caption: Plain text.
        chart: Whether it is ink on white, and shall turn dark where the page does.
    """
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    data = base64.b64encode(content.getvalue()).decode()
    caption, kind = escape(caption), " class=chart" * chart
    return (
        f'<figure><img{kind} src="data:image/png;base64,{data}" width={picture.width} '
        f'alt="{caption.partition(".")[0]}"><figcaption>{caption}</figcaption></figure>'
    )


def definitions(given: Mapping[str, str]) -> str:
    """Return words and what they mean, side by side."""
    rows = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in given.items())
    return f"<dl class=words>{rows}</dl>"


def table(given: Table) -> str:
    """Return a table, words to the left and numbers to the right."""
    heads = "".join(
        f"<th{' class=word' * (place < given.words)}>{escape(column)}</th>"
        for place, column in enumerate(given.columns)
    )
    rows = []
    for before, row in pairwise([[""] * len(given.columns), *given.rows]):
        # a word is written once, and again where anything to its left has changed
        same = 0
        while same < given.words - 1 and before[same] == row[same]:
            same += 1
        cells = [
            f"<td class=word>{'' if place < same else escape(cell)}</td>"
            if place < given.words
            else f"<td>{escape(cell)}</td>"
            for place, cell in enumerate(row)
        ]
        rows.append(f"<tr{' class=first' * (not same)}>{''.join(cells)}</tr>")
    return (
        f"<div class=table tabindex=0><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _finding(finding: Finding) -> str:
    mood = {True: "good", False: "bad", None: "open"}[finding.good]
    if finding.answer == "partly":
        mood = "half"
    return (
        f"<div><dt>{escape(finding.question)} <span class={mood}>{finding.answer}</span></dt>"
        f"<dd>{escape(finding.words)}</dd></div>"
    )
