"""Rules across the rows of the manifest: files, wells, specimens, controls, codes, and the participants' courses."""

import pytest

from support.trial import FIRST, Trial, codes, sample

DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path).write()


def found(trial):
    """Code, first line and further lines of every finding, and how many there are of each severity."""
    return [(f.code, f.row, f.others) for f in trial.write().check()[1]]


def only(trial):
    findings = trial.write().check()[1]
    assert len(findings) == 1, [f"{f.code}: {f.problem}" for f in findings]
    return findings[0]


# ------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("spelling", ["./{}", "raw//{}", "raw/./{}"])
def test_a_file_is_known_by_every_spelling_of_its_path(trial, spelling):
    path = trial.manifest[2]["fastq_1"]
    trial.manifest[3]["fastq_1"] = spelling.format(path if spelling == "./{}" else path.removeprefix("raw/"))
    assert found(trial) == [("file_used_twice", 4, (5,))]


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_file_is_known_by_every_link_to_it(trial, link):
    path = trial.folder / trial.manifest[2]["fastq_1"]
    getattr(path.with_name("other_R1.fastq.gz"), link)(path)
    trial.manifest[3]["fastq_1"] = "raw/other_R1.fastq.gz"
    trial.write_tables()
    (twice,) = (f for f in trial.check()[1] if f.code == "file_used_twice")
    assert (twice.row, twice.others) == (4, (5,))
    assert "also written raw/other_R1.fastq.gz" in twice.problem


def test_a_copy_is_known_by_its_sha256(trial):
    trial.manifest[2]["fastq_1_sha256"] = trial.manifest[3]["fastq_2_sha256"] = DIGEST
    twice = only(trial)
    assert (twice.code, twice.row, twice.others) == ("content_used_twice", 4, (5,))
    assert trial.manifest[2]["fastq_1"] in twice.problem


def test_one_file_named_twice_is_not_a_copy_of_itself(trial):
    trial.manifest[3]["fastq_1"] = trial.manifest[2]["fastq_1"]
    trial.manifest[2]["fastq_1_sha256"] = trial.manifest[3]["fastq_1_sha256"] = DIGEST
    assert codes(trial.write().check()[1]) == ["file_used_twice"]


# --------------------------------------------------------------------------------------------------- wells, specimens


def test_a_well_holds_one_library(trial):
    trial.manifest[3]["well"] = trial.manifest[0]["well"]
    twice = only(trial)
    assert (twice.code, twice.row, twice.others) == ("well_used_twice", 2, (3, 5))
    assert "of plate P1 of batch B1" in twice.problem


@pytest.mark.parametrize("apart", [{"plate": "P2"}, {"batch": "B2"}, {"plate": "", "batch": ""}])
def test_wells_of_other_plates_and_batches_are_other_wells(trial, apart):
    trial.manifest[3] |= {"well": trial.manifest[0]["well"]} | apart
    assert found(trial) == []


def test_specimens_are_not_mixed_within_a_layer(trial):
    trial.manifest[3]["specimen"] = "pbmc"
    mixed = only(trial)
    assert (mixed.code, mixed.row, mixed.others, mixed.value) == ("specimens_mixed", 5, (), "pbmc")
    assert "whole_blood (2 rows), pbmc (1 rows)" in mixed.problem


def test_a_lane_of_another_specimen_is_one_finding(trial):
    trial.manifest[1]["specimen"] = "pbmc"
    assert found(trial) == [("lanes_disagree", 2, (3,))]


def test_what_is_not_made_into_a_matrix_may_mix_specimens(trial):
    for day, specimen in (("1", "whole_blood"), ("4", "pbmc")):
        trial.manifest.append(sample(FIRST, day, "cytokine", "table", specimen, table="raw/c.tsv", table_id=day))
        for column in ("fastq_1", "fastq_2"):
            trial.manifest[-1][column] = ""
    assert codes(trial.write().check()[1]) == ["assay_not_processed", "assay_not_processed"]


