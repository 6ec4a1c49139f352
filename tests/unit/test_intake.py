"""What the intake writes down: sample tables, completeness, confounding of batches, the report."""

import json

import pandas as pd
import pytest

from immunosep.checks import load_schema
from immunosep.completeness import summarise, tabulate_completeness
from immunosep.errors import InputError
from immunosep.intake import check_inputs, load_libraries, write_intake_report, write_library_table, write_sample_tables
from support.trial import FIRST, Trial, sample

LAYERS = load_schema("manifest")["layers"]
TABLES = ("libraries", "rejected", "completeness")
REPORT = ("confounding", "json", "html")


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path).write()


def outputs(trial, names):
    return {name: trial.folder / "out" / name for name in names}


def states(trial, days, **own):
    rows = tabulate_completeness(trial.write().check()[0], dict.fromkeys(LAYERS, days) | own)
    return {(r["participant"], r["visit_day"], r["layer"], r["specimen"]): (r["status"], r["reason"]) for r in rows}


# ------------------------------------------------------------------------------------------------------ completeness


def test_completeness_names_every_gap(trial):
    trial.participants[1] |= {"death_day": "15", "last_contact_day": "15"}
    state = states(trial, [1, 7, 90])
    assert len(state) == 2 * 3 * 5  # participants, days, feature spaces
    assert state["GR03-012345678", "1", "rna", ""] == ("collected", "")
    assert state["GR03-012345678", "7", "rna", ""] == ("missing", "no_row")
    assert state["RO06-987654321", "7", "rna", ""] == ("missing", "missed")
    assert state["RO06-987654321", "90", "microbiome", "oral"] == ("not_expected", "died")


def test_a_layer_with_days_of_its_own_is_expected_on_those_alone(trial):
    state = states(trial, [1, 7, 90], rna=[1, 28])
    assert sorted(day for person, day, layer, _ in state if (person, layer) == ("GR03-012345678", "rna")) == ["1", "28"]
    assert state["GR03-012345678", "28", "rna", ""] == ("missing", "no_row")
    assert ("GR03-012345678", "28", "microbiome", "oral") not in state


def test_nothing_is_expected_after_withdrawal_with_or_without_a_row(trial):
    trial.participants[1] |= {"consent": "withdrawn", "withdrawn_day": "4", "last_contact_day": "4"}
    trial.manifest = [row for row in trial.manifest if row.get("visit_day") != "7"]
    state = states(trial, [1, 4, 7])
    assert state["RO06-987654321", "1", "rna", ""] == ("collected", "")
    assert state["RO06-987654321", "4", "microbiome", "nares"] == ("not_expected", "withdrawn")
    assert state["RO06-987654321", "7", "rna", ""] == ("not_expected", "withdrawn")


def test_the_manifests_word_for_death_is_believed_where_no_day_is_known(trial):
    trial.manifest[7]["missing_reason"] = "died"
    assert states(trial, [7])["RO06-987654321", "7", "rna", ""] == ("not_expected", "died")


def test_those_not_randomised_are_expected_nowhere(trial):
    trial.participants.append(
        trial.participants[0]
        | {"participant_code": "000000009", "randomised": "no", "dosed": "no", "per_protocol": "no"}
    )
    assert not any(key[0] == "GR03-000000009" for key in states(trial, [1]))


def test_the_summary_counts_each_feature_space(trial):
    libraries, _ = trial.check()
    counts = summarise(libraries, tabulate_completeness(libraries, dict.fromkeys(LAYERS, (1, 4, 7))))
    assert counts["rna"] == {"samples": 2, "participants": 2, "controls": 0, "left_out": 1, "missing": 4}
    assert counts["microbiome_oral"]["samples"] == 1
    assert counts["microbiome"]["controls"] == 2


# ------------------------------------------------------------------------------------------------------- the outputs


