"""Makers of what is released of single outputs: aggregates, and files that go out whole on a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from immunosep import aggregates as agg
from immunosep.biomarkers.splits import folds_digest
from immunosep.blinding import hidden_features
from immunosep.io import read_h5ad, read_table
from immunosep.masking import is_hidden
from immunosep.surrogates import surrogate

RESULTS: Final = Path("results")
_LABELS: Final = ("country", "endotype", "borderline", "both_criteria", "sofa_response", "reversal_d15")
_ARMS: Final = ("n_active", "n_placebo", "events_active", "events_placebo")
_EVENTS: Final = (("events_active", "n_active"), ("events_placebo", "n_placebo"))
_DEATHS: Final = (("emergency_unblinded", "n"), ("deaths_28", "deaths_90"), ("deaths_90", "n"))
_PERFORMANCE_KEYS: Final = ["model", "feature_set", "class"]


class LeftOut(Exception):
    """An output is not released in this run; the message is the reason."""


@dataclass(frozen=True)
class Release:
    """What the makers of aggregates need.

    Attributes
    ----------
    config
        Checked configuration.
    secret
        Of the surrogates.
    """

    config: Mapping[str, Any]
    secret: bytes

    @property
    def k(self) -> int:
        """Smallest number of participants that may be told."""
        return int(self.config["report"]["min_group"])

    @property
    def controls(self) -> frozenset[str]:
        """Tasks that are negative controls."""
        tasks = self.config["biomarkers"]["tasks"]
        return frozenset(name for name, task in tasks.items() if task is not None and task["control"])

    def table(self, name: str) -> pd.DataFrame:
        """Read a table of the results."""
        path = RESULTS / name
        if not path.is_file():
            raise LeftOut(f"needs results/{name}, which is not there")
        return read_table(path)

    def performance(self, task: str) -> pd.DataFrame:
        """Read the performance of a task's models, refused where a class is small."""
        table = self.table(f"biomarkers/{task}/performance.tsv")
        if len(agg.large_classes(table, self.k)) < len(table) or table["n"].eq("").any():
            raise LeftOut(f"a class has fewer than {self.k} participants, or there is no model")
        return table


def _tsv(table: pd.DataFrame) -> bytes:
    return table.to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n").encode()


