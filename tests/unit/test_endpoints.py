"""From clinical tables to labels.tsv and endpoints.tsv."""

import pandas as pd
import pytest

from immunosep.endpoints.cohort import COMPONENTS
from immunosep.endpoints.columns import label_columns
from immunosep.endpoints.long import COLUMNS, SENSITIVITY
from immunosep.endpoints.steps import derive, derive_label_tables, import_label_table
from immunosep.errors import InputError
from immunosep.io import read_table, write_table
from support.clinic import SETTINGS, person, screened, visit


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
        visit("GR03", "000000002", 1, sofa=10, monocytes_10e9_l="0.45"),
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
    table = derive(*tables, SETTINGS).labels
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
    assert (second["last_observed_day_d9"], first["last_observed_day_d15"]) == (7, 9)
    assert (second["sofa_response"], second["reversal_d15"]) == ("nonresponse", "dead")
    assert second["reversal_d15_binary"] == "no"
    assert (second["time_to_death_28"], second["event_28"], second["event_90"]) == (12, 1, 1)

    failed = rows["GR03-000000001"]
    assert (failed["endotype"], failed["sofa_response"], failed["reversal_d15"]) == ("unclassified", "", "")
    assert failed["sofa_response_rule"] == "not randomised"
    assert pd.isna(failed["mean_sofa_d9"])
    assert pd.isna(failed["event_28"])

    left = rows["GR03-000000002"]  # the 10 of day 1 carried on: nothing is used from the withdrawal on day 5 on
    assert left["mean_sofa_d9"] == 10
    assert left["monocytes_baseline"] == 0.45
    assert pd.isna(first["monocytes_baseline"])
    assert (left["n_days_observed_d9"], left["n_days_imputed_d9"], left["last_day_in_study"]) == (1, 8, 4)
    assert (left["time_to_death_28"], left["event_28"], left["event_90"]) == (5, 0, 0)
    assert left["reversal_rule"] == "imputed_nonreversal"


def test_blinded_tables_hold_nothing_of_the_classification(tables):
    participants, visits, classification = tables
    blinded = derive(participants, visits, None, SETTINGS)
    seeing = derive(participants, visits, classification, SETTINGS)
    table, long, sealed, sealed_long = blinded.labels, blinded.endpoints, seeing.labels, seeing.endpoints
    assert blinded.dynamic is None
    hidden = set(sealed.columns) - set(table.columns)
    assert hidden == {
        *["endotype", "both_criteria", "borderline", "endotype_rule", "reversal_d15", "reversal_d15_binary"],
        *["reversal_rule", "baseline_source", "ferritin_below_cut_d15", "ferritin_screening", "hladr_screening"],
        *(f"dynamic_endotype_d{day}" for day in (1, 2, 4, 7, 15)),
    }
    pd.testing.assert_frame_equal(table, sealed[table.columns])
    assert set(sealed_long["endpoint"]) - set(long["endpoint"]) == {"reversal_d15", "reversal_d15_binary"}
    assert not long.to_csv().count("MALS")


@pytest.mark.parametrize("arm", [False, True])
@pytest.mark.parametrize("endotype", [False, True])
def test_the_columns_are_known_before_the_labels(tables, endotype, arm):
    participants, visits, classification = tables
    allocation = participants[["site", "participant_code"]].assign(arm="active", emergency_unblinded="no")
    derived = derive(
        participants,
        visits,
        classification if endotype else None,
        SETTINGS,
        allocation=allocation if arm else None,
    )
    assert derived.labels.columns.tolist() == label_columns(SETTINGS, endotype=endotype, arm=arm)
    assert "arm" not in label_columns(SETTINGS, endotype=True, arm=False)
    assert not [name for name in label_columns(SETTINGS, endotype=False, arm=False) if "endotype" in name]


def test_arms_are_those_of_the_allocation_and_of_the_randomised_alone(tables):
    participants, visits, classification = tables
    allocation = pd.DataFrame(
        {
            "site": ["GR03", "DE01"],
            "participant_code": ["012345678", "012345678"],
            "arm": ["active", "placebo"],
            "emergency_unblinded": ["", "yes"],
        }
    )
    table = derive(participants, visits, classification, SETTINGS, allocation=allocation).labels
    rows = table.set_index("participant")[["arm", "emergency_unblinded"]].apply(tuple, axis=1)
    assert rows["GR03-012345678"] == ("active", "")
    assert rows["DE01-012345678"] == ("placebo", "yes")
    assert rows["GR03-000000001"] == ("", "")
    with pytest.raises(InputError, match="active or placebo"):
        derive(participants, visits, classification, SETTINGS, allocation=allocation.assign(arm="A"))


