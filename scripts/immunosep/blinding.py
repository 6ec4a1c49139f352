"""What would tell the arm at a glance, and in which runs it is hidden.

Anakinra is read by the IL1RN assay and interferon gamma by the IFNG assay; both move what they induce. Whoever sees
these features of a participant after the first dose knows the arm. Standard library only: this runs while the workflow
is planned.
"""

import csv
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from immunosep.errors import InputError
from immunosep.sealed import labels_are_shuffled

RESOURCES: Final = Path(__file__).resolve().parents[2] / "resources"
# Kinds of `drug_analytes.tsv` whose features bear gene symbols; those of the others have free names.
_GENES: Final = frozenset({"protein", "transcript"})


def hidden_features(config: Mapping[str, Any], resources: Path = RESOURCES) -> dict[str, Any] | None:
    """Return what is hidden after the first dose in this run; None where nothing is.

    Only the role ``unblinded`` with the true labels lifts the mask: the arm is sealed in the role ``endotype`` as well,
    and a dry run with shuffled labels is made by people who must not know the true ones. A cohort with labels of its
    own (`clinical.labels`) had neither drug.

    Parameters
    ----------
    config
        Keys `role`, `sealed`, `clinical`, `blinding`.
    resources
        Folder of `drug_analytes.tsv`, `gene_sets.tsv` and `protein_accessions.tsv`.

    Returns
    -------
    dict or None
        ``after_day`` (last day that is shown), ``words`` (whole names: symbols of genes, other names of their proteins,
        UniProt accessions, Ensembl ids) and ``terms`` (parts of the names of other features); sorted, and as `bare`
        writes them.

    Raises
    ------
    InputError
        When `blinding.gene_sets` names a set that is not there.
    """
    if config["clinical"].get("labels"):
        return None
    if config["role"] == "unblinded" and not labels_are_shuffled(config):
        return None
    settings = config["blinding"]
    analytes = list(_rows(resources / "drug_analytes.tsv"))
    sets: dict[str, set[str]] = {}
    for row in _rows(resources / "gene_sets.tsv"):
        sets.setdefault(row["gene_set"], set()).add(row["symbol"])
    _refuse_unknown(settings["gene_sets"], sets)
    symbols = {row["symbol"] for row in analytes if row["kind"] in _GENES}
    symbols = symbols.union(*(sets[name] for name in settings["gene_sets"]))
    words = {*symbols, *settings["features"]}
    for row in _rows(resources / "protein_accessions.tsv"):
        if row["symbol"] in symbols:
            words |= {row["uniprot"], row["ensembl"], *row["names"].split("|")}
    terms = {row["symbol"] for row in analytes if row["kind"] not in _GENES} | set(settings["features"])
    return {
        "after_day": settings["visible_until_day"],
        "words": sorted(filter(None, map(bare, words))),
        "terms": sorted(filter(None, map(bare, terms))),
    }


def bare(name: str) -> str:
    """Return a name in small letters without signs and spaces: IL-1Ra and il1ra are one, IFN-γ and IFNgamma."""
    return "".join(filter(str.isalnum, fold(name)))


def fold(name: str) -> str:
    """Return a name in small letters, without accents, Greek letters written out: IFN-γ is ifn-gamma."""
    if name.isascii():
        return name.casefold()
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(map(_written_out, (c for c in letters if not unicodedata.combining(c))))


def _written_out(letter: str) -> str:
    title = unicodedata.name(letter, "")
    return title.rpartition(" ")[2].lower() if title.startswith("GREEK") else letter


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle, delimiter="\t")


def _refuse_unknown(names: Collection[str], sets: Collection[str]) -> None:
    unknown = sorted(set(names) - set(sets))
    if unknown:
        raise InputError(
            f"blinding.gene_sets: {', '.join(unknown)} is not in resources/gene_sets.tsv, "
            f"whose sets are {', '.join(sorted(sets))}."
        )
