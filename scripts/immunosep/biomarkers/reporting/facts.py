"""What a run says of one task: its tables, the header of its model file and its configuration, read once.

The model card and the items of TRIPOD+AI are both written from a `Facts`. A table that the run did not make has no
rows, and what would have been said from it is said to be not run. Counts of people pass through `told` and `listed`,
which keep small ones back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from immunosep.aggregates import small, suppress
from immunosep.biomarkers.tasks import Task, load_task
from immunosep.biomarkers.training import ANY_LAYER
from immunosep.figures.performance import FEATURE_SETS, model_title, overall_rows, primary_feature_set, primary_model
from immunosep.io import PathLike, read_table

#: Tables of a task that the texts are written from.
TABLES: Final = (
    "training",
    "performance",
    "predictive_values",
    "differences",
    "subgroups",
    "transfer",
    "panel_summary",
    "panel_performance",
    "permutations",
)
Row = dict[str, str]


@dataclass(frozen=True)
class Facts:
    """What a run says of one task.

    Attributes
    ----------
    task
        The task.
    settings
        Of the configuration: `biomarkers` with this task alone, and the sections that define labels and layers;
        `own_labels` says whether the workflow derived the labels itself, `raw_layers` which layers it processed.
    header
        The model file without its models.
    tables
        By name (`TABLES`), read as text.
    controls
        Performance of the negative controls of the run, by what they predict.
    """

    task: Task
    settings: Mapping[str, Any]
    header: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    controls: Mapping[str, pd.DataFrame]

    @property
    def k(self) -> int:
        """Smallest number of participants that is told."""
        return int(self.settings["report"]["min_group"])

    @property
    def biomarkers(self) -> Mapping[str, Any]:
        """Section `biomarkers` of the configuration."""
        section: Mapping[str, Any] = self.settings["biomarkers"]
        return section

    @property
    def own_labels(self) -> bool:
        """Whether the labels were derived by the workflow, by the trial's rules."""
        return bool(self.settings["own_labels"])

    @property
    def fitted(self) -> bool:
        """Whether there is a model."""
        return self.header.get("status") == "fitted"

    @property
    def refusal(self) -> str:
        """Why there is no model, without counts of people; empty where there is one."""
        if self.fitted:
            return ""
        minimum = max(self.biomarkers["min_per_class"], self.biomarkers["cv"]["outer_folds"])
        status = str(self.header.get("status", "no model"))
        counted = status.startswith("not run: participants per class")
        return f"not run: a class has fewer than {minimum} participants" if counted else status

    def training(self, kind: str, **match: str) -> pd.DataFrame:
        """Return the rows of one kind of the training table that match."""
        return select(self.tables["training"], kind=kind, **match)

    @property
    def classes(self) -> pd.Series:
        """Participants of each class."""
        table = self.training("class")
        return pd.Series(pd.to_numeric(table["n"]).to_numpy(dtype=int), index=table["name"], dtype=int)

    @property
    def total(self) -> int:
        """Participants of the task."""
        return int(self.classes.sum())

    @property
    def small_class(self) -> bool:
        """Whether a class is so small that no number may be told from which its size could be worked out."""
        return bool((self.classes < self.k).any())

    def told(self, count: int, of: int | None = None) -> str:
        """Return a count of people as it may be told; of a known total, also what is left of it is kept back.

        Parameters
        ----------
        count
            The number.
        of
            The number of all; what lacks of it may be as telling as a small count.
        """
        if 0 < count < self.k:
            return small(self.k)
        if of is not None and 0 < of - count < self.k:
            return f"more than {of - self.k}"
        return str(count)

    def listed(self, counts: pd.Series) -> str:
        """Return counts of people with their names, small ones suppressed and none to be worked out."""
        if counts.empty:
            return "none"
        shown = suppress(counts.astype(int).to_frame("n"), self.k)["n"]
        return ", ".join(f"{name} {count}" for name, count in shown.items())

    @property
    def class_counts(self) -> str:
        """Participants of each class, as text."""
        return self.listed(self.classes)

    def levels(self, variable: str) -> str:
        """Participants of each level of a variable of the training table, as text; empty where it has none."""
        table = self.training("group", name=variable)
        return self.listed(pd.to_numeric(table["n"]).groupby(table["level"]).sum()) if len(table) else ""

    def group_size(self, row: Mapping[str, str]) -> str:
        """Return the number of a group of the main model, as the end of a sentence.

        Empty where it is hidden, and where from all groups one could work out how few the model did not predict.
        """
        lacking = self.total - int(self.main["n"]) if self.main else 0
        return f", N = {row['n']}" if row["n"] and not 0 < lacking < self.k else ""

    @property
    def layers(self) -> list[str]:
        """Layers that entered."""
        names = self.training("block", level="sampled")["name"].drop_duplicates()
        return [name for name in names.tolist() if name != ANY_LAYER]

    @property
    def known(self) -> pd.DataFrame:
        """Rows of the table of performance that have an AUROC: one per model and feature set."""
        table = self.tables["performance"]
        overall = overall_rows(table) if len(table) else table
        return overall[overall["auroc"] != ""] if len(overall) else overall

    @property
    def feature_set(self) -> str:
        """Feature set that stands for the task."""
        return primary_feature_set(self.known["feature_set"]) if len(self.known) else ""

    @property
    def main(self) -> Row | None:
        """Row of performance that stands for the task: its model chosen by kind, never by its result."""
        own = select(self.known, feature_set=self.feature_set) if len(self.known) else self.known
        model = primary_model(own["model"]) if len(own) else None
        if model is None and len(own):
            model = str(own["model"].iloc[0])
        return first(select(own, model=model)) if model else None

    def of_main(self, name: str, **match: str) -> pd.DataFrame:
        """Return the rows of a table about the main model that match."""
        main = self.main
        if main is None:
            return self.tables[name].iloc[:0]
        return select(self.tables[name], model=main["model"], feature_set=main["feature_set"], **match)

    @property
    def main_title(self) -> str:
        """Name of the main model."""
        return model_title(self.main["model"]) if self.main else ""


