"""Rows of a ready matrix without consent stay out, and are listed with the reason."""

import anndata as ad
import numpy as np
import pandas as pd

from immunosep.checks import columns_of
from immunosep.integration.consent import with_consent
from immunosep.integration.steps import admit_matrix
from immunosep.io import read_table, write_table
from immunosep.manifest import FollowUp, Libraries
from support.runs import ROOT

CODES = {"consented": "000000001", "deferred_pending": "000000002", "withdrawn": "000000003", "erase": "000000004"}


def participants(**changes):
    rows = [
        dict.fromkeys(columns_of("participants"), "")
        | {"site": "GR01", "participant_code": code, "consent": state, "randomised": "yes"}
        | ({"withdrawn_day": "4"} if state == "withdrawn" else {})
        | changes.get(state, {})
        for state, code in CODES.items()
    ]
    return pd.DataFrame(rows)


def matrix(days=(1, 2, 4, 7), strangers=("GR02-999999999-D01",)):
    names = [f"GR01-{code}-D{day:02d}" for code in CODES.values() for day in days]
    names += strangers
    return ad.AnnData(np.arange(2.0 * len(names)).reshape(-1, 2), obs=pd.DataFrame(index=names))


def test_only_what_was_consented_to_stays():
    kept, left_out = with_consent(matrix(), participants())
    stays = [f"GR01-{CODES['consented']}-D{day:02d}" for day in (1, 2, 4, 7)]
    stays += [f"GR01-{CODES['withdrawn']}-D{day:02d}" for day in (1, 2)]
    # Somebody whom the table does not name belongs to another cohort.
    assert kept.obs_names.tolist() == [*stays, "GR02-999999999-D01"]
    assert left_out["reason"].value_counts().to_dict() == {"deferred_pending": 4, "erase": 4, "withdrawn": 2}
    assert set(kept.obs_names) | set(left_out["observation"]) == set(matrix().obs_names)
    np.testing.assert_array_equal(kept["GR02-999999999-D01"].X, matrix()["GR02-999999999-D01"].X)


def test_a_row_without_a_day_may_be_from_after_the_withdrawal():
    people = pd.DataFrame({"participant": ["GR01-000000003", "GR01-000000001"]}, index=["a", "b"])
    data = ad.AnnData(np.ones((2, 1)), obs=people)
    kept, left_out = with_consent(data, participants())
    assert kept.obs_names.tolist() == ["b"]
    assert left_out[["observation", "reason"]].to_numpy().tolist() == [["a", "withdrawn"]]


def test_without_a_table_or_with_everybodys_consent_all_stays():
    everybody = {state: {"consent": "consented", "withdrawn_day": ""} for state in CODES}
    for table in (None, participants(**everybody)):
        kept, left_out = with_consent(matrix(), table)
        assert kept.n_obs == matrix().n_obs
        assert left_out.empty


def test_files_to_files(tmp_path):
    matrix().write_h5ad(tmp_path / "ready.h5ad")
    write_table(participants(), tmp_path / "participants.tsv")
    admit_matrix(
        matrix=tmp_path / "ready.h5ad",
        layer="proteome",
        hidden=None,
        participants_path=tmp_path / "participants.tsv",
        gene_sets_path=ROOT / "resources/gene_sets.tsv",
        drug_analytes_path=ROOT / "resources/drug_analytes.tsv",
        admitted_path=tmp_path / "admitted.h5ad",
        left_out_path=tmp_path / "left_out.tsv",
    )
    assert ad.read_h5ad(tmp_path / "admitted.h5ad").n_obs == 7
    assert list(read_table(tmp_path / "left_out.tsv")) == ["observation", "participant", "visit_day", "reason"]
    assert len(read_table(tmp_path / "left_out.tsv")) == 10


def test_the_digest_is_that_of_consent_alone():
    def digest(**courses):
        return Libraries(followup=courses).consent_digest()

    stays = FollowUp(True)
    assert digest(a=stays) == digest(a=FollowUp(True, death_day=3)) == digest()
    assert len({digest(), digest(a=FollowUp(True, None, "withdrawn", 4)), digest(a=FollowUp(True, None, "erase"))}) == 3