def test_tables_and_report_are_written_whole_or_not_at_all(trial):
    trial.manifest[3]["site"] = "XX99"
    trial.write_tables()
    for write, names in ((write_sample_tables, TABLES), (write_intake_report, REPORT)):
        with pytest.raises(InputError):
            write(trial.config, **outputs(trial, names))
    assert not (trial.folder / "out").exists()
    trial.manifest[3]["site"] = "RO06"
    trial.write_tables()
    write_sample_tables(trial.config, **outputs(trial, TABLES))
    write_intake_report(trial.config, **outputs(trial, REPORT))
    rejected = (trial.folder / "out/rejected").read_text().splitlines()
    assert rejected[1] == "RO06-987654321-D07-rna\trna\twhole_blood\tRO06-987654321\t7\tmissed"
    assert (trial.folder / "out/html").read_text().startswith("<!DOCTYPE html>")
    assert len((trial.folder / "out/libraries").read_text().splitlines()) == 1 + 8


def test_a_library_table_holds_codes_as_text_and_joins_lanes(trial):
    write_library_table(trial.config, "rna", trial.folder / "rna.tsv")
    header, first, *_ = (line.split("\t") for line in (trial.folder / "rna.tsv").read_text().splitlines())
    row = dict(zip(header, first, strict=True))
    assert (row["participant_code"], row["run"], row["country"]) == ("012345678", "R1;R2", "GR")


def test_the_digest_of_the_sample_tables_is_that_of_what_they_tell(trial):
    def digest():
        return load_libraries(trial.write_tables().config).whole_digest()

    first = digest()
    trial.visits[1]["sofa_total"] = "7"
    trial.participants[0]["sex"] = "M"
    assert digest() == first
    seen = {first}
    for change in ({"death_day": "20", "last_contact_day": "20"}, {"randomised": "no", "dosed": "no"}):
        trial.participants[0] |= change | {"per_protocol": "no"}
        seen.add(digest())
    trial.manifest[7]["missing_reason"] = "refused"
    seen.add(digest())
    assert len(seen) == 4


# ------------------------------------------------------------------------------------------------ confounded batches

VALUES = {"ferritin_unit": "ng/mL", "hladr_unit": "receptors_per_cell", "hladr": "3000"}


def cohort(trial, batches):
    """Fill the trial with participants of one site: MALS in turn with SII, each with an RNA library in its batch."""
    people = [{"site": "GR03", "participant_code": f"{500000000 + n}"} for n in range(len(batches))]
    trial.manifest = [
        sample(person, "1", "rna", "rnaseq", "whole_blood", batch=batch, plate="", well=f"W{n}")
        for n, (person, batch) in enumerate(zip(people, batches, strict=True))
    ]
    trial.participants = [trial.participants[0] | person for person in people]
    trial.visits = [trial.visits[0] | person for person in people]
    trial.classification = [person | VALUES | {"ferritin": ("9000", "900")[n % 2]} for n, person in enumerate(people)]
    return trial


def seen(trial, role="endotype"):
    """What the check says of batches, with the sealed tables unsealed."""
    trial.config["role"] = role
    trial.write()
    if role != "blinded":
        trial.unseal(role)
    libraries, findings = trial.check()
    return libraries, [f for f in findings if "batch" in f.code]


def test_a_label_in_one_batch_stops_the_run_unless_the_configuration_accepts_it(trial):
    cohort(trial, ["B1", "B2", "B1", "B1", "B1", "B2", "B1", "B1"])  # MALS in B1 alone, SII in both
    libraries, findings = seen(trial)
    assert [(f.code, f.severity) for f in findings] == [("label_in_one_batch", "error")]
    assert "all 4 of MALS lie in batch B1" in findings[0].problem
    assert len(libraries) == 0
    trial.config["intake"]["confounded_batch"] = "warning"
    libraries, findings = check_inputs(trial.config)
    assert [f.code for f in findings if "batch" in f.code] == ["label_in_one_batch_allowed"]
    assert len(libraries) == 8


def test_a_mistake_elsewhere_does_not_hide_the_label_in_one_batch(trial):
    cohort(trial, ["B1", "B2", "B1", "B1", "B1", "B2", "B1", "B1"])
    trial.visits[0]["sofa_renal"] = "9"
    trial.manifest[0]["fastq_1_sha256"] = "x"
    libraries, findings = seen(trial)
    assert [f.code for f in findings] == ["label_in_one_batch"]
    assert {"out_of_range", "bad_pattern"} <= {f.code for f in trial.check()[1]}
    assert len(libraries) == 0


