"""The twenty questions of the checkpoint: `question(7)` shows one, `answer(7, answer_7)` judges, `agenda()` says which first."""

from .notebook import agenda, answer, question

__all__ = ["agenda", "answer", "question"]
