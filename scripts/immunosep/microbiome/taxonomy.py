"""Names of sequence variants and genera, and which variants are no bacteria."""

import hashlib
import re

import numpy as np
import pandas as pd

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
PROKARYOTES = frozenset({"Bacteria", "Archaea"})
# Names that several families share, such as UCG-002 or Incertae Sedis: they say something only beside the family.
PLACEHOLDER = re.compile(
    r"(?!\[?[A-Z][a-z]{3})|(?:Unknown|Unidentified|Uncultured|Incertae|Metagenome|Subgroup|Group)\b"
)


def asv_id(sequence: str) -> str:
    """Name of a sequence variant: MD5 of its sequence, the same in every cohort."""
    return hashlib.md5(sequence.encode(), usedforsecurity=False).hexdigest()


def clean_taxonomy(taxonomy: pd.DataFrame) -> pd.DataFrame:
    """Name the sequence variants and take rank prefixes such as ``g__`` off.

    Parameters
    ----------
    taxonomy
        sequence, chimera (yes|no), and the ranks kingdom to species; empty where not assigned.

    Returns
    -------
    pandas.DataFrame
        The same columns, indexed by ASV identifier.
    """
    table = taxonomy.copy()
    for rank in RANKS:
        table[rank] = table[rank].str.replace(r"^[a-z]__", "", regex=True).str.strip()
    table.index = pd.Index([asv_id(sequence) for sequence in table["sequence"]], name="asv")
    return table


def drop_reasons(taxonomy: pd.DataFrame) -> pd.Series:
    """Say for each sequence variant why it leaves the data; empty where it stays.

    Parameters
    ----------
    taxonomy
        See `clean_taxonomy`.

    Returns
    -------
    pandas.Series
        chimera, mitochondria, chloroplast, eukaryote, no kingdom (host reads and artefacts), or empty.
    """
    lineage = taxonomy[list(RANKS)]
    conditions = {
        "chimera": taxonomy["chimera"] == "yes",
        "mitochondria": lineage.isin(["Mitochondria"]).any(axis=1),
        "chloroplast": lineage.isin(["Chloroplast"]).any(axis=1),
        "no kingdom": taxonomy["kingdom"] == "",
        "eukaryote": ~taxonomy["kingdom"].isin(PROKARYOTES),
    }
    return pd.Series(np.select(list(conditions.values()), list(conditions), default=""), index=taxonomy.index)


def genus_names(taxonomy: pd.DataFrame) -> pd.Series:
    """Name of the genus of each sequence variant, also where it was not or not uniquely assigned.

    Parameters
    ----------
    taxonomy
        Ranks kingdom to genus as text, empty where not assigned.

    Returns
    -------
    pandas.Series
        The genus; with the family before it where the name is a placeholder used in several families
        (``Lachnospiraceae UCG-001``); ``unclassified <lowest rank assigned>`` where there is none. A name depends on
        its own lineage only, so that it is the same in every cohort.
    """
    lineage = taxonomy[list(RANKS[:6])].astype(object)
    genus, family = lineage["genus"], lineage["family"]
    lowest = lineage[list(RANKS[:5])].replace("", None).ffill(axis=1).iloc[:, -1].fillna("")
    is_placeholder = genus.str.match(PLACEHOLDER) & (family != "")
    named = genus.mask(is_placeholder, family + " " + genus)
    return named.where(genus != "", "unclassified " + lowest)