def _completeness(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    table = release.table(place)
    table["state"] = table["reason"].where(table["reason"] != "", table["status"])
    return {place: _tsv(agg.count_by(table, ["layer", "specimen", "visit_day"], "state", release.k))}


def _rejected(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    table = release.table(place)
    samples = table[table["participant"] != ""]
    return {"intake/left_out.tsv": _tsv(agg.count_by(samples, ["layer"], "reason", release.k))}


def _verdicts(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    libraries = release.table("intake/libraries.tsv")
    sites = sorted(set(libraries["site"]) - {""})
    names = pd.Series({site: surrogate(release.secret, "site", site, prefix="S") for site in sites}, dtype=str)
    return {"qc/by_site.tsv": _tsv(agg.verdicts_by_site(release.table(place), libraries, names, release.k))}


def _qc_summary(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    verdicts, libraries = release.table("qc/verdicts.tsv"), release.table("intake/libraries.tsv")
    return {place: _tsv(agg.verdicts_by_layer(verdicts, libraries, release.k))}


def _peaks(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    lines = [line.split("\t") for line in (RESULTS / place).read_text(encoding="utf-8").splitlines()]
    if any(len(line) != 6 for line in lines):
        raise LeftOut("the peaks were given, and not called in the cohort")
    return {place: "".join("\t".join(line) + "\n" for line in lines if int(line[5]) >= release.k).encode()}


def _assays(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    table = release.table(place)
    hidden = hidden_features(release.config)
    return {place: _tsv(table if hidden is None else table[~is_hidden(table, "proteome", hidden)])}


def _genera(release: Release, place: str, words: Mapping[str, str]) -> dict[str, bytes]:
    source = RESULTS / f"microbiome/{words['site']}.h5ad"
    if not source.is_file():
        raise LeftOut(f"needs {source}, which is not there")
    data = read_h5ad(source)
    present = pd.DataFrame(data.layers["counts"] > 0, columns=data.var_names)
    return {place: _tsv(agg.common_genera(release.table(place), present, data.obs["participant"], release.k))}


def _labels(release: Release, _: str, __: Mapping[str, str]) -> dict[str, bytes]:
    return {"labels/counts.tsv": _tsv(agg.label_counts(release.table("labels/labels.tsv"), _LABELS, release.k))}


def _endpoints(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    return {place: _tsv(agg.describe_endpoints(release.table(place), release.k))}


def _landmarks(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    return {place: _tsv(agg.suppress_columns(release.table(place), ["landmark_day"], release.k))}


def _counted(
    *columns: str, parts: Sequence[tuple[str, str]] = ()
) -> Callable[[Release, str, Mapping[str, str]], dict[str, bytes]]:
    """Return a maker that leaves out the rows with a small count, or a small rest of one, in one of the columns.

    And of the trial's statistics those that differ from others by a small count.
    """

    def make(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
        table = agg.without_small(release.table(place), columns, release.k, parts)
        if place.startswith("trial/"):
            table = agg.without_near(table, columns, release.k)
        return {place: _tsv(table)}

    return make


def _performance(release: Release, place: str, words: Mapping[str, str]) -> dict[str, bytes]:
    table = agg.large_classes(release.table(place), release.k)
    if words["task"] in release.controls:
        # The classes of a control by the site are the sites.
        table = table.assign(**{"class": [_without_site(release, name) for name in table["class"]]})
    return {place: _tsv(table)}


def _without_site(release: Release, name: str) -> str:
    """Return the name of a class with the surrogate of the site in it, if it names one."""
    site = name.removeprefix("site ")
    return name if site == name else f"site {surrogate(release.secret, 'site', site, prefix='S')}"


def _curves(release: Release, place: str, words: Mapping[str, str]) -> dict[str, bytes]:
    large = release.performance(words["task"])[_PERFORMANCE_KEYS].drop_duplicates()
    table = release.table(place).merge(large, on=_PERFORMANCE_KEYS)
    few = (table["curve"] == "calibration") & (
        pd.to_numeric(table["n"], errors="coerce") < release.config["report"]["min_bin"]
    )
    return {place: _tsv(table[~few])}


def _whole(release: Release, place: str, words: Mapping[str, str]) -> dict[str, bytes]:
    """Hand on a file about a task whose classes are all large enough."""
    release.performance(words["task"])
    return {place: (RESULTS / place).read_bytes()}


def _coefficients(release: Release, place: str, words: Mapping[str, str]) -> dict[str, bytes]:
    from immunosep.biomarkers.frozen import coefficients

    release.performance(words["task"])
    return {place.replace("model.skops", "coefficients.tsv"): _tsv(coefficients(RESULTS / place))}


def _folds(release: Release, place: str, _: Mapping[str, str]) -> dict[str, bytes]:
    folds = release.table(place)
    if folds.empty:
        raise LeftOut("the task was not run")
    counts = agg.count_by(folds, ["repeat"], "fold", release.k)
    return {
        place: _tsv(
            counts.rename(columns=lambda name: name if name == "repeat" else f"fold_{name}").assign(
                digest=folds_digest(folds)
            )
        )
    }


# One for each pattern of the table of outputs whose release is "aggregate".
MAKERS: Final[dict[str, Callable[[Release, str, Mapping[str, str]], dict[str, bytes]]]] = {
    "intake/completeness.tsv": _completeness,
    "intake/rejected.tsv": _rejected,
    "intake/confounding.tsv": _counted("n"),
    "qc/verdicts.tsv": _verdicts,
    "qc/summary.tsv": _qc_summary,
    "atac/consensus_peaks.bed": _peaks,
    "proteome/assays.tsv": _assays,
    "microbiome/<body site>_genera.tsv": _genera,
    "labels/labels.tsv": _labels,
    "labels/endpoints.tsv": _endpoints,
    "labels/landmarks.tsv": _landmarks,
    "integration/associations.tsv": _counted("n"),
    "integration/mixed_models.tsv": _counted("participants"),
    "integration/mefisto.tsv": _counted("participants"),
    "biomarkers/<task>/performance.tsv": _performance,
    "biomarkers/<task>/panel_performance.tsv": _performance,
    "biomarkers/<task>/decision_curve.tsv": _performance,
    "biomarkers/<task>/predictive_values.tsv": _performance,
    "biomarkers/<task>/transfer.tsv": _performance,
    "biomarkers/<task>/curves.tsv": _curves,
    "biomarkers/<task>/model_card.md": _whole,
    "biomarkers/<task>/tripod_ai.tsv": _whole,
    "biomarkers/<task>/tripod_ai.md": _whole,
    "biomarkers/<task>/model.skops": _coefficients,
    "biomarkers/<task>/folds.tsv": _folds,
    "trial/effects.tsv": _counted(*_ARMS, parts=_EVENTS),
    "trial/sensitivity.tsv": _counted(*_ARMS, parts=_EVENTS),
    "trial/populations.tsv": _counted("n", "emergency_unblinded", "deaths_28", "deaths_90", parts=_DEATHS),
    "surrogacy/measures.tsv": _counted("n"),
    "surrogacy/baseline.tsv": _counted("n"),
    "surrogacy/interactions.tsv": _counted("n"),
    "surrogacy/stepp.tsv": _counted("n"),
    "figures/07_roc_<task>.<name>": _whole,
    "figures/08_calibration_<task>.<name>": _whole,
    "figures/09_decision_curve_<task>.<name>": _whole,
}
