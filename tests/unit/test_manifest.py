"""The manifest: names, index, rules within and across rows, files on the disk."""

import os
import random
from pathlib import Path

import pytest

from immunosep.errors import InputError
from immunosep.intake import check_inputs, load_libraries
from immunosep.manifest import FileSet, Libraries, library_name
from support.trial import FIRST, PACKED, SECOND, Trial, codes, sample


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


def one(trial):
    """The only finding of a trial's check."""
    _, findings = trial.check()
    assert len(findings) == 1, [f"{f.code}: {f.problem}" for f in findings]
    return findings[0]


def test_good_trial_is_clean_and_indexed(trial):
    libraries, findings = trial.write().check()
    assert findings == []
    assert libraries.layers() == ["atac", "microbiome", "proteome", "rna"]
    assert libraries.names("rna") == ["GR03-012345678-D01-rna", "RO06-987654321-D01-rna"]
    assert libraries.names("microbiome") == ["RO06-987654321-D04-16s-nares", "RO06-987654321-D04-16s-oral"]
    assert libraries.names("microbiome", specimen="oral") == ["RO06-987654321-D04-16s-oral"]
    assert libraries.names("microbiome", ("negative_control", "positive_control")) == [
        "16s-NC-MB01-A01",
        "16s-PC-MB01-B01",
    ]
    assert len(libraries.names("microbiome", None)) == 4
    assert libraries.names("flow") == []
    assert libraries.runs("microbiome") == ["R1"]
    assert len(libraries.in_run("microbiome", "R1")) == 4
    assert libraries.tables("proteome") == [str(trial.folder / "raw/npx.csv")]


def test_library_record_keeps_codes_as_text_and_lanes_in_order(trial):
    trial.manifest[:2] = trial.manifest[1::-1]
    libraries, _ = trial.write().check()
    lib = libraries.of("GR03-012345678-D01-rna")
    assert (lib.participant, lib.observation) == ("GR03-012345678", "GR03-012345678-D01")
    assert (lib.visit_day, lib.country, lib.row["pre_dose"]) == (1, "GR", "yes")
    assert [f.run for f in lib.files] == ["R1", "R2"]
    assert isinstance(lib.files[0], FileSet)
    lane_2 = str(trial.folder / "raw/lane2_R2.fastq.gz")
    assert libraries.fastq(lib.library, "2")[1] == lane_2
    assert libraries.fastq(lib.library, 2, run="R2") == [lane_2]
    blank = libraries.of("16s-NC-MB01-A01")
    assert (blank.participant, blank.observation, blank.visit_day, blank.site) == ("", "", None, "")


def test_unknown_library_is_an_input_error():
    with pytest.raises(InputError, match="no library 'x'"):
        Libraries().of("x")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "GR03-012345678-D04-rna"),
        ({"participant_code": "", "sample_code": "000000001"}, "GR03-000000001-D04-rna"),
        ({"layer": "microbiome", "assay": "16s", "specimen": "nares"}, "GR03-012345678-D04-16s-nares"),
        ({"sample_type": "bridge", "layer": "proteome", "batch": "P1", "well": "H12"}, "proteome-BR-P1-H12"),
    ],
)
def test_library_name(changes, expected):
    assert library_name(sample(FIRST, "4", "rna", "rnaseq", "whole_blood") | changes) == expected


def test_one_library_of_the_index_changes_one_digest(trial):
    before, _ = trial.write().check()
    trial.manifest[2]["batch"] = "B9"
    after, _ = trial.write().check()
    changed = [layer for layer in before.layers() if before.digest(layer) != after.digest(layer)]
    assert changed == ["atac"]


