"""What a run answers to one item of a reporting guideline, and what it leaves to the author."""

from collections.abc import Callable
from typing import NamedTuple

from immunosep.biomarkers.reporting.facts import Facts


class Answer(NamedTuple):
    """The answer to one item.

    Attributes
    ----------
    says
        What the run says; empty where it knows nothing.
    by_hand
        What the author has to add; empty where nothing is missing.
    """

    says: str
    by_hand: str = ""

    @property
    def status(self) -> str:
        """Whether the item is `filled`, filled `partly`, or to be filled in `by hand`."""
        if not self.says:
            return "by hand"
        return "partly" if self.by_hand else "filled"


Filler = Callable[[Facts], Answer]


def ask_author(what: str) -> Filler:
    """Return a filler for an item about which a run knows nothing."""
    return lambda _: Answer("", what)
