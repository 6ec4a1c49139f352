"""Stool of infants from birth to two years (ECAM, Bokulich 2016), by genus and month, as the workflow wants it."""

import anndata as ad
import numpy as np
import pandas as pd

from immunosep.io import write_h5ad
from immunosep.microbiome.matrix import build_body_site
from immunosep.microbiome.taxonomy import RANKS
from support.cohorts import write_labels


def read_infants(shared):
    """Read samples of infants, one per infant and month of life, with their counts by sequence variant.

    Returns
    -------
    samples, counts, taxonomy
        By sample: infant, day (the nominal day of the month), delivery, diet, sex, antibiotics; samples x variants;
        ranks by variant. Mothers are left out, and so are further samples of a month: the first one stays.
    """
    folder = shared / "mb_infants_ecam"
    table = pd.read_csv(folder / "metadata.tsv", sep="\t", index_col=0, dtype=str)
    table = table[table["mom_child"] == "C"]
    table["age"] = table["day_of_life"].astype(float)
    table["infant"] = [f"C{int(float(number)):03d}" for number in table["host_subject_id"]]
    table = table.sort_values(["infant", "age"]).drop_duplicates(["infant", "month"])
    table["day"] = [round(float(month) * 30.4375) for month in table["month"]]
    samples = table[["infant", "day", "delivery", "diet", "sex"]].rename_axis(None)
    treated = samples["infant"].isin(table.loc[table["antiexposedall"] == "y", "infant"])
    samples["antibiotics"] = np.where(treated, "yes", "no")
    counts = pd.read_parquet(folder / "table.parquet").T.loc[samples.index]
    taxonomy = pd.read_csv(folder / "taxonomy.tsv", sep="\t", index_col=0)["Taxon"]
    ranks = taxonomy.str.split("; ", expand=True).reindex(columns=range(len(RANKS))).set_axis(list(RANKS), axis=1)
    ranks = ranks.apply(lambda names: names.str.replace(r"^[a-z]__", "", regex=True)).fillna("")
    return samples, counts, ranks.loc[counts.columns]


def write_infants(shared, folder):
    """Write genera of the stool of infants by month, counts and log-ratios, and how the infants were born and fed."""
    samples, counts, ranks = read_infants(shared)
    obs = samples[["infant", "day"]].set_axis(["participant", "visit_day"], axis=1)
    obs["observation"] = obs["participant"] + "-D" + obs["visit_day"].map("{:02d}".format)
    obs["specimen"] = "rectum"
    variants = ad.AnnData(
        obs=obs, var=ranks.rename_axis(None), layers={"counts": counts.to_numpy(dtype=np.int32)}, shape=counts.shape
    )
    genera, _ = build_body_site(variants, "rectum", pseudocount=0.5, min_prevalence=0.1)
    genera.obs = genera.obs.drop(columns="specimen")
    genera.uns["immunosep"] |= {"layer": "microbiome", "frozen_upstream": "sequence variants as published"}
    fresh = folder / "microbiome.h5ad.new"
    write_h5ad(genera, fresh)
    written = folder / "microbiome.h5ad"
    if written.is_file() and written.read_bytes() == fresh.read_bytes():
        fresh.unlink()
    else:
        fresh.replace(written)
    people = samples.drop_duplicates("infant").set_index("infant")
    write_labels(folder, people[["delivery", "diet", "sex", "antibiotics"]].apply(lambda column: column.str.lower()))