# One mistake each: how to make it, the code, the line of the manifest and the column it is told at.
MISTAKES = {
    "lost zero": (3, {"sample_code": "12345678"}, "code_leading_zero", "sample_code"),
    "scientific": (3, {"sample_code": "9.88E+08"}, "code_scientific", "sample_code"),
    "decimal": (3, {"sample_code": "987654321.0"}, "code_decimal", "sample_code"),
    "arabic digits": (3, {"sample_code": "٩٨٧٦٥٤٣٢١"}, "code_non_ascii", "sample_code"),
    "spaces in code": (3, {"sample_code": "987 654 321"}, "code_spaces", "sample_code"),
    "space after code": (3, {"sample_code": "987654321 "}, "code_spaces", "sample_code"),
    "trailing comma zero": (3, {"sample_code": "987654321,0"}, "code_decimal", "sample_code"),
    "comma scientific": (3, {"sample_code": "9,88E+08"}, "code_scientific", "sample_code"),
    "apostrophe": (3, {"sample_code": "'987654321"}, "code_quoted", "sample_code"),
    "quotation marks": (3, {"sample_code": "\u201c987654321\u201d"}, "code_quoted", "sample_code"),
    "letter O": (3, {"sample_code": "98765432O"}, "code_letters", "sample_code"),
    "letter l": (3, {"sample_code": "98765432l"}, "code_letters", "sample_code"),
    "zero width": (3, {"sample_code": "987\u200b654321"}, "code_spaces", "sample_code"),
    "no-break": (3, {"sample_code": "987654321\u00a0"}, "code_spaces", "sample_code"),
    "same mate": (3, {"fastq_2": "raw/RO06-987654321-D01-rnaseq-whole_blood_R1.fastq.gz"}, "mates_same", "fastq_2"),
    "two codes": (3, {"sample_code": "987654321012"}, "code_too_long", "sample_code"),
    "initials": (3, {"sample_code": "M.K."}, "personal_value", "sample_code"),
    "site": (3, {"site": "R006"}, "unknown_site", "site"),
    "day": (3, {"visit_day": "3"}, "day_not_scheduled", "visit_day"),
    "day as decimal": (3, {"visit_day": "1.0"}, "not_integer", "visit_day"),
    "layer": (3, {"layer": "RNA-seq"}, "not_allowed", "layer"),
    "assay": (3, {"assay": "atacseq"}, "assay_layer", "assay"),
    "specimen": (3, {"specimen": "wholeblood"}, "not_allowed", "specimen"),
    "body site": (3, {"specimen": "nares"}, "specimen_layer", "specimen"),
    "no specimen": (3, {"specimen": ""}, "required_empty", "specimen"),
    "control with a code": (8, {"sample_code": "987654321"}, "control_has_participant", "sample_code"),
    "control without well": (8, {"well": ""}, "required_empty", "well"),
    "reason": (7, {"missing_reason": ""}, "required_empty", "missing_reason"),
    "reason of a collected": (3, {"missing_reason": "died"}, "collected_has_reason", "missing_reason"),
    "absent with table": (7, {"table": "raw/npx.csv"}, "not_collected_has_files", "table"),
    "no mate": (2, {"fastq_2": ""}, "mate_missing", "fastq_2"),
    "no run": (5, {"run": ""}, "required_empty", "run"),
    "table in reads": (3, {"table_id": "x"}, "file_column", "table_id"),
    "not gzip": (3, {"fastq_1": "raw/x.bam"}, "bad_pattern", "fastq_1"),
    "absolute": (3, {"fastq_1": "/data/x_R1.fastq.gz"}, "path_absolute", "fastq_1"),
    "windows": (3, {"fastq_1": "C:\\x_R1.fastq.gz"}, "path_absolute", "fastq_1"),
    "remote": (3, {"fastq_1": "s3://bucket/x_R1.fastq.gz"}, "path_absolute", "fastq_1"),
    "escape": (3, {"fastq_1": "raw/../../x_R1.fastq.gz"}, "path_outside", "fastq_1"),
    "absent file": (3, {"fastq_1": "raw/none_R1.fastq.gz"}, "data_missing", "fastq_1"),
    "word for missing": (3, {"plate": "N/A"}, "missing_token", "plate"),
    "date": (3, {"run": "12.03.2024"}, "personal_value", "run"),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_one_mistake_gives_one_finding(trial, mistake):
    index, changes, code, column = MISTAKES[mistake]
    trial.write()
    trial.manifest[index] |= changes
    trial.write_tables()
    found = one(trial)
    assert (found.code, found.row, found.column, found.severity) == (code, index + 2, column, "error")
    assert found.fix
    assert found.problem


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("987654321\u00a0", "no-break space (U+00A0)"),
        ("987\u200b654321", "zero width space (U+200B)"),
        (" 987654321", "space in or around"),
        ("987.654.321", "'.' in or around"),
        ("1.23E+08", "Excel"),
        ("12345678", "Excel"),
    ],
)
def test_what_happened_to_a_code_is_named(trial, value, words):
    trial.write().manifest[3]["sample_code"] = value
    assert words in one(trial.write_tables()).problem


