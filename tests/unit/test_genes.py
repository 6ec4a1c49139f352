"""The table of genes, from GTFs written by hand."""

import gzip

import pandas as pd
import pytest

from immunosep.errors import InputError
from immunosep.genes import flag_genes, gene_table, read_genes, read_gtf, stable_ids, tabulate_genes, transcript_table
from immunosep.io import write_table

GENE_SETS = pd.DataFrame(
    [("globin", "HBB"), ("sex_X", "XIST"), ("sex_Y", "RPS4Y1"), ("definers", "CD74"), ("Sweeney_adaptive", "POLR1F")],
    columns=["gene_set", "symbol"],
)
DRUGS = pd.DataFrame([("CXCL9", "transcript"), ("HBB", "protein")], columns=["symbol", "kind"])


def line(chrom, feature, start, end, strand, attributes):
    return "\t".join([chrom, "test", feature, str(start), str(end), ".", strand, ".", attributes]) + "\n"


def gencode(gene, name, transcript=None):
    text = f'gene_id "{gene}"; gene_type "protein_coding"; gene_name "{name}";'
    return text + (f' transcript_id "{transcript}";' if transcript else "")


LINES = [
    "##provider: TEST\n",
    line("chr1", "gene", 101, 400, "+", gencode("ENSG00000000001.5", "HBB")),
    line("chr1", "transcript", 101, 400, "+", gencode("ENSG00000000001.5", "HBB", "ENST00000000001.2")),
    line("chr1", "exon", 101, 200, "+", gencode("ENSG00000000001.5", "HBB", "ENST00000000001.2")),
    line("chr1", "CDS", 1, 900, "+", gencode("ENSG00000000001.5", "HBB", "ENST00000000001.2")),
    line("chrX", "gene", 1001, 2000, "-", gencode("ENSG00000000002.1", "XIST")),
    line("chrX", "gene", 11, 20, "+", gencode("ENSG00000000003.4", "PLCXD1")),
    line("chrY", "gene", 11, 20, "+", gencode("ENSG00000000003.4_PAR_Y", "PLCXD1")),
    line("chrM", "exon", 5, 9, "+", gencode("ENSG00000000004.1", "MT-ND1", "ENST00000000004.1")),
    line("chrM", "exon", 15, 19, "+", gencode("ENSG00000000004.1", "MT-ND1", "ENST00000000004.1")),
    line("chr2", "gene", 1, 9, "+", gencode("ENSG00000000005.1", "TWISTNB")),
]


@pytest.fixture
def gtf(tmp_path):
    path = tmp_path / "a.gtf.gz"
    with gzip.open(path, "wt") as handle:
        handle.writelines(LINES)
    return path


def test_stable_ids_leave_other_names_alone():
    given = pd.Series(
        ["ENSG00000000003.4_PAR_Y", "ENSMUST00000000001.12", "YAL068W-A", "F23F1.10.1", "ENSG00000000001"]
    )
    wanted = ["ENSG00000000003", "ENSMUST00000000001", "YAL068W-A", "F23F1.10.1", "ENSG00000000001"]
    assert stable_ids(given).tolist() == wanted


def test_gene_table_positions_by_hand(gtf):
    genes = gene_table(read_gtf(gtf)).set_index("gene_id")
    assert genes.index.tolist() == [f"ENSG0000000000{i}" for i in range(1, 6)]
    # 1-based closed 101..400 is 100..400 half-open; the start of a minus gene is its last base.
    assert genes.loc["ENSG00000000001", ["start", "end", "tss"]].tolist() == [100, 400, 100]
    assert genes.loc["ENSG00000000002", ["start", "end", "tss"]].tolist() == [1000, 2000, 1999]
    # Two exons and no gene row: the gene spans both.
    assert genes.loc["ENSG00000000004", ["chrom", "start", "end"]].tolist() == ["chrM", 4, 19]
    assert genes.loc["ENSG00000000003", "chrom"] == "chrX"
    assert genes.loc["ENSG00000000005", "symbol"] == "POLR1F"


def test_transcripts_once_each(gtf):
    assert transcript_table(read_gtf(gtf)).to_numpy().tolist() == [
        ["ENST00000000001", "ENSG00000000001"],
        ["ENST00000000004", "ENSG00000000004"],
    ]


def test_flags(gtf):
    genes = flag_genes(gene_table(read_gtf(gtf)), GENE_SETS, DRUGS, "chrM").set_index("symbol")
    assert genes.index[genes["globin"]].tolist() == ["HBB"]
    assert genes.index[genes["mitochondrial"]].tolist() == ["MT-ND1"]
    assert not genes["drug_analyte"].any()  # HBB is listed as a protein only
    assert genes["sex"].to_dict() == {"HBB": "", "XIST": "X", "PLCXD1": "", "MT-ND1": "", "POLR1F": ""}


def test_round_trip_keeps_types(gtf, tmp_path):
    write_table(GENE_SETS, tmp_path / "sets.tsv")
    write_table(DRUGS, tmp_path / "drugs.tsv")
    genes, transcripts = tmp_path / "genes.tsv", tmp_path / "transcripts.tsv"
    tabulate_genes(gtf, tmp_path / "sets.tsv", tmp_path / "drugs.tsv", "chrM", genes, transcripts)
    table = read_genes(genes)
    assert table["globin"].dtype == bool
    assert table["tss"].dtype == "int64"
    assert table["globin"].sum() == 1


@pytest.mark.parametrize("text", ["", "chr1\tonly three\tcolumns\n", line("c", "gene", 1, 2, "+", "ID=gene1")])
def test_not_a_gtf(tmp_path, text):
    path = tmp_path / "bad.gtf"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.gtf"):
        read_gtf(path)
