"""The genes of the reference: one table, made once from the annotation, that the read layers share."""

import csv
import logging
import re

import pandas as pd

from immunosep.errors import InputError
from immunosep.io import PathLike, read_table, write_table
from immunosep.layer import definer_symbols, drug_symbols, has_symbol

logger = logging.getLogger(__name__)

# Symbols that older annotations carry for genes of the signatures (HGNC renamings).
ALIASES = {"TWISTNB": "POLR1F", "GLTSCR2": "NOP53"}

# Ensembl identifiers end in a version; GENCODE adds _PAR_Y to the copies of pseudo-autosomal genes on Y. Names of other
# sources (yeast's YAL068W-A) are left as they are.
_ENSEMBL_VERSION = re.compile(r"^(ENS[A-Z]*\d{11})\.\d+(?:_PAR_Y)?$")
_GTF_COLUMNS = {
    "chrom": "str",
    "source": "str",
    "feature": "str",
    "start": "int64",
    "end": "int64",
    "score": "str",
    "strand": "str",
    "frame": "str",
    "attributes": "str",
}
_FLAGS = ("globin", "mitochondrial", "definer", "drug_analyte")


def stable_ids(identifiers: pd.Series) -> pd.Series:
    """Remove the version, and the mark of the Y copy of pseudo-autosomal genes, from Ensembl identifiers."""
    return identifiers.str.replace(_ENSEMBL_VERSION, r"\1", regex=True)


def read_gtf(path: PathLike) -> pd.DataFrame:
    """Read the genes, transcripts and exons of a GTF.

    Parameters
    ----------
    path
        GTF, plain or gzip.

    Returns
    -------
    pandas.DataFrame
        Columns chrom, feature, start (0-based), end (exclusive), strand, gene_id, transcript_id, symbol, biotype; text
        without a value is empty. Identifiers are without version.

    Raises
    ------
    InputError
        When the file is no GTF or holds none of these features.
    """
    try:
        table = pd.read_csv(
            path,
            sep="\t",
            comment="#",
            header=None,
            names=list(_GTF_COLUMNS),
            dtype=_GTF_COLUMNS,
            quoting=csv.QUOTE_NONE,
        ).drop(columns=["source", "score", "frame"])
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: no GTF (nine tab-separated columns, integer positions): {error}") from None
    table = table[table["feature"].isin(["gene", "transcript", "exon"])].reset_index(drop=True)
    attributes = table.pop("attributes")
    table["start"] -= 1
    table["gene_id"] = stable_ids(_attribute(attributes, "gene_id"))
    table["transcript_id"] = stable_ids(_attribute(attributes, "transcript_id"))
    table["symbol"] = _attribute(attributes, "gene_name").replace(ALIASES)
    biotype = _attribute(attributes, "gene_biotype")
    table["biotype"] = biotype.where(biotype != "", _attribute(attributes, "gene_type"))
    table = table[table["gene_id"] != ""]
    if table.empty:
        raise InputError(f"{path}: no gene, transcript or exon with a gene_id. Is this a GTF of the genome?")
    return table


def _attribute(attributes: pd.Series, key: str) -> pd.Series:
    """Extract one attribute of the ninth GTF column; empty where it is missing."""
    return attributes.str.extract(rf'(?:^|;)\s*{key} "([^"]*)"', expand=False).fillna("")


def gene_table(gtf: pd.DataFrame) -> pd.DataFrame:
    """Reduce the features to one row per gene.

    Parameters
    ----------
    gtf
        As `read_gtf` returns it. Genes without a `gene` row span their transcripts or exons.

    Returns
    -------
    pandas.DataFrame
        Columns gene_id, symbol (the gene_id where there is none), chrom, start, end (0-based, half-open), strand, tss
        (0-based position of the first base), biotype; sorted by gene_id. Of a pseudo-autosomal gene the copy on the
        first chromosome in the file is kept.
    """
    place = gtf.groupby(["gene_id", "chrom"], sort=False)
    spans = place.agg(
        symbol=("symbol", "max"),
        start=("start", "min"),
        end=("end", "max"),
        strand=("strand", "first"),
        biotype=("biotype", "max"),
    ).reset_index()
    genes = spans.drop_duplicates("gene_id").sort_values("gene_id", ignore_index=True)
    genes["tss"] = genes["start"].where(genes["strand"] != "-", genes["end"] - 1)
    genes["symbol"] = genes["symbol"].where(genes["symbol"] != "", genes["gene_id"])
    return genes[["gene_id", "symbol", "chrom", "start", "end", "strand", "tss", "biotype"]]


def transcript_table(gtf: pd.DataFrame) -> pd.DataFrame:
    """List the gene of each transcript: columns transcript_id, gene_id; sorted, without versions."""
    pairs = gtf.loc[gtf["transcript_id"] != "", ["transcript_id", "gene_id"]]
    return pairs.drop_duplicates("transcript_id").sort_values("transcript_id", ignore_index=True)


def flag_genes(
    genes: pd.DataFrame, gene_sets: pd.DataFrame, drug_analytes: pd.DataFrame, mitochondrion: str
) -> pd.DataFrame:
    """Mark the genes that the layers treat apart.

    Parameters
    ----------
    genes
        As `gene_table` returns it.
    gene_sets, drug_analytes
        `resources/gene_sets.tsv` and `resources/drug_analytes.tsv`.
    mitochondrion
        Name of the mitochondrial chromosome.

    Returns
    -------
    pandas.DataFrame
        `genes` with the booleans globin, mitochondrial, definer and drug_analyte (transcripts only), and sex (``X``,
        ``Y`` or empty).
    """

    def members(name: str) -> frozenset[str]:
        return frozenset(gene_sets.loc[gene_sets["gene_set"] == name, "symbol"].replace(ALIASES))

    symbols = genes["symbol"]
    in_y = symbols.isin(members("sex_Y"))
    return genes.assign(
        globin=symbols.isin(members("globin")),
        mitochondrial=genes["chrom"] == mitochondrion,
        definer=has_symbol(symbols, definer_symbols(gene_sets)),
        drug_analyte=has_symbol(symbols, drug_symbols(drug_analytes, "transcript")),
        sex=symbols.isin(members("sex_X")).map({True: "X", False: ""}).mask(in_y, "Y"),
    )


def read_genes(path: PathLike) -> pd.DataFrame:
    """Read `results/reference/genes.tsv` with typed columns, indexed by gene_id."""
    genes = read_table(path).set_index("gene_id")
    genes[["start", "end", "tss"]] = genes[["start", "end", "tss"]].astype("int64")
    for flag in _FLAGS:
        genes[flag] = genes[flag] == "True"
    return genes


def tabulate_genes(
    annotation: PathLike,
    gene_sets: PathLike,
    drug_analytes: PathLike,
    mitochondrion: str,
    genes_path: PathLike,
    transcripts_path: PathLike,
) -> None:
    """Write the table of genes and the table that maps transcripts to genes."""
    gtf = read_gtf(annotation)
    genes = flag_genes(gene_table(gtf), read_table(gene_sets), read_table(drug_analytes), mitochondrion)
    transcripts = transcript_table(gtf)
    if transcripts.empty:
        raise InputError(f"{annotation}: no transcript_id in any row, so transcripts cannot be joined to genes.")
    if not genes["mitochondrial"].any():
        logger.warning("no gene on %s: the mitochondrial fraction of RNA will be 0", mitochondrion)
    logger.info("%d genes, %d transcripts", len(genes), len(transcripts))
    write_table(genes, genes_path)
    write_table(transcripts, transcripts_path)
