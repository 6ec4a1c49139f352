"""Matching, metrics, controls and matrix of the proteome, with numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunosep.errors import InputError
from immunosep.proteome.matrix import (
    build_proteome,
    cv_percent,
    describe_assays,
    describe_controls,
    flag_proteins,
    match_libraries,
    measure_libraries,
    robust_deviation,
)
from immunosep.proteome.npx import COLUMNS, read_npx

DATA = Path(__file__).parents[3] / "shared" / "data"
ASSAYS = {
    "OID1": ("IL6", "P05231"),
    "OID2": ("IL-1ra", "P18510"),
    "OID3": ("IL6", "P05231"),
    "OID4": ("FTH1", "P02794"),
}


def long_table(npx, *, sample_type="sample", plate="P1", lod=0.0):
    """Values of samples x the four assays."""
    rows = [
        {
            "sample_id": sample, "sample_type": sample_type, "olink_id": oid, "symbol": ASSAYS[oid][0],
            "uniprot": ASSAYS[oid][1], "panel": "Panel", "plate": plate, "well": f"A{i}", "npx": value, "lod": lod,
            "warned": False, "normalization": "Plate control",
        }
        for i, (sample, values) in enumerate(npx.items())
        for oid, value in zip(ASSAYS, values, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def library_table(ids, sample_type="sample", table="npx.csv"):
    return pd.DataFrame(
        {"library": [f"L-{i}" for i in ids], "sample_type": sample_type, "table": table, "table_id": ids,
         "visit_day": "1", "site": "GR03"}
    )  # fmt: skip


def passed(libraries, failed=()):
    verdict = ["fail" if name in failed else "pass" for name in libraries["library"]]
    return pd.DataFrame({"library": libraries["library"], "metric": "overall", "value": "", "verdict": verdict})


def test_samples_and_controls_find_their_libraries():
    table = pd.concat(
        [
            long_table({"01": [1] * 4, "02": [2] * 4, "pool": [3] * 4}),
            long_table({"PC": [4] * 4}, sample_type="plate_control"),
        ]
    )
    libraries = pd.concat([library_table(["01"]), library_table(["pool"], "pool")])
    matched = match_libraries({"npx.csv": table}, libraries)
    types = matched.values.groupby("table_id")[["library", "sample_type"]].first()
    assert types.to_numpy().tolist() == [["L-01", "sample"], ["", "plate_control"], ["L-pool", "pool"]]
    assert matched.unmatched[["table", "table_id"]].to_numpy().tolist() == [["npx.csv", "02"]]


def test_the_same_id_in_two_tables_is_two_samples():
    tables = {"a.csv": long_table({"01": [1] * 4}), "b.csv": long_table({"01": [2] * 4})}
    libraries = pd.concat([library_table(["01"], table="a.csv"), library_table(["01"], table="b.csv")])
    libraries["library"] = ["L-a", "L-b"]
    values = match_libraries(tables, libraries).values
    assert values.groupby("library")["npx"].first().to_dict() == {"L-a": 1, "L-b": 2}


def test_all_absent_samples_are_told_at_once_with_lost_zeros():
    table = long_table({"12": [1] * 4})
    with pytest.raises(InputError) as error:
        match_libraries({"npx.csv": table}, library_table(["0012", "77"]))
    lines = str(error.value).splitlines()
    assert "it has 12: the leading zeros were lost" in lines[0]
    assert "no SampleID 77 (L-77)" in lines[1]
    assert len(lines) == 3


def test_a_control_listed_as_sample_is_refused():
    table = long_table({"01": [1] * 4}, sample_type="negative_control")
    with pytest.raises(InputError, match="L-01"):
        match_libraries({"npx.csv": table}, library_table(["01"]))


def cohort(n=12, shifted=None):
    random = np.random.default_rng(3)
    npx = {f"{i:02d}": list(random.normal([3, 5, 7, 9], 0.2) + random.normal(0, 0.2)) for i in range(n)}
    if shifted:
        npx[shifted] = [value - 4 for value in npx[shifted]]
    table = long_table(npx, lod=4.0)
    return match_libraries({"npx.csv": table}, library_table(list(npx))).values


def metric(values, name):
    table = measure_libraries(values)
    return table[table["metric"] == name].set_index("library")["value"]


def test_a_gross_outlier_stands_out_where_a_plain_sd_cannot_see_it():
    deviation = metric(cohort(shifted="05"), "median_deviation")
    medians = cohort(shifted="05").groupby("library")["npx"].median()
    plain = (medians - medians.median()).abs() / medians.std()
    assert plain.max() < 5, "the plain SD holds the outlier"
    assert deviation.idxmax() == "L-05"
    assert deviation["L-05"] > 5
    assert deviation.drop("L-05").max() < 5


def test_robust_deviation_by_hand():
    # Median 3, absolute deviations 2 1 0 1 7: MAD 1.
    table = pd.DataFrame({"panel": [1.0, 2, 3, 4, 10]})
    np.testing.assert_allclose(robust_deviation(table)["panel"], np.array([2, 1, 0, 1, 7]) / 1.4826)
    even = pd.DataFrame({"panel": [1.0, 1.0, 1.0, 1.2]})
    np.testing.assert_allclose(robust_deviation(even)["panel"], [0, 0, 0, 2])


def test_fractions_of_warned_and_detected_values():
    values = cohort(n=4)
    values.loc[(values["library"] == "L-00") & (values["olink_id"] == "OID1"), "warned"] = True
    assert metric(values, "warned_fraction").to_dict() == {"L-00": 0.25, "L-01": 0, "L-02": 0, "L-03": 0}
    # The first assay lies near 3, below the LOD of 4; the others above.
    np.testing.assert_allclose(metric(values, "detected_fraction"), 0.75)
    without = metric(values.assign(lod=np.nan), "detected_fraction")
    assert without.empty


def test_a_library_without_values_is_measured_as_missing():
    values = cohort(n=4)
    values.loc[values["library"] == "L-00", "npx"] = np.nan
    assert metric(values, "missing_fraction").to_dict() == {"L-00": 1, "L-01": 0, "L-02": 0, "L-03": 0}


def test_assays():
    assays = describe_assays(cohort()).set_index("olink_id")
    assert assays["n_libraries"].eq(12).all()
    assert list(assays["detected_fraction"]) == [0, 1, 1, 1]
    wide = cohort().pivot(index="library", columns="olink_id", values="npx")
    expected = wide["OID1"].rank().corr(wide["OID3"].rank())
    assert assays.loc["OID1", "duplicate_correlation"] == pytest.approx(expected)
    assert np.isnan(assays.loc["OID2", "duplicate_correlation"])


def test_cv_of_a_log_normal():
    # SD of 1 on the log2 scale: sqrt(exp(ln(2)^2) - 1).
    assert cv_percent(pd.Series([1.0]))[0] == pytest.approx(78.54, abs=0.01)


def test_controls_within_and_between_plates():
    tables = [
        long_table({"c1": [0.0] * 4}, sample_type="plate_control", plate="P1"),
        long_table({"c2": [0.2] * 4}, sample_type="plate_control", plate="P1"),
        long_table({"c3": [0.5] * 4}, sample_type="plate_control", plate="P2"),
    ]
    values = match_libraries({"npx.csv": pd.concat(tables)}, library_table([])).values
    row = describe_controls(values).set_index("olink_id").loc["OID1"]
    assert (row["control"], row["n_values"], row["n_plates"], row["median_npx"]) == ("plate_control", 3, 2, 0.2)
    assert row["intra_cv"] == pytest.approx(cv_percent(pd.Series([np.std([0, 0.2], ddof=1)]))[0])
    assert row["inter_cv"] == pytest.approx(cv_percent(pd.Series([np.std([0.1, 0.5], ddof=1)]))[0])


def test_bridge_samples_are_not_replicates_of_each_other():
    table = long_table({"b1": [0.0] * 4, "b2": [5.0] * 4})
    values = match_libraries({"npx.csv": table}, library_table(["b1", "b2"], "bridge")).values
    controls = describe_controls(values)
    assert set(controls["control"]) == {"bridge:b1", "bridge:b2"}
    assert controls["intra_cv"].isna().all()


def build(values, libraries, **options):
    given = {
        "warned_values": "missing",
        "definers": {"FTH1"},
        "drugs": {"IL1RN"},
        "accessions": {"IL1RN": "P18510", "FTH1": "P02794"},
        **options,
    }
    return build_proteome(values, libraries, passed(libraries, failed={"L-03"}), **given)


def test_matrix():
    values = cohort(n=4)
    warned = (values["library"] == "L-01") & (values["olink_id"] == "OID2")
    values.loc[warned, "warned"] = True
    data = build(values, library_table(["00", "01", "02", "03"]))
    assert list(data.obs_names) == ["L-00", "L-01", "L-02"]
    assert list(data.var_names) == list(ASSAYS)
    assert data.X.dtype == np.float32
    assert np.isnan(data["L-01", "OID2"].X).all()
    assert np.isnan(data.X).sum() == 1
    np.testing.assert_allclose(data["L-02"].X[0], values[values["library"] == "L-02"]["npx"], rtol=1e-6)
    assert data.layers["below_lod"].sum(axis=0).tolist() == [3, 0, 0, 0]
    assert data.layers["warned"].sum() == 1
    assert data.var["drug_analyte"].to_dict() == {"OID1": False, "OID2": True, "OID3": False, "OID4": False}
    assert data.var["definer"].to_dict() == {"OID1": False, "OID2": False, "OID3": False, "OID4": True}
    kept = build(values, library_table(["00", "01", "02", "03"]), warned_values="keep")
    assert not np.isnan(kept.X).any()


def test_target_panels_are_flagged_by_accession():
    annotation = pd.DataFrame({"symbol": ["IL-1ra", "IL6"], "uniprot": ["P18510", "P05231"]}, index=["O1", "O2"])
    assert list(flag_proteins(annotation, {"IL1RN"}, {"IL1RN": "P18510"})) == [True, False]


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="public test data are not beside the checkout")
class TestVendorExports:
    def matched(self, path, is_control=lambda name: False):
        table = read_npx(path)
        ids = sorted(table["sample_id"].unique())
        libraries = library_table(ids)
        libraries["sample_type"] = ["positive_control" if is_control(name) else "sample" for name in ids]
        return match_libraries({"npx.csv": table}, libraries).values

    def test_wide_workbook(self):
        path = DATA / "covid_olink_breda" / "raw_data_Cohort_1-_Breda.xlsx"
        values = self.matched(path, is_control=lambda name: name.startswith("PC"))
        # What the export says of itself: 584 samples, 7 plates, 92 proteins, 6 flagged positions.
        assert values["table_id"].nunique() == 584
        assert values["plate"].nunique() == 7
        assert values["olink_id"].nunique() == 92
        assert values[values["warned"]]["table_id"].nunique() == 6
        deviation = metric(values, "median_deviation")
        assert list(deviation[deviation > 5].index) == ["L-C-22"], "a library that the vendor flagged, too"
        # "Proteins detected > 75 %" of the export counts the samples without the controls, as we do.
        assert (describe_assays(values)["detected_fraction"] > 0.75).sum() == 71

    def test_long_table(self):
        values = self.matched(DATA / "covid_olink_serum" / "serum_npx_level.csv")
        assert values["table_id"].nunique() == 63
        assert values["olink_id"].nunique() == 436
        assert values["panel"].nunique() == 5
        assert metric(values, "median_deviation").max() < 5
