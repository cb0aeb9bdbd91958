"""One HTTP event line by line as a picture: header and body apart, the true bytes of this run but for a port."""

from __future__ import annotations

from ..errors import say, say_many
from ..trace import Event
from .octets import HTTP
from .sections import heading, sections
from .strokes import sheet_of
from .theme import CLIENT, REST, SERVER, STORE, WIDTH_IN, drawable, escape, fit, measure

LETTER = 8.3
LINE, TOP = 0.235, 0.86  # inches


def png(event: Event) -> bytes:
    """Return the lines of `event` as an opaque PNG, 7.2 inches wide."""
    told = sections(event, varying=True)
    rows = sum(len(section.lines) + bool(section.title) for section in told)
    sheet = sheet_of(TOP + LINE * rows + 0.2)
    ink = CLIENT if event.up else SERVER
    way = say("{source} to {target}", source=escape(event.source), target=escape(event.target))
    sheet.text(0.16, 0.22, fit(f"{way}: {heading(event)}", 80), face="bold", size=13)
    facts = [say_many("{count} byte", "{count} bytes", event.wire_bytes)]
    if event.kind in HTTP:
        facts.append(say("each line of the head ends in \\r\\n"))
    sheet.text(0.16, 0.48, " · ".join(facts), size=9, color=REST)
    y, number = TOP, 0
    for section in told:
        if section.title:
            sheet.line([(0.12, y - LINE / 2), (WIDTH_IN - 0.12, y - LINE / 2)], color=STORE, weight=1.3)
            sheet.text(0.16, y, section.title, face="bold", size=LETTER, color=STORE)
            y += LINE
        for line, meaning in section.lines:
            if section.title:
                sheet.text(0.46, y, fit(drawable(line), 90), face="mono", size=LETTER, color=STORE)
            else:
                if number % 2 == 0:
                    sheet.box(0.12, y - LINE / 2, WIDTH_IN - 0.24, LINE, edge="none", fill="#edeff3", weight=0)
                number += 1
                sheet.text(0.36, y, str(number), size=7, color=REST, across="right")
                shown = line.removesuffix(r"\r\n") if event.kind in HTTP else line
                name, mark, value = fit(drawable(shown), 66).partition(":" if number > 1 else "\0")
                face = "monobold" if number == 1 else "mono"
                sheet.text(0.46, y, name + mark, face=face, size=LETTER, color=ink)
                x = 0.46 + measure(name + mark + "|", "mono", LETTER)
                sheet.text(x, y, value.strip(), face="mono", size=LETTER)
                sheet.text(WIDTH_IN - 0.18, y, meaning, face="italic", size=7.8, color=REST, across="right")
            y += LINE
    return sheet.png()