def test_dynamic_endotypes_have_a_row_per_visit_with_values(tables):
    participants, visits, classification = tables
    derived = derive(participants, visits, classification, SETTINGS)
    rows = derived.dynamic.set_index(["participant", "visit_day"])["dynamic_endotype"].to_dict()
    # Day 15: ferritin 4250 without HLA-DR. Day 7: HLA-DR without ferritin.
    assert rows == {("GR03-012345678", 15): "undetermined", ("DE01-012345678", 7): "undetermined"}
    assert derived.labels.set_index("participant").loc["GR03-012345678", "dynamic_endotype_d15"] == "undetermined"
    high = visits.assign(ferritin=visits["ferritin"].replace("4250", "4421"))
    again = derive(participants, high, classification, SETTINGS)
    assert again.dynamic.loc[again.dynamic["visit_day"] == 15, "dynamic_endotype"].tolist() == ["MALS"]
    assert again.dynamic.loc[again.dynamic["visit_day"] == 15, "endotype_rule"].tolist() == ["ferritin > 4420"]


def test_landmarks_count_their_population(tables):
    derived = derive(*tables, SETTINGS)
    rows = derived.landmarks.set_index("landmark_day").to_dict("index")
    # Three randomised with labels; one leaves on day 5.
    assert rows[4] == {
        "randomised": 3,
        "dead": 0,
        "left_study": 0,
        "population": 3,
        "response": 1,
        "nonresponse": 2,
        "unknown": 0,
    }
    assert (rows[7]["left_study"], rows[7]["population"]) == (1, 2)
    labels = derived.labels.set_index("participant")
    assert labels.loc["GR03-012345678", ["sofa_d4", "landmark_delta_d4"]].tolist() == [8, 3]
    assert labels.loc["GR03-000000002", "landmark_response_d7"] == ""
    # A predictor is never carried forward: day 7 was observed, and for the one who left there is none.
    assert labels.loc["DE01-012345678", "sofa_d7"] == 9
    assert pd.isna(labels.loc["GR03-000000002", "sofa_d4"])


@pytest.mark.parametrize(
    ("mode", "expected", "rule"), [("mean_1_15", 81 / 15, "mean of days 1-15"), ("value_d15", 3, "score of day 15")]
)
def test_mean_sofa_on_day_15_is_read_in_two_ways(tables, mode, expected, rule):
    chosen = {**SETTINGS, "sofa": {**SETTINGS["sofa"], "d15_mode": mode}}
    derived = derive(*tables, chosen)
    assert derived.labels.set_index("participant").loc["GR03-012345678", "mean_sofa_d15"] == pytest.approx(expected)
    rules = derived.endpoints.set_index(["participant", "endpoint"])["rule"]
    assert rules["GR03-012345678", "mean_sofa_d15"].startswith(rule)
    assert derived.labels.set_index("participant").loc["GR03-012345678", "mean_sofa_d9"] == 7


def test_sensitivity_holds_every_combination_and_agrees_with_the_endpoints(tables):
    derived = derive(*tables, SETTINGS)
    table = derived.sensitivity
    assert table.columns.tolist() == SENSITIVITY
    people = derived.endpoints["participant"].nunique()
    means, responses = (table["endpoint"].str.startswith("mean")), (table["endpoint"] == "sofa_response")
    assert means.sum() == people * 2 * 3 * 3
    assert responses.sum() == people * 5 * 4 * 3
    assert not table.duplicated(["participant", "endpoint", "criterion", "death_rule", "discharge_rule"]).any()
    wide = derived.endpoints.pivot(index="participant", columns="endpoint", values="value")
    plain = table[table["discharge_rule"] == "locf"]
    for option in "ABCDEF":
        named = plain[plain["option"] == option].set_index("participant")["value"]
        assert named.equals(wide[f"sofa_response_{option}"].loc[named.index].rename("value")), option
    for death_rule in ("locf", "worst24", "exclude_days"):
        rows = plain[(plain["endpoint"] == "mean_sofa_d9") & (plain["death_rule"] == death_rule)]
        assert rows.set_index("participant")["value"].tolist() == wide[f"mean_sofa_d9_{death_rule}"].tolist()


@pytest.mark.parametrize(("day", "window"), [(15, 0), (3, 1), (2, 0)])
def test_the_day_and_window_of_the_reversal_are_free(tables, day, window):
    chosen = {**SETTINGS, "reversal": {**SETTINGS["reversal"], "day": day, "window": window}}
    table = derive(*tables, chosen).labels
    states = table.set_index("participant")[f"reversal_d{day}"]
    assert states["GR03-012345678"] == ("reversed" if day == 15 else "not_reversed")


