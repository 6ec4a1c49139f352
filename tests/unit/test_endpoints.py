"""From clinical tables to labels.tsv and endpoints.tsv."""

import pandas as pd
import pytest

from immunosep import endpoints
from immunosep.errors import InputError
from immunosep.io import read_table, write_table

SETTINGS = {
    "endotype": {"ferritin_cut": 4420, "hladr_cut": 5000, "ferritin_borderline": 0.10, "hladr_borderline": 0.15},
    "sofa": {
        "first_day": 1,
        "last_day": 9,
        "end_of_treatment_day": 15,
        "baseline_fallback": "day0",
        "death_rule": "locf",
        "discharge_rule": "locf",
    },
    "sofa_response": {"option": "A", "threshold_tenths": 14, "decrease_percent": 25, "decrease_day": 7},
    "reversal": {
        "day": 15,
        "window": 1,
        "ferritin_percent": 15,
        "hladr_above": 8000,
        "missing": "locf",
        "death": "not_reversed",
    },
    "survival": {"horizons": [28, 90]},
}
VISIT_COLUMNS = [
    *["site", "participant_code", "visit_day", "sofa_total", *endpoints.COMPONENTS],
    *["ferritin", "ferritin_unit", "hladr", "hladr_unit", "infection_resolved"],
]


def person(site, code, **values):
    row = {
        "site": site,
        "participant_code": code,
        "country": {"GR": "Greece", "DE": "Germany"}[site[:2]],
        "randomised": "yes",
        "death_day": "",
        "discharge_day": "",
        "last_contact_day": "90",
        "consent": "consented",
        "withdrawn_day": "",
    }
    return row | values


def visit(site, code, day, sofa="", ferritin="", hladr="", **values):
    row = dict.fromkeys(VISIT_COLUMNS, "") | {
        "site": site,
        "participant_code": code,
        "visit_day": str(day),
        "sofa_total": str(sofa),
        "ferritin": str(ferritin),
        "hladr": str(hladr),
    }
    row["ferritin_unit"] = "ng/mL" if row["ferritin"] else ""
    row["hladr_unit"] = "receptors_per_cell" if row["hladr"] else ""
    return row | values


def screened(site, code, ferritin="", hladr="", **values):
    return {
        "site": site,
        "participant_code": code,
        "ferritin": str(ferritin),
        "ferritin_unit": "ng/mL",
        "hladr": str(hladr),
        "hladr_unit": "receptors_per_cell",
        "class_lab": site[:2],
    } | values


@pytest.fixture
def tables():
    """Same code at two sites with opposite courses, a screen failure, a withdrawal, an erasure."""
    people = [
        person("GR03", "012345678"),
        person("DE01", "012345678", death_day="12", last_contact_day="12"),
        person("GR03", "000000001", randomised="no", last_contact_day=""),
        person("GR03", "000000002", consent="withdrawn", withdrawn_day="5", death_day="20"),
        person("DE01", "000000003", consent="erase"),
    ]
    visits = [
        *(visit("GR03", "012345678", day, sofa=12 - day) for day in range(1, 10)),
        visit("GR03", "012345678", 15, ferritin=4250, infection_resolved="yes"),
        visit("DE01", "012345678", 0, sofa=7),
        *(visit("DE01", "012345678", day, sofa=8) for day in (2, 4)),
        visit("DE01", "012345678", 7, sofa=9, hladr=9000),
        visit("GR03", "000000001", 0, sofa=4),
        visit("GR03", "000000002", 1, sofa=10),
        visit("GR03", "000000002", 5, sofa=8),
        visit("GR03", "000000002", 6, sofa=0),
        visit("DE01", "000000003", 1, sofa=9),
    ]
    classification = [
        screened("GR03", "012345678", 5000, 4000),
        screened("DE01", "012345678", 900, 3000),
        screened("GR03", "000000001", 900, 9000),
        screened("GR03", "000000002", 900.5, 1000),
        screened("DE01", "000000003", 9000, 1000),
    ]
    return pd.DataFrame(people), pd.DataFrame(visits), pd.DataFrame(classification)


