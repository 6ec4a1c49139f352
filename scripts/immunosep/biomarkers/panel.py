"""A small panel of markers that half of the participants would choose again.

Stability selection with complementary pairs: how often a feature is among the first that enter a lasso path, over
random halves of the participants. Sources: Meinshausen and Buehlmann 2010 (doi 10.1111/j.1467-9868.2010.00740.x), Shah
and Samworth 2013 (doi 10.1111/j.1467-9868.2011.01034.x); stability index of Nogueira 2018
(jmlr.org/papers/v18/17-514.html).
"""

import logging
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, lars_path
from sklearn.preprocessing import StandardScaler

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

#: Features that may enter the path of a half: a lasso path over thousands of correlated columns is slow, and the first
#: to enter are among those that go with the class by themselves.
SCREENED = 200


class Stability(NamedTuple):
    """How stable the choice is.

    Attributes
    ----------
    frequency
        (D,) share of the halves in which each feature was chosen.
    phi
        Nogueira's index: 1 where every half chooses the same features, 0 where halves agree by chance alone.
    entered
        How many features counted as chosen in a half.
    expected_false
        Bound of the expected number of features without any signal among those that reach the frequency.
    """

    frequency: Array
    phi: float
    entered: int
    expected_false: float


@dataclass(frozen=True)
class PanelRule:
    """How a panel is chosen; names as in `biomarkers.panel` of the configuration.

    Attributes
    ----------
    size
        Markers at most.
    pairs
        Complementary pairs of halves.
    expected_false
        Bound of the expected number of features without any signal in the panel. It decides how many features count as
        chosen in a half.
    frequency
        Share of the halves that a marker of the panel needs; above one half.
    """

    size: int
    pairs: int
    expected_false: float
    frequency: float

    def entered(self, features: int) -> int:
        """Return how many features count as chosen in a half: the most for which the bound holds."""
        return max(1, int(np.sqrt(self.expected_false * (2 * self.frequency - 1) * features)))


@dataclass
class Panel:
    """A panel and the model on it.

    Attributes
    ----------
    columns
        Chosen columns, the most stable first; may be empty.
    stability
        Of all columns.
    imputer, scaler, model
        Fitted on the training rows; the model on the chosen columns alone, None for an empty panel.
    prior
        Log odds of class 1 in training.
    """

    columns: NDArray[np.intp]
    stability: Stability
    imputer: SimpleImputer
    scaler: StandardScaler
    model: LogisticRegression | None
    prior: float

    def evidence(self, values: Array) -> Array:
        """Return log odds less the prior, shape (n,): zero for everyone where no marker was stable."""
        if self.model is None:
            return np.zeros(len(values))
        scaled = self.scaler.transform(self.imputer.transform(values))[:, self.columns]
        return np.asarray(self.model.decision_function(scaled)) - self.prior


def choose_panel(values: Array, labels: NDArray[np.integer], rule: PanelRule, seed: int) -> Panel:
    """Choose a panel and fit a lightly penalised logistic regression on it.

    Parameters
    ----------
    values
        (n, D) a row per participant, NaN where not measured; training participants only.
    labels
        (n,) 0 or 1, at least two of each.
    rule
        How.
    seed
        Seed of the halves.
    """
    imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(values)
    filled = imputer.transform(values)
    scaler = StandardScaler().fit(filled)
    scaled = scaler.transform(filled)
    stability = select_stable(scaled, labels, rule, seed)
    order = np.lexsort((np.arange(stability.frequency.size), -stability.frequency))
    columns = order[stability.frequency[order] >= rule.frequency][: rule.size]
    share = labels.mean()
    prior = float(np.log(share / (1 - share)))
    model = LogisticRegression(C=1.0, max_iter=2000).fit(scaled[:, columns], labels) if columns.size else None
    return Panel(columns, stability, imputer, scaler, model, prior)


def select_stable(scaled: Array, labels: NDArray[np.integer], rule: PanelRule, seed: int) -> Stability:
    """Count how often each feature enters first.

    Parameters
    ----------
    scaled
        (n, D) standardised, no gaps.
    labels
        (n,) 0 or 1.
    rule, seed
        As in `choose_panel`.

    Notes
    -----
    Halves are drawn within class, so that a rare class is in each. The bound is q^2 / ((2 pi - 1) D) with q features
    entered of D and the frequency pi.
    """
    generator = np.random.default_rng(seed)
    features = scaled.shape[1]
    entered = rule.entered(features)
    halves = np.zeros((2 * rule.pairs, features), dtype=bool)
    for pair in range(rule.pairs):
        first = np.zeros(labels.size, dtype=bool)
        for value in (0, 1):
            members = generator.permutation(np.flatnonzero(labels == value))
            first[members[: members.size // 2]] = True
        for place, half in enumerate((first, ~first)):
            halves[2 * pair + place, _enter_first(scaled[half], labels[half], entered)] = True
    frequency = halves.mean(axis=0)
    bound = entered**2 / ((2 * rule.frequency - 1) * features)
    return Stability(frequency, nogueira(halves), entered, bound)


def _enter_first(scaled: Array, labels: NDArray[np.integer], count: int) -> NDArray[np.intp]:
    """Return the first features of the lasso path of the centred class on one half."""
    target = labels - labels.mean()
    centred = scaled - scaled.mean(axis=0)
    spread = np.sqrt(np.square(centred).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        units = np.where(spread > 1e-9 * np.sqrt(len(centred)), centred / spread, 0.0)
    strength = np.abs(units.T @ target)
    order = np.lexsort((np.arange(strength.size), -strength))[: min(SCREENED, strength.size)]
    screened = order[strength[order] > 0]
    if not screened.size:
        return screened
    # A feature may leave the path and come back: ask for more steps than features.
    _, _, coefficients = lars_path(units[:, screened], target, method="lasso", max_iter=4 * count, return_path=True)
    entered = (coefficients != 0).cumsum(axis=1) > 0
    arrival = np.where(entered.any(axis=1), entered.argmax(axis=1), entered.shape[1])
    first = np.lexsort((np.arange(arrival.size), arrival))
    first = first[arrival[first] < entered.shape[1]][:count]
    return np.asarray(screened[first])


def nogueira(chosen: NDArray[np.bool_]) -> float:
    """Return the stability index of feature choices.

    Parameters
    ----------
    chosen
        (choices, D).

    Returns
    -------
    float
        At most 1; NaN where every choice takes nothing or everything.
    """
    choices, features = chosen.shape
    share = chosen.mean(axis=0)
    mean_size = chosen.sum(axis=1).mean() / features
    if choices < 2 or not 0 < mean_size < 1:
        return float("nan")
    variance = (share * (1 - share)).mean() * choices / (choices - 1)
    return float(1 - variance / (mean_size * (1 - mean_size)))
