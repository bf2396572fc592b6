"""Pieces of HTML; every text that comes in is escaped here and nowhere else."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Final

from flows.report.html.palette import see_through
from flows.report.tables import Row, StageTime, duration

__all__ = ["badge", "chart", "definition", "section", "stage_bar", "table", "tile"]

_TONES: Final = {
    "settled": "good",
    "pass": "good",
    "returned": "warn",
    "inconclusive": "warn",
    "failed": "bad",
    "fail": "bad",
}
_CODE: Final = frozenset({"Image", "Task definition", "path"})


def badge(text: str) -> str:
    """A word such as a stage or a verdict, in the colour of its meaning."""
    return f'<span class="badge {_TONES.get(text, "")}">{escape(text)}</span>'


def tile(label: str, value: str, tone: str = "") -> str:
    """One of the summary's tiles; `tone` is good, bad or nothing."""
    size = ' class="small"' if len(value) > 11 else ""
    return f'<div class="{tone}"><dt>{escape(label)}</dt><dd{size}>{escape(value)}</dd></div>'


def definition(values: Mapping[str, str]) -> str:
    """Names and values under each other."""
    pairs = (
        f"<dt>{escape(name)}</dt><dd>{_inline(name, value)}</dd>" for name, value in values.items()
    )
    return f"<dl>{''.join(pairs)}</dl>"


def section(heading: str, *parts: str, words: str = "", kind: str = "") -> str:
    """A card with a heading, a sentence about it, and what it holds."""
    about = f"<p>{escape(words)}</p>" if words else ""
    return f'<section class="{kind}"><h2>{escape(heading)}</h2>{about}{"".join(parts)}</section>'


def chart(name: str, description: str) -> str:
    """The place of a chart, with what it shows for those who cannot see it."""
    return (
        f'<div class="chart"><div id="{escape(name)}" role="img" '
        f'aria-label="{escape(description)}"></div></div>'
    )


def stage_bar(stages: Sequence[StageTime], colour: str) -> str:
    """
    The stages side by side, each as wide as it was long; `colour` marks the one
    under traffic.
    """
    parts = []
    for stage in stages:
        ground = see_through(colour, 0.5) if stage.stage == "shifting" else "var(--soft)"
        text = escape(f"{stage.stage} {duration(stage.seconds)}")
        style = f"flex:{stage.seconds:.2f} 1 0;background:{ground}"
        parts.append(f'<span style="{style}" title="{text}">{text}</span>')
    return f'<div class="stages" aria-hidden="true">{"".join(parts)}</div>' if parts else ""


def table(
    rows: Sequence[Row], *, numbers: Collection[str] = (), texts: Collection[str] = ()
) -> str:
    """
    Rows as a table; the first column heads its row.

    Args:
        rows: All with the same columns.
        numbers: Columns that are set to the right.
        texts: Columns of several words or lines.
    """
    if not rows:
        return ""
    kinds = {
        name: "number" if name in numbers else "text" if name in texts else "" for name in rows[0]
    }
    head = "".join(
        f'<th scope="col" class="{kind}">{escape(name)}</th>' for name, kind in kinds.items()
    )
    body = "".join(f"<tr>{''.join(_cells(row, kinds))}</tr>" for row in rows)
    rows_of = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{rows_of}</table></div>'


def _cells(row: Row, kinds: Mapping[str, str]) -> Iterable[str]:
    for number, (name, value) in enumerate(row.items()):
        tag = '<th scope="row">{}</th>' if number == 0 else f'<td class="{kinds[name]}">{{}}</td>'
        yield tag.format(_inline(name, value))


def _inline(name: str, value: str) -> str:
    if name in ("stage", "verdict"):
        return badge(value)
    return f"<code>{escape(value)}</code>" if name in _CODE else escape(value)