def test_labels_by_hand(tables):
    table, _ = endpoints.derive(*tables, SETTINGS)
    assert table["participant"].tolist() == ["DE01-012345678", "GR03-000000001", "GR03-000000002", "GR03-012345678"]
    rows = table.set_index("participant").to_dict("index")

    first = rows["GR03-012345678"]  # 11 10 ... 3: mean 7
    assert (first["endotype"], first["both_criteria"], first["country"]) == ("MALS", "yes", "Greece")
    assert (first["sofa_baseline"], first["mean_sofa_d9"], first["delta_mean_sofa_d9"]) == (11, 7, 4)
    assert (first["n_days_observed_d9"], first["n_days_imputed_d9"], first["mostly_imputed_d9"]) == (9, 0, "no")
    assert first["mean_sofa_d15"] == pytest.approx((63 + 6 * 3) / 15)
    assert (first["sofa_response"], first["sofa_response_rule"]) == ("response", "A: decrease >= 1.4")
    assert (first["reversal_d15"], first["baseline_source"]) == ("reversed", "classification")
    assert first["ferritin_below_cut_d15"] == "yes"
    assert (first["time_to_death_28"], first["event_28"], first["time_to_death_90"]) == (28, 0, 90)
    assert first["infection_resolved_d15"] == "yes"

    second = rows["DE01-012345678"]  # day 0: 7; then 8 (8) 8 (8 8) 9 (9 9): the same code, another person
    assert (second["endotype"], second["sofa_baseline"], second["sofa_baseline_source"]) == ("SII", 7, "day0")
    assert second["mean_sofa_d9"] == pytest.approx((7 + 8 * 5 + 9 * 3) / 9)
    assert (second["n_days_observed_d9"], second["n_days_imputed_d9"], second["mostly_imputed_d9"]) == (3, 6, "yes")
    assert (second["sofa_response"], second["reversal_d15"]) == ("nonresponse", "dead")
    assert second["reversal_d15_binary"] == "no"
    assert (second["time_to_death_28"], second["event_28"], second["event_90"]) == (12, 1, 1)

    failed = rows["GR03-000000001"]
    assert (failed["endotype"], failed["sofa_response"], failed["reversal_d15"]) == ("unclassified", "", "")
    assert failed["sofa_response_rule"] == "not randomised"
    assert pd.isna(failed["mean_sofa_d9"])
    assert pd.isna(failed["event_28"])

    left = rows["GR03-000000002"]  # 10 x 4, then 8: the zero of day 6 and the death of day 20 came after withdrawal
    assert left["mean_sofa_d9"] == pytest.approx((4 * 10 + 5 * 8) / 9)
    assert (left["time_to_death_28"], left["event_28"], left["event_90"]) == (5, 0, 0)
    assert left["reversal_rule"] == "imputed_nonreversal"


def test_blinded_tables_hold_nothing_of_the_classification(tables):
    participants, visits, classification = tables
    table, long = endpoints.derive(participants, visits, None, SETTINGS)
    sealed, sealed_long = endpoints.derive(participants, visits, classification, SETTINGS)
    hidden = set(sealed.columns) - set(table.columns)
    assert hidden == {
        *["endotype", "both_criteria", "borderline", "endotype_rule", "reversal_d15", "reversal_d15_binary"],
        *["reversal_rule", "baseline_source", "ferritin_below_cut_d15"],
    }
    pd.testing.assert_frame_equal(table, sealed[table.columns])
    assert set(sealed_long["endpoint"]) - set(long["endpoint"]) == {"reversal_d15", "reversal_d15_binary"}
    assert not long.to_csv().count("MALS")


@pytest.mark.parametrize(("day", "window"), [(15, 0), (3, 1), (2, 0)])
def test_the_day_and_window_of_the_reversal_are_free(tables, day, window):
    chosen = {**SETTINGS, "reversal": {**SETTINGS["reversal"], "day": day, "window": window}}
    table, _ = endpoints.derive(*tables, chosen)
    states = table.set_index("participant")[f"reversal_d{day}"]
    assert states["GR03-012345678"] == ("reversed" if day == 15 else "not_reversed")