@pytest.mark.parametrize(
    ("changes", "code", "column"),
    [
        ({"fastq_1": "raw/x_R2.fastq.gz", "fastq_2": "raw/x_R1.fastq.gz"}, "mates_swapped", "fastq_1"),
        ({"fastq_1": "raw/x_R1.fastq.gz", "fastq_2": "raw/y_R1.fastq.gz"}, "mates_names", "fastq_2"),
        ({"fastq_1": "raw/x_L001_R1_001.fastq.gz", "fastq_2": "raw/x_L002_R2_001.fastq.gz"}, "mates_names", "fastq_2"),
        ({"fastq_1": "raw/012345678_R1.fq.gz", "fastq_2": "raw/012345678_R2.fq.gz"}, "file_of_other", "fastq_1"),
    ],
)
def test_names_of_mates(trial, changes, code, column):
    trial.manifest[3] |= changes
    found = one(trial.write())
    assert (found.code, found.column, found.severity) == (code, column, "warning")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("x_S1_L001_R1_001.fastq.gz", "x_S1_L001_R2_001.fastq.gz"),
        ("SRR1_1.fq.gz", "SRR1_2.fq.gz"),
        ("a.fq.gz", "b.fq.gz"),
    ],
)
def test_names_of_mates_that_are_fine(trial, first, second):
    trial.manifest[3] |= {"fastq_1": f"raw/{first}", "fastq_2": f"raw/{second}"}
    assert trial.write().check()[1] == []


def test_files_that_may_not_be_read(trial, monkeypatch):
    trial.write()
    real_open = os.open
    locked = (trial.manifest[3]["fastq_1"], "npx.csv")

    def refuse(path, *more):
        if str(path).endswith(locked):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    assert {(f.code, f.column) for f in trial.check()[1]} == {
        ("data_unreadable", "fastq_1"),
        ("data_unreadable", "table"),
    }


def test_a_layer_may_have_visit_days_of_its_own(trial):
    trial.write()
    trial.config["schedule"] = trial.config["schedule"] | {"layer_days": {"rna": [1, 3, 7]}}
    rna, swab = trial.manifest[3], trial.manifest[5]
    assert (rna["layer"], swab["layer"]) == ("rna", "microbiome")
    for row in (rna, swab):
        row |= {"visit_day": "3", "pre_dose": ""}
    trial.write_tables()
    found = one(trial)
    assert (found.code, found.row) == ("day_not_scheduled", 7)
    assert "layer microbiome are taken on days 1, 2, 4" in found.problem


def test_a_row_that_does_not_say_takes_the_word_of_its_visit(trial):
    trial.write()
    library = "RO06-987654321-D01-proteome"
    for own, other, found in [("", "yes", "yes"), ("no", "yes", "no"), ("", "no", "no"), ("", "", "")]:
        for row in trial.manifest:
            if row.get("site") == "RO06":
                row["pre_dose"] = (own if row["layer"] == "proteome" else other) if row["visit_day"] == "1" else ""
        trial.write_tables()
        assert trial.check()[0].of(library).row["pre_dose"] == found


def test_near_names_are_suggested(trial):
    trial.write()
    trial.manifest[3] |= {"specimen": "Whole Blood"}
    trial.manifest[2] |= {"site": "gr03"}
    trial.write_tables()
    _, findings = trial.check()
    assert {f.column: f.suggestion for f in findings} == {"specimen": "whole_blood", "site": "GR03"}


