"""One population of the trial, as a whole or one endotype of it, and the comparisons of its arms as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunosep.errors import InputError
from immunosep.stats.comparisons import (
    BoolArray,
    Estimate,
    FloatArray,
    adjusted_difference,
    hazard_ratio,
    risk_difference,
    stratified_odds_ratio,
    welch,
    win_probability,
)
from immunosep.stats.populations import POPULATIONS, populations

EXPLORATORY: Final = "exploratory, not powered for mortality"
ALL: Final = "all"
ENDOTYPES: Final = ("MALS", "SII")
ARMS: Final = ("active", "placebo")
TESTS: Final = {
    "mean_difference": "Welch's t-test",
    "adjusted_mean_difference": "linear regression on arm, baseline SOFA, endotype and country",
    "risk_difference": "Newcombe's interval, Fisher's exact test",
    "odds_ratio": "Mantel-Haenszel over endotype and country, Cochran-Mantel-Haenszel test",
    "hazard_ratio": "Cox regression, ties by Efron, Wald test",
    "stratified_hazard_ratio": "Cox regression stratified by endotype and country, ties by Efron, Wald test",
    "win_probability": "probability to do better than a participant on placebo, Mann-Whitney test",
}
"""What makes the interval and the p value of each measure."""

Row = dict[str, Any]


def numeric(values: pd.Series) -> FloatArray:
    """Return a column of text as numbers; NaN where empty."""
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)


@dataclass(frozen=True)
class Group:
    """The participants of one population and endotype.

    Attributes
    ----------
    population, name
        Name of the population; `all` or an endotype.
    table
        One row per participant: `arm` and the other columns of the label table, as text.
    level
        Coverage of the intervals.
    """

    population: str
    name: str
    table: pd.DataFrame
    level: float

    @property
    def active(self) -> BoolArray:
        """Tell who was randomised to the active arm."""
        return (self.table["arm"] == "active").to_numpy()

    @property
    def strata(self) -> npt.NDArray[Any]:
        """Name each participant's endotype and country: what the adjusted comparisons stratify by."""
        return (self.table["endotype"] + "/" + self.table["country"]).to_numpy()

    def _row(self, endpoint: str, measure: str, made: Estimate, arms: Row) -> Row:
        return {
            "population": self.population,
            "group": self.name,
            "endpoint": endpoint,
            "measure": measure,
            **arms,
            "estimate": made.value,
            "low": made.low,
            "high": made.high,
            "p_value": made.p_value,
            "test": TESTS[measure],
            "note": made.note,
        }

    def _means(self, value: FloatArray, known: BoolArray) -> Row:
        described: Row = {}
        for arm, own in (("active", value[known & self.active]), ("placebo", value[known & ~self.active])):
            described[f"n_{arm}"] = len(own)
            described[f"mean_{arm}"] = own.mean() if len(own) else np.nan
            described[f"sd_{arm}"] = own.std(ddof=1) if len(own) > 1 else np.nan
        return described

    def _events(self, event: BoolArray, known: BoolArray) -> Row:
        described: Row = {}
        for arm, own in (("active", event[known & self.active]), ("placebo", event[known & ~self.active])):
            described[f"n_{arm}"] = len(own)
            described[f"events_{arm}"] = int(own.sum())
            described[f"share_{arm}"] = own.mean() if len(own) else np.nan
        return described

    def compare_means(self, endpoint: str, value: FloatArray) -> Row:
        """Compare a mean by Welch's t-test; `value` is NaN where missing."""
        known = ~np.isnan(value)
        made = welch(value[known & self.active], value[known & ~self.active], self.level)
        return self._row(endpoint, "mean_difference", made, self._means(value, known))

    def compare_adjusted_means(self, endpoint: str, value: FloatArray) -> Row:
        """Compare a mean, adjusted for baseline SOFA, endotype and country."""
        baseline = numeric(self.table["sofa_baseline"])
        known = ~np.isnan(value) & ~np.isnan(baseline)
        levels = pd.get_dummies(self.table.loc[known, ["endotype", "country"]], drop_first=True)
        covariates = np.column_stack([baseline[known], levels.to_numpy(dtype=float)])
        made = adjusted_difference(value[known], self.active[known], covariates, self.level)
        return self._row(endpoint, "adjusted_mean_difference", made, self._means(value, known))

    def compare_ranks(self, endpoint: str, value: FloatArray) -> Row:
        """Compare an order of which less is better; means of it say nothing."""
        known = ~np.isnan(value)
        active, placebo = value[known & self.active], value[known & ~self.active]
        counts = {"n_active": len(active), "n_placebo": len(placebo)}
        return self._row(endpoint, "win_probability", win_probability(active, placebo, self.level), counts)

    def compare_shares(self, endpoint: str, event: BoolArray, known: BoolArray) -> Row:
        """Compare the share of participants with an event among those of whom it is known."""
        arms = self._events(event, known)
        active, placebo = ((arms[f"events_{arm}"], arms[f"n_{arm}"]) for arm in ARMS)
        return self._row(endpoint, "risk_difference", risk_difference(active, placebo, self.level), arms)

    def compare_odds(self, endpoint: str, event: BoolArray, known: BoolArray) -> Row:
        """Compare the odds of an event within endotype and country."""
        made = stratified_odds_ratio(event[known], self.active[known], self.strata[known], self.level)
        return self._row(endpoint, "odds_ratio", made, self._events(event, known))

    def compare_survival(self, horizon: int, *, stratified: bool) -> Row:
        """Compare mortality until a horizon, with one baseline hazard or one for each endotype and country."""
        time, event = (
            numeric(self.table[f"time_to_death_{horizon}"]),
            (self.table[f"event_{horizon}"] == "1").to_numpy(),
        )
        known = ~np.isnan(time)
        strata = self.strata[known] if stratified else None
        made = hazard_ratio(time[known], event[known], self.active[known], strata, self.level)
        measure = "stratified_hazard_ratio" if stratified else "hazard_ratio"
        row = self._row(f"death_{horizon}", measure, made, self._events(event, known))
        return row | {"note": "; ".join(text for text in (EXPLORATORY, made.note) if text)}


def groups(labels: pd.DataFrame, participants: pd.DataFrame, level: float) -> Iterator[Group]:
    """Yield every population as a whole and by endotype.

    Parameters
    ----------
    labels
        The label table of the role `unblinded`, text.
    participants
        The clinical table, text.
    level
        Coverage of the intervals.

    Raises
    ------
    InputError
        When a randomised participant has no arm.
    """
    table = labels.set_index("participant")
    without = int(((table["randomised"] == "yes") & ~table["arm"].isin(ARMS)).sum())
    if without:
        raise InputError(f"{without} randomised participants have no arm; complete the allocation table.")
    members = populations(labels, participants)
    for population in POPULATIONS:
        own = table.loc[members[population]]
        yield Group(population, ALL, own, level)
        for endotype in ENDOTYPES:
            yield Group(population, endotype, own[own["endotype"] == endotype], level)