def load_facts(
    task_name: str,
    settings: Mapping[str, Any],
    model_path: PathLike,
    tables: Mapping[str, PathLike | None],
    controls: Mapping[str, PathLike],
) -> Facts:
    """Read all that the texts of a task are written from.

    Parameters
    ----------
    task_name, settings
        Name of the task; see `Facts`.
    model_path
        The frozen model.
    tables
        By name (`TABLES`); None for one that the run does not make.
    controls
        Tables of performance of the negative controls, by what they predict.
    """
    import skops.io

    content = skops.io.load(model_path, trusted=skops.io.get_untrusted_types(file=model_path))
    read = {name: read_table(path) if (path := tables.get(name)) else pd.DataFrame() for name in TABLES}
    return Facts(
        load_task(task_name, settings["biomarkers"]),
        settings,
        {name: value for name, value in content.items() if name != "models"},
        read,
        {target: read_table(path) for target, path in controls.items()},
    )


def select(table: pd.DataFrame, **match: str) -> pd.DataFrame:
    """Return the rows of a text table with these values; `class_` stands for the column `class`."""
    for name, value in match.items():
        column = name.rstrip("_")
        if column not in table:
            return table.iloc[:0]
        table = table[table[column] == value]
    return table


def records(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a text table."""
    return [{str(name): str(value) for name, value in row.items()} for row in table.to_dict("records")]


def first(table: pd.DataFrame) -> Row | None:
    """Return the first row, or None."""
    return next(iter(records(table.iloc[:1])), None)


def number(text: str, digits: int = 2) -> str:
    """Return a number of a table with so many decimals; an empty cell is not estimable."""
    return f"{float(text):.{digits}f}" if text else "not estimable"


def percent(text: str | float, digits: int = 0) -> str:
    """Return a share as a percentage."""
    return f"{100 * float(text):.{digits}f} %" if text != "" else "not estimable"


def interval(row: Mapping[str, str]) -> str:
    """Return the AUROC of a row with its 95 % interval."""
    if not row["auroc"]:
        return row.get("note") or "not estimable"
    return f"{number(row['auroc'])} ({number(row['auroc_low'])} to {number(row['auroc_high'])})"


def feature_set_title(name: str) -> str:
    """Return the name of a feature set as people write it."""
    return FEATURE_SETS.get(name, name)


def joined(words: Sequence[str], last: str = "and") -> str:
    """Return words as a list in a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "none"