def test_empty_file_folder_and_links(trial, tmp_path_factory):
    trial.write()
    outside = tmp_path_factory.mktemp("outside") / "x.fastq.gz"
    outside.write_bytes(PACKED)
    raw = trial.folder / "raw"
    (raw / "empty_R1.fastq.gz").touch()
    (raw / "folder_R1.fastq.gz").mkdir()
    (raw / "out_R1.fastq.gz").symlink_to(outside)
    (raw / "loop_R1.fastq.gz").symlink_to("loop_R1.fastq.gz")
    (raw / "in.fastq.gz").symlink_to("lane2_R1.fastq.gz")
    (raw / "plain.fastq.gz").write_bytes(b"@read")
    (trial.folder / "away").symlink_to(outside.parent)
    expected = {
        "raw/empty_R1.fastq.gz": ["data_empty"],
        "raw/folder_R1.fastq.gz": ["data_missing"],
        "raw/out_R1.fastq.gz": ["path_outside"],
        "raw/loop_R1.fastq.gz": ["data_missing"],
        "away/x.fastq.gz": ["path_outside"],
        "raw/in.fastq.gz": ["file_used_twice"],
        "raw/plain.fastq.gz": ["not_gzip"],
    }
    found = {}
    for path in expected:
        trial.manifest[3]["fastq_1"] = path
        found[path] = codes(trial.write_tables().check()[1])
    assert found == expected


def test_files_of_layers_that_start_from_a_matrix_are_not_looked_for(trial):
    trial.write_tables()
    trial.config["layers"] = {
        "rna": {"enabled": True, "matrix": "rna.h5ad"},
        "atac": {"enabled": False, "matrix": None},
        "microbiome": {"enabled": True, "matrix": "m.h5ad"},
        "proteome": {"enabled": True, "matrix": None},
    }
    _, findings = trial.check()
    assert [(f.code, f.column) for f in findings] == [("data_missing", "table")]


def test_single_end_is_a_warning_unless_the_mate_lies_there(trial):
    trial.write()
    trial.manifest[3]["fastq_2"] = ""
    trial.write_tables()
    found = one(trial)
    assert (found.code, found.suggestion) == ("mate_missing", "raw/RO06-987654321-D01-rnaseq-whole_blood_R2.fastq.gz")
    (trial.folder / found.suggestion).unlink()
    assert (one(trial).code, one(trial).severity) == ("single_end", "warning")
    libraries, _ = trial.check()
    assert libraries.fastq("RO06-987654321-D01-rna", 2) == []


def test_swapped_mates_are_told(trial):
    trial.manifest[3] |= {"fastq_1": "raw/x_R2_001.fastq.gz", "fastq_2": "raw/x_R1_001.fastq.gz"}
    assert one(trial.write()).code == "mates_swapped"


def test_file_used_twice_names_all_rows(trial):
    trial.manifest[3]["fastq_1"] = "./" + trial.manifest[2]["fastq_1"]
    found = one(trial.write())
    assert (found.code, found.row, found.others) == ("file_used_twice", 4, (5,))


def test_table_entry_used_twice(trial):
    other = sample(FIRST, "1", "proteome", "olink", "plasma", table_id=trial.manifest[4]["table_id"])
    trial.manifest.append(other)
    assert one(trial.write()).code == "file_used_twice"


def test_repeated_row_is_one_finding(trial):
    trial.manifest.append(dict(trial.manifest[3]))
    found = one(trial.write())
    assert (found.code, found.row, found.others) == ("duplicate_row", 5, (12,))


@pytest.mark.parametrize("column", ["batch", "strandedness", "pre_dose", "well"])
def test_lanes_must_agree(trial, column):
    trial.manifest[1][column] = {"strandedness": "ISF", "pre_dose": "no"}.get(column, "X9")
    found = one(trial.write())
    assert (found.code, found.column, found.row, found.others) == ("lanes_disagree", column, 2, (3,))


