"""Runs of the workflow on the public data."""

import pandas as pd

from immunosep.checks import columns_of
from support.runs import CACHE, ROOT, assert_success, snakemake
from support.trial import write_tsv

OVERLAYS = ROOT / "tests/realdata"
OMICS_DAYS = (1, 2, 4, 7, 15, 21, 28, 90)


def working_folder(name, **links):
    """Return the working folder of a data set; the overlay of this name and the data are linked into it."""
    folder = CACHE / f"real_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for link, target in {"overlay": OVERLAYS / name, **links}.items():
        path = folder / link
        if not path.is_symlink() or path.readlink() != target:
            path.unlink(missing_ok=True)
            path.symlink_to(target)
    return folder


def run_workflow(folder, name, *targets):
    """Run the workflow with the overlay of this name up to `targets`; return the folder."""
    assert_success(snakemake(folder, *targets, configfile=OVERLAYS / name / "config.yaml"))
    return folder


def write_if_changed(path, text):
    """Write a prepared input; an equal file keeps its age, so that nothing is run again because of it."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def write_proteome_cohort(folder, samples, table):
    """Write manifest and clinical tables of people whose samples stand in one NPX table.

    `samples`: table_id, person, order (position among the person's samples), batch, specimen. People get codes of nine
    digits in their alphabetical order; a person's samples get the trial's days in theirs.
    """
    codes = {person: f"{number:09d}" for number, person in enumerate(sorted(samples["person"].unique()), 1)}
    rows = [
        {
            "site": "CV01",
            "sample_code": codes[sample.person],
            "participant_code": codes[sample.person],
            "visit_day": str(OMICS_DAYS[sample.order]),
            "layer": "proteome",
            "assay": "olink",
            "specimen": sample.specimen,
            "sample_type": "sample",
            "batch": sample.batch,
            "table": table,
            "table_id": sample.table_id,
            "collected": "yes",
        }
        for sample in samples.itertuples()
    ]
    person = {
        "site": "CV01",
        "country": "NL",
        "age_years": "60",
        "sex": "F",
        "infection": "CAP",
        "consent": "consented",
    }
    person |= {"randomised": "yes", "dosed": "yes", "per_protocol": "yes", "last_contact_day": "90"}
    people = [person | {"participant_code": code} for code in codes.values()]
    for name, content in {
        "manifest": rows,
        "sites": [{"site": "CV01", "country": "NL"}],
        "participants": people,
        "visits": [],
    }.items():
        fresh = folder / f"{name}.tsv.new"
        write_tsv(fresh, columns_of(name), content)
        write_if_changed(folder / f"{name}.tsv", fresh.read_text())
        fresh.unlink()


def metrics(folder, layer):
    """Return the metrics of a layer, libraries x metrics."""
    table = pd.read_csv(folder / f"results/{layer}/qc_metrics.tsv", sep="\t")
    return table.pivot(index="library", columns="metric", values="value")
