"""The answers in a learner's notebook, read without running any of it.

An answer is a Python literal: numbers, texts, lists, sets, dictionaries, None, `...` where it is still open.

Rules of this file: nothing of the learner's is executed.
"""

import ast

from wslab.grading.rebuild import source_of


class NoLiteral(Exception):
    """An answer cell holds something that would have to be run; the text says what."""


def cell_id(number):
    """The id of the answer cell of question `number`."""
    return f"answer-q{number}"


def name(number):
    """What the answer to question `number` is called in its cell."""
    return f"answer_{number}"


def value(notebook, number):
    """The answer to question `number`; `...` if its cell is missing or does not name one.

    Raises:
        NoLiteral: If it is none.
    """
    cells = [cell for cell in notebook["cells"] if cell.get("id") == cell_id(number) and cell["cell_type"] == "code"]
    found = ...
    for cell in cells[:1]:
        try:
            body = ast.parse(source_of(cell)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
            raise NoLiteral(f"the cell of {name(number)} is not Python: {exc}") from None
        for statement in body:
            if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == [
                name(number)
            ]:
                found = _literal(statement.value, number)
    return found


def _literal(node, number):
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise NoLiteral(
            f"{name(number)} has to be written out, as numbers, texts, lists, sets: nothing that is computed, called or "
            "named elsewhere is read"
        ) from None


def filled(notebook, answers):
    """`notebook` with these answers, by number, in their cells."""
    sources = {cell_id(number): f"{name(number)} = {answer!r}" for number, answer in answers.items()}
    cells = [
        cell | {"source": sources[cell["id"]]} if cell.get("id") in sources else cell for cell in notebook["cells"]
    ]
    return notebook | {"cells": cells}