def test_mixed_ends_within_a_library(trial):
    trial.write()
    trial.manifest[1] |= {"fastq_1": "raw/single.fastq.gz", "fastq_2": ""}
    (trial.folder / "raw/single.fastq.gz").write_bytes(PACKED)
    assert codes(trial.write_tables().check()[1]) == ["lanes_disagree", "single_end"]


def test_collected_and_not_collected_at_once(trial):
    trial.manifest.append(
        sample(SECOND, "1", "rna", "rnaseq", "whole_blood", collected="no", missing_reason="died")
        | {"fastq_1": "", "fastq_2": ""}
    )
    found = one(trial.write())
    assert (found.code, found.value) == ("duplicate_library", "RO06-987654321-D01-rna")


def test_tube_codes_belong_to_one_person_one_visit_one_place(trial):
    trial.manifest[3] |= {"sample_code": "000000001"}
    trial.manifest[4] |= {"sample_code": "000000001"}  # the same visit: RNA and plasma of one tube set
    assert codes(trial.write().check()[1]) == []
    trial.manifest[5] |= {"sample_code": "000000001"}  # day 4
    assert one(trial.write()).code == "sample_code_reused"
    trial.manifest[5] |= {"sample_code": "000000002"}
    trial.manifest[6] |= {"sample_code": "000000002"}  # another body site
    assert "body sites" in one(trial.write()).problem
    trial.manifest[6] |= {"sample_code": "000000003", "participant_code": ""}  # now another participant
    assert codes(trial.write().check()[1]) == ["file_of_other", "not_in_participants"]
    trial.manifest[6] |= {"sample_code": "000000002"}
    assert "2 participants" in next(f for f in trial.write().check()[1] if f.code == "sample_code_reused").problem


def test_same_code_at_two_sites_is_two_people(trial):
    for table in (trial.manifest, trial.participants, trial.visits):
        for row in table:
            if row.get("participant_code") == SECOND["participant_code"]:
                row |= {"participant_code": FIRST["participant_code"]}
                if "sample_code" in row:
                    row["sample_code"] = FIRST["participant_code"]
    libraries, findings = trial.write().check()
    assert [(f.code, f.severity) for f in findings] == [("code_at_two_sites", "info")]
    assert {libraries.of(name).participant for name in libraries.names("rna")} == {"GR03-012345678", "RO06-012345678"}


def test_sample_after_death_is_an_error_and_on_the_day_is_not(trial):
    trial.participants[1] |= {"death_day": "4", "last_contact_day": "4"}
    assert trial.write().check()[1] == []
    trial.participants[1] |= {"death_day": "3", "last_contact_day": "3"}
    _, findings = trial.write().check()
    assert [(f.code, f.row) for f in findings] == [("sample_after_death", 7), ("sample_after_death", 8)]


@pytest.mark.parametrize(
    ("consent", "day", "kept", "code"),
    [
        ("withdrawn", "4", ["RO06-987654321-D01-proteome"], "sample_after_withdrawal"),
        ("erase", "", [], "sample_without_consent"),
        ("deferred_pending", "", [], "sample_without_consent"),
    ],
)
def test_consent_is_honoured(trial, consent, day, kept, code):
    trial.participants[1] |= {"consent": consent, "withdrawn_day": day}
    trial.manifest = [row for row in trial.manifest if row.get("site") != "RO06" or row["layer"] != "rna"]
    libraries, findings = trial.write().check()
    assert {f.code for f in findings} == {code}
    assert {f.severity for f in findings} == {"warning"}
    assert [lib.library for lib in libraries.records() if lib.site == "RO06"] == kept
    assert {r.reason for r in libraries.rejected} == {consent}


def test_participants_and_manifest_are_compared_both_ways(trial):
    trial.participants[1]["participant_code"] = "111111111"
    trial.visits[2]["participant_code"] = "111111111"
    _, findings = trial.write().check()
    assert [(f.code, f.severity) for f in findings] == [
        ("not_in_manifest", "warning"),
        ("not_in_participants", "warning"),
    ]