@pytest.mark.parametrize("broken", [{"batch": "B 2"}, {"site": "GR 03"}, {"layer": "RNA"}])
def test_a_row_that_may_be_of_another_batch_is_waited_for(trial, broken):
    """All MALS that can be read are in B1; the row that cannot may be the one in B2."""
    cohort(trial, ["B1", "B2", "B2", "B1", "B1", "B2", "B1", "B1"])
    trial.manifest[2] |= broken
    assert seen(trial)[1] == []


def test_an_arm_that_is_misspelt_is_no_level_of_its_own(trial):
    cohort(trial, ["B1", "B2", "B2", "B1", "B1", "B2", "B2", "B1"])
    trial.allocation = [
        {name: row[name] for name in ("site", "participant_code")} | {"arm": arm}
        for row, arm in zip(trial.manifest, ["Active", "active", "placebo", "Active"] * 2, strict=True)
    ]
    assert [f.code for f in seen(trial, "unblinded")[1] if f.code == "label_in_one_batch"] == []


def test_one_batch_one_participant_or_all_batches_stop_nothing(trial):
    assert seen(cohort(trial, ["B1"] * 8))[1] == []
    assert seen(cohort(trial, ["B1", "B2", "B2", "B1", "B1", "B2", "B2", "B1"]))[1] == []
    assert seen(cohort(trial, ["B1", "B1", "B1"]))[1] == []


def test_the_blinded_role_compares_no_label_and_says_so(trial):
    cohort(trial, ["B1", "B2"] * 4)
    assert seen(trial, "blinded")[1] == []
    write_intake_report(trial.config, **outputs(trial, REPORT))
    table = pd.read_csv(trial.folder / "out/confounding", sep="\t", dtype=str, keep_default_na=False)
    labels = table[table["against"].isin(["endotype", "arm"])]
    assert set(labels["verdict"]) == {"not_tested"}
    assert set(labels["reason"]) == {"the role blinded does not see every label"}
    assert "batches were not compared with endotype and arm" in (trial.folder / "out/html").read_text()
    assert json.loads((trial.folder / "out/json").read_text())["unchecked"]


def test_batches_that_follow_sites_are_told_and_stop_nothing(trial):
    for row in trial.manifest:
        if row.get("site") == "RO06" and row["layer"] == "rna":
            row["batch"] = "B2"
    trial.manifest += [
        sample(FIRST, day, "rna", "rnaseq", "whole_blood", pre_dose="no", batch="B1") for day in ("2", "7", "15")
    ]
    for n, (site, country, batch) in enumerate([("GR03", "GR", "B1"), ("RO06", "RO", "B2")] * 4):
        person = {"site": site, "participant_code": f"60000000{n}"}
        trial.manifest.append(sample(person, "1", "rna", "rnaseq", "whole_blood", batch=batch, well=f"W{n}"))
        trial.participants.append(trial.participants[0] | person | {"country": country})
    _, findings = trial.write().check()
    follows = [f for f in findings if f.code == "batch_follows_design"]
    assert {f.problem.rsplit(" ", 1)[1] for f in follows} == {"country", "site"}
    assert {f.severity for f in follows} == {"info"}


def test_a_job_reads_the_tables_without_checking_again_what_the_plan_checked(trial):
    whole = load_libraries(trial.config)
    for path in trial.folder.rglob("*.fastq.gz"):
        path.unlink()
    with pytest.raises(InputError, match="data file does not exist"):
        load_libraries(trial.config)
    again = load_libraries(trial.config, checked=True)
    assert again.records() == whole.records()
    assert again.whole_digest() == whole.whole_digest()
    # A cell that cannot be read still ends it with a sentence.
    trial.manifest[0]["visit_day"] = "first"
    trial.write_tables()
    with pytest.raises(InputError, match="first"):
        load_libraries(trial.config, checked=True)
