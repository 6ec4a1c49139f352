"""RNA-seq, ATAC-seq and 16S reads of others through the same workflow, against what is known of them."""

import io
import tarfile

import pandas as pd
import pytest

from support.realdata import run_layer, working_folder


@pytest.fixture(scope="module")
def yeast_rna(shared):
    folder = working_folder("rna_yeast", data=shared / "rna_yeast")
    return run_layer(folder, "rna_yeast", "results/rna/rna.h5ad")


@pytest.fixture(scope="module")
def published_salmon(shared):
    """Gene counts and mapping rates that the data's authors got with salmon 1.10.1."""
    counts, mapped = {}, {}
    with tarfile.open(shared / "rna_yeast/modules_salmon_results.tar.gz") as archive:
        for member in archive.getmembers():
            name = member.name.split("/")
            if name[-1] == "quant.genes.sf":
                table = pd.read_csv(archive.extractfile(member), sep="\t")
                counts[name[1]] = table.set_index("Name")["NumReads"]
            elif name[-1] == "meta_info.json":
                mapped[name[1]] = pd.read_json(io.BytesIO(archive.extractfile(member).read()), typ="series")[
                    "percent_mapped"
                ]
    return counts, mapped


NAMES = {
    "YS01-000000001-D01-rna": "WT_REP1",
    "YS01-000000002-D01-rna": "WT_REP2",
    "YS01-000000003-D01-rna": "RAP1_UNINDUCED_REP1",
    "YS01-000000004-D01-rna": "RAP1_UNINDUCED_REP2",
    "YS01-000000005-D01-rna": "RAP1_IAA_30M_REP1",
}


def metrics(folder, layer):
    table = pd.read_csv(folder / f"results/{layer}/qc_metrics.tsv", sep="\t")
    return table.pivot(index="library", columns="metric", values="value")
