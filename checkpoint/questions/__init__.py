"""The twenty questions: `question(7)` shows one, `answer(7, answer_7)` judges, `agenda()` says which to take first."""

from .notebook import agenda, answer, question

__all__ = ["agenda", "answer", "question"]
