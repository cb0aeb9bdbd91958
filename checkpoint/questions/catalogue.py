"""The twenty questions, in their order."""

from . import (
    diagram_1,
    diagram_2_calls,
    diagram_2_time,
    diagram_3_door,
    diagram_3_places,
    diagram_3_token,
    diagram_4_clients,
    diagram_4_orders,
    diagram_4_servers,
    diagram_4_slow,
    diagram_5_bytes,
    diagram_5_envelope,
    diagram_6,
    diagram_7,
)

MODULES = (
    diagram_1,
    diagram_2_time,
    diagram_2_calls,
    diagram_3_door,
    diagram_3_places,
    diagram_3_token,
    diagram_4_servers,
    diagram_4_slow,
    diagram_4_orders,
    diagram_4_clients,
    diagram_5_bytes,
    diagram_5_envelope,
    diagram_6,
    diagram_7,
)
QUESTIONS = {
    question.number: question
    for question in sorted((each for module in MODULES for each in module.QUESTIONS), key=lambda each: each.number)
}
ENOUGH = 17  # right ones that pass, with at least one for each diagram
GROUPS = range(1, 8)
ALSO = {14: 6, 7: 7}  # these count for a second diagram, too


def of_group(group):
    """The numbers of the questions that count for a diagram."""
    return [number for number, question in QUESTIONS.items() if group in (question.group, ALSO.get(number))]


def chances(seeds=1000):
    """How likely a guess is to be right, by number: for the luckiest of so many learners."""
    return {
        number: max(question.chance(question.drawn(f"{seed}/{number}/1")) for seed in range(seeds))
        for number, question in QUESTIONS.items()
    }