def test_order_of_rows_does_not_matter(tables):
    expected = derive(*tables, SETTINGS)
    shuffled = derive(*(table.sample(frac=1, random_state=7) for table in tables), SETTINGS)
    for name in ("labels", "endpoints", "sensitivity", "landmarks", "dynamic"):
        pd.testing.assert_frame_equal(getattr(expected, name), getattr(shuffled, name))


def test_endpoints_are_long_unique_and_say_their_rule(tables):
    derived = derive(*tables, SETTINGS)
    table, long = derived.labels, derived.endpoints
    assert long.columns.tolist() == COLUMNS
    assert not long[["n_observed", "n_imputed"]].isna().any(axis=None)
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
    parts = dict.fromkeys(COMPONENTS, "2")
    first = (visits["participant_code"] == codes[1]) & (visits["site"] == codes[0]) & (visits["visit_day"] == "1")
    visits.loc[first, ["sofa_total", *parts]] = ["", *parts.values()]
    table = derive(participants, visits, classification, SETTINGS).labels
    assert table.set_index("participant").loc["GR03-012345678", "sofa_baseline"] == 12
    visits.loc[first, "sofa_cns"] = ""
    table = derive(participants, visits, classification, SETTINGS).labels
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
        derive(participants, visits, classification, SETTINGS)
    assert "classification.tsv, line 3" in str(caught.value)


@pytest.mark.parametrize("score", ["25", "-1", "5.0", "7 ", "x"])
def test_sofa_is_a_whole_number_from_0_to_24(tables, score):
    participants, visits, classification = tables
    visits.loc[0, "sofa_total"] = score
    with pytest.raises(InputError, match=r"visits.tsv, line 2, column sofa_total"):
        derive(participants, visits, classification, SETTINGS)


def test_a_day_stands_once_per_participant(tables):
    participants, visits, classification = tables
    doubled = pd.concat([visits, visits.iloc[[0]]], ignore_index=True)
    with pytest.raises(InputError, match="stands twice"):
        derive(participants, doubled, classification, SETTINGS)


def test_nobody_left_is_a_clear_error(tables):
    participants, visits, classification = tables
    with pytest.raises(InputError, match="no participant left"):
        derive(participants.assign(consent="erase"), visits, classification, SETTINGS)


def test_a_participant_without_screening_values_is_undetermined(tables):
    participants, visits, classification = tables
    table = derive(participants, visits, classification.iloc[1:], SETTINGS).labels
    assert table.set_index("participant").loc["GR03-012345678", "endotype"] == "undetermined"


def test_files_are_written_with_plain_numbers(tables, tmp_path):
    paths = [tmp_path / f"{name}.tsv" for name in ("participants", "visits", "classification")]
    for table, path in zip(tables, paths, strict=True):
        write_table(table, path)
    outputs = {
        name: tmp_path / f"{name}.tsv" for name in ("labels", "endpoints", "sensitivity", "landmarks", "dynamic")
    }
    derive_label_tables(
        participants=paths[0],
        visits=paths[1],
        classification=paths[2],
        allocation=None,
        settings=SETTINGS,
        **{f"{name}_path": path for name, path in outputs.items()},
    )
    for name, path in outputs.items():
        assert len(read_table(path)), name
    written = read_table(tmp_path / "labels.tsv").set_index("participant")
    assert written.loc["DE01-012345678", "mean_sofa_d9"] == "8.22222"
    assert written.loc["GR03-012345678", "mean_sofa_d9"] == "7"
    assert written.loc["GR03-000000001", "mean_sofa_d9"] == ""
    long = read_table(tmp_path / "endpoints.tsv")
    assert set(long["n_observed"]) >= {"9", "3", "0"}


def test_a_ready_label_table_passes_after_a_check(tmp_path):
    source, target = tmp_path / "mine.tsv", tmp_path / "labels.tsv"
    source.write_text("participant\tsubtype\nP2\tB\nP1\tA\n")
    import_label_table(str(source), str(target), declared=["subtype"], role="blinded")
    assert target.read_text() == "participant\tsubtype\nP1\tA\nP2\tB\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample\tsubtype\nP1\tA\n", "no column 'participant'"),
        ("participant\nP1\n", "no label column"),
        ("participant\tsubtype\nP1\tA\nP1\tB\n", "line 3.*twice"),
        ("participant\tsubtype\n\tA\n", "line 2.*name the participant"),
        ("participant\tdate_of_birth\nP1\t1\n", "must not enter the workflow.*personal_column"),
    ],
)
def test_a_bad_label_table_is_refused(tmp_path, text, message):
    source = tmp_path / "mine.tsv"
    source.write_text(text)
    with pytest.raises(InputError, match=f"(?s){message}"):
        import_label_table(str(source), str(tmp_path / "labels.tsv"), declared=["subtype"], role="blinded")
    assert not (tmp_path / "labels.tsv").exists()