def test_order_of_rows_does_not_matter(tables):
    expected = endpoints.derive(*tables, SETTINGS)
    shuffled = endpoints.derive(*(table.sample(frac=1, random_state=7) for table in tables), SETTINGS)
    for one, other in zip(expected, shuffled, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_endpoints_are_long_unique_and_say_their_rule(tables):
    table, long = endpoints.derive(*tables, SETTINGS)
    assert long.columns.tolist() == ["participant", "endpoint", "value", "rule", "n_observed", "n_imputed"]
    assert not long.duplicated(["participant", "endpoint"]).any()
    assert (long["rule"] != "").all()
    assert "GR03-000000001" not in set(long["participant"])  # not randomised
    wide = long.pivot(index="participant", columns="endpoint", values="value")
    assert wide.loc["DE01-012345678", "mean_sofa_d15_worst24"] == f"{(7 + 8 * 5 + 9 * 6 + 24 * 3) / 15:.6g}"
    assert wide.loc["DE01-012345678", "mean_sofa_d15_exclude_days"] == f"{(7 + 8 * 5 + 9 * 6) / 12:.6g}"
    assert (wide["mean_sofa_d9"] == wide["mean_sofa_d9_locf"]).all()
    responses = table.set_index("participant")["sofa_response"]
    assert (wide["sofa_response"] == responses.loc[wide.index]).all()
    assert (wide["sofa_response"] == wide["sofa_response_A"]).all()
    rules = long.set_index(["participant", "endpoint"])["rule"]
    assert rules["GR03-012345678", "mean_sofa_d9"] == "mean of days 1-9; gaps: locf; deaths: locf; discharged: locf"


def test_a_total_is_summed_from_six_components_only(tables):
    participants, visits, classification = tables
    codes = ("GR03", "012345678")
    parts = dict.fromkeys(endpoints.COMPONENTS, "2")
    first = (visits["participant_code"] == codes[1]) & (visits["site"] == codes[0]) & (visits["visit_day"] == "1")
    visits.loc[first, ["sofa_total", *parts]] = ["", *parts.values()]
    table, _ = endpoints.derive(participants, visits, classification, SETTINGS)
    assert table.set_index("participant").loc["GR03-012345678", "sofa_baseline"] == 12
    visits.loc[first, "sofa_cns"] = ""
    table, _ = endpoints.derive(participants, visits, classification, SETTINGS)
    assert pd.isna(table.set_index("participant").loc["GR03-012345678", "sofa_baseline"])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("ferritin", "4.420", "thousands"),
        ("ferritin", "4,420", "thousands"),
        ("ferritin", "1.234.567", "thousands"),
        ("ferritin", "1e4", "plain number"),
        ("ferritin", " 4420", "plain number"),
        ("ferritin", "٤٤٢٠", "plain number"),
        ("ferritin", "-5", "plain number"),
        ("ferritin", "0", "above 0"),
        ("hladr_unit", "%", "receptors_per_cell"),
        ("hladr_unit", "", "receptors_per_cell"),
    ],
)
def test_what_is_no_plain_number_in_the_right_unit_is_refused(tables, column, value, message):
    participants, visits, classification = tables
    classification.loc[1, column] = value
    with pytest.raises(InputError, match=message) as caught:
        endpoints.derive(participants, visits, classification, SETTINGS)
    assert "classification.tsv, line 3" in str(caught.value)


@pytest.mark.parametrize("score", ["25", "-1", "5.0", "7 ", "x"])
def test_sofa_is_a_whole_number_from_0_to_24(tables, score):
    participants, visits, classification = tables
    visits.loc[0, "sofa_total"] = score
    with pytest.raises(InputError, match=r"visits.tsv, line 2, column sofa_total"):
        endpoints.derive(participants, visits, classification, SETTINGS)


def test_a_day_stands_once_per_participant(tables):
    participants, visits, classification = tables
    doubled = pd.concat([visits, visits.iloc[[0]]], ignore_index=True)
    with pytest.raises(InputError, match="stands twice"):
        endpoints.derive(participants, doubled, classification, SETTINGS)


def test_nobody_left_is_a_clear_error(tables):
    participants, visits, classification = tables
    with pytest.raises(InputError, match="no participant left"):
        endpoints.derive(participants.assign(consent="erase"), visits, classification, SETTINGS)


def test_a_participant_without_screening_values_is_undetermined(tables):
    participants, visits, classification = tables
    table, _ = endpoints.derive(participants, visits, classification.iloc[1:], SETTINGS)
    assert table.set_index("participant").loc["GR03-012345678", "endotype"] == "undetermined"


def test_files_are_written_with_plain_numbers(tables, tmp_path):
    paths = [tmp_path / f"{name}.tsv" for name in ("participants", "visits", "classification")]
    for table, path in zip(tables, paths, strict=True):
        write_table(table, path)
    outputs = {"labels_path": str(tmp_path / "labels.tsv"), "endpoints_path": str(tmp_path / "endpoints.tsv")}
    endpoints.derive_label_tables(
        participants=str(paths[0]),
        visits=str(paths[1]),
        classification=str(paths[2]),
        settings=SETTINGS,
        **outputs,
    )
    written = read_table(tmp_path / "labels.tsv").set_index("participant")
    assert written.loc["DE01-012345678", "mean_sofa_d9"] == "8.22222"
    assert written.loc["GR03-012345678", "mean_sofa_d9"] == "7"
    assert written.loc["GR03-000000001", "mean_sofa_d9"] == ""
    long = read_table(tmp_path / "endpoints.tsv")
    assert set(long["n_observed"]) >= {"9", "3", ""}


def test_a_ready_label_table_passes_after_a_check(tmp_path):
    source, target = tmp_path / "mine.tsv", tmp_path / "labels.tsv"
    source.write_text("participant\tsubtype\nP2\tB\nP1\tA\n")
    endpoints.import_label_table(str(source), str(target))
    assert target.read_text() == "participant\tsubtype\nP1\tA\nP2\tB\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample\tsubtype\nP1\tA\n", "no column 'participant'"),
        ("participant\nP1\n", "no label column"),
        ("participant\tsubtype\nP1\tA\nP1\tB\n", "line 3.*twice"),
        ("participant\tsubtype\n\tA\n", "line 2.*name the participant"),
    ],
)
def test_a_bad_label_table_is_refused(tmp_path, text, message):
    source = tmp_path / "mine.tsv"
    source.write_text(text)
    with pytest.raises(InputError, match=message):
        endpoints.import_label_table(str(source), str(tmp_path / "labels.tsv"))