# ---------------------------------------------------------------------------------------------------------- controls


@pytest.mark.parametrize(("row", "code"), [(8, "no_blank"), (9, "no_mock")])
def test_a_batch_of_the_microbiome_needs_blank_and_mock(trial, row, code):
    del trial.manifest[row]
    missing = only(trial)
    assert (missing.code, missing.row, missing.value, missing.severity) == (code, 7, "MB01", "warning")


def test_the_controls_of_one_batch_do_not_serve_another(trial):
    trial.manifest[6]["batch"] = "MB02"
    assert found(trial) == [("no_blank", 8, ()), ("no_mock", 8, ())]


def test_samples_without_a_batch_have_no_controls(trial):
    trial.manifest[5]["batch"] = ""
    assert [(f.code, f.row) for f in trial.write().check()[1]] == [("no_blank", 7), ("no_mock", 7)]
    assert "name no batch" in trial.check()[1][0].problem


def test_nothing_is_said_of_controls_where_a_row_may_be_one(trial):
    trial.manifest[8]["sample_type"] = "NTC"
    assert codes(trial.write().check()[1]) == ["not_allowed"]


def test_a_bad_row_of_another_layer_hides_no_missing_control(trial):
    trial.manifest[0] |= {"layer": "rna", "collected": "Yes"}
    del trial.manifest[8]
    assert sorted(f.code for f in trial.write().check()[1]) == ["no_blank", "not_allowed"]


# ------------------------------------------------------------------------------------------------------------- codes


def test_a_participant_left_out_beside_the_tubes_code_is_told_as_such(trial):
    trial.manifest[3] |= {"sample_code": "000000001"}
    trial.manifest[4] |= {"sample_code": "000000001", "participant_code": ""}
    reused = next(f for f in trial.write().check()[1] if f.code == "sample_code_reused")
    assert "some rows leave participant_code empty" in reused.problem


def test_a_code_is_a_participant_or_a_tube(trial):
    other = {"site": "GR03", "participant_code": "000000077"}
    trial.manifest.append(sample(other, "7", "atac", "atacseq", "pbmc", sample_code=FIRST["participant_code"]))
    trial.participants.append(trial.participants[0] | other)
    trial.manifest[0]["sample_code"] = trial.manifest[1]["sample_code"] = "000000055"
    trial.manifest[2]["sample_code"] = "000000056"
    told = only(trial)
    assert (told.code, told.row, told.others, told.severity) == ("code_in_two_roles", 2, (3, 4, 12), "warning")


def test_pre_dose_holds_for_all_layers_of_a_visit(trial):
    trial.manifest[3]["pre_dose"], trial.manifest[4]["pre_dose"] = "yes", "no"
    assert found(trial) == [("pre_dose_disagrees", 5, (6,))]
    trial.manifest[4]["pre_dose"] = ""
    assert found(trial) == []


def test_nothing_is_before_the_first_dose_after_day_1(trial):
    trial.manifest[2]["pre_dose"] = "yes"
    assert found(trial) == [("pre_dose_late", 4, ())]


# ----------------------------------------------------------------------------------------------------------- courses


def test_no_sample_is_from_before_day_1(trial):
    trial.manifest[3]["visit_day"] = "0"
    before = only(trial)
    assert (before.code, before.row, before.column) == ("sample_before_day_1", 5, "visit_day")


def test_samples_after_the_last_contact_are_one_warning(trial):
    trial.participants[1]["last_contact_day"] = "3"
    late = only(trial)
    assert (late.code, late.row, late.others, late.severity) == ("contact_before_data", 7, (8,), "warning")
    trial.participants[1]["last_contact_day"] = "4"
    assert found(trial) == []


def test_samples_of_the_dead_are_told_once(trial):
    trial.participants[1] |= {"death_day": "3", "last_contact_day": "3"}
    assert {code for code, _, _ in found(trial)} == {"sample_after_death"}