def test_ten_mistakes_give_ten_findings(trial):
    trial.write()
    rows = trial.manifest
    rows[0]["batch"] = "B7"  # disagrees with its second lane
    rows[2]["sample_code"] = "12345678"
    rows[3] |= {"site": "RO66", "fastq_1": "raw/none_R1.fastq.gz"}
    rows[4] |= {"assay": "16s", "visit_day": "5"}
    rows[5] |= {"specimen": "nose", "fastq_2": "../x_R2.fastq.gz"}
    rows[7]["missing_reason"] = ""
    rows[8]["participant_code"] = "987654321"
    trial.write_tables()
    libraries, findings = trial.check()
    assert codes(findings) == sorted(
        [
            "lanes_disagree",
            "code_leading_zero",
            "unknown_site",
            "data_missing",
            "assay_layer",
            "day_not_scheduled",
            "not_allowed",
            "path_outside",
            "required_empty",
            "control_has_participant",
        ]
    )
    assert len(libraries) == 0
    with pytest.raises(InputError) as caught:
        load_libraries(trial.config)
    assert all(f.problem in str(caught.value) for f in findings)


def test_row_order_does_not_matter(trial):
    trial.write()
    trial.manifest[0]["batch"] = "B7"
    trial.manifest[3]["sample_code"] = "1.2E+08"
    trial.manifest[4]["table_id"] = "x"
    trial.manifest.append(dict(trial.manifest[4]))
    trial.manifest[6]["fastq_1"] = trial.manifest[5]["fastq_1"]

    def seen():
        return sorted((f.code, f.column, f.value, len(f.others)) for f in trial.write_tables().check()[1])

    first = seen()
    assert len(first) == 4
    for seed in range(5):
        random.Random(seed).shuffle(trial.manifest)
        assert seen() == first


def test_index_does_not_depend_on_row_order(trial):
    before, _ = trial.write().check()
    trial.manifest.reverse()
    after, _ = trial.write().check()
    assert before.records() == after.records()
    assert [before.digest(layer) for layer in before.layers()] == [after.digest(layer) for layer in after.layers()]


def test_manifest_may_be_absent_only_where_every_layer_has_a_matrix(trial):
    trial.write()
    trial.config["manifest"] = None
    trial.config["layers"] = {
        "rna": {"enabled": True, "matrix": "rna.h5ad"},
        "atac": {"enabled": False, "matrix": None},
    }
    assert len(check_inputs(trial.config)[0]) == 0
    trial.config["layers"]["atac"]["enabled"] = True
    with pytest.raises(InputError, match="atac start from raw files"):
        check_inputs(trial.config)


def test_unreadable_manifest_is_one_finding(trial):
    trial.write()
    Path(trial.config["manifest"]).unlink()
    found = one(trial)
    assert (found.code, found.file) == ("file_unreadable", trial.config["manifest"])


def test_an_assay_without_a_way_to_a_matrix_is_set_aside_with_its_reason(trial):
    trial.manifest[5] |= {"assay": "shotgun"}
    libraries, findings = trial.write().check()
    assert [(f.code, f.severity) for f in findings] == [("assay_not_processed", "warning")]
    assert [(r.layer, r.reason) for r in libraries.rejected if r.reason != "missed"] == [
        ("microbiome", "assay_not_processed")
    ]
    assert libraries.names("microbiome") == ["RO06-987654321-D04-16s-oral"]


@pytest.mark.parametrize(
    "column",
    [
        *["layer", "assay", "sample_type", "collected"],
        # asked for by a rule, of some rows only
        *["site", "sample_code", "visit_day", "specimen", "well", "fastq_1", "table_id", "missing_reason"],
    ],
)
def test_a_missing_required_column_is_one_finding(trial, column):
    trial.write()
    path = trial.folder / "manifest.tsv"
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    at = rows[0].index(column)
    path.write_text("\n".join("\t".join(row[:at] + row[at + 1 :]) for row in rows) + "\n")
    _, findings = trial.check()
    assert [(f.code, f.column) for f in findings if f.severity == "error"] == [("missing_column", column)]
