"""Rows of the manifest that contradict themselves, their files, or each other."""

import gzip
from collections.abc import Callable

from intake.corpus import finds
from intake.lab import Lab
from intake.tables import DIED, ROWS_OF_SECOND

# ------------------------------------------------------------------------------------------------------ within one row


@finds("assay_layer", "manifest", "atac", "assay")
def rna_row_copied_for_atac(lab: Lab):
    """An RNA row was copied for the ATAC library, and only the layer changed."""
    lab.put("manifest", "atac", assay="rnaseq")


@finds("assay_not_processed", "manifest", "nares", "assay")
def shotgun_reads(lab: Lab):
    """Shotgun reads were delivered: legal, and set aside by this version."""
    lab.put("manifest", "nares", assay="shotgun", primers="")


@finds("file_column", "manifest", "olink", "fastq_1")
def table_named_as_reads(lab: Lab):
    """The name of the reads of another row was left in an Olink row."""
    lab.put("manifest", "olink", fastq_1="raw/olink_A01_R1.fastq.gz")


@finds("file_column", "manifest", "rna day 4", "table_id")
def reads_with_a_name_inside_a_table(lab: Lab):
    """The lab's own number was put into table_id of an RNA row."""
    lab.put("manifest", "rna day 4", table_id="LAB-17")


@finds("single_end", "manifest", "rna day 4", "fastq_2")
def single_end_by_intent_or_not(lab: Lab):
    """The second mate was not named and does not lie beside the first: taken as single-end, and told."""
    second = lab.manifest["rna day 4"]["fastq_2"]
    lab.put("manifest", "rna day 4", fastq_2="")
    del lab.files[second]


@finds("mates_swapped", "manifest", "rna day 4", "fastq_1")
def mates_exchanged(lab: Lab):
    """First and second mate were exchanged."""
    row = lab.manifest["rna day 4"]
    lab.put("manifest", "rna day 4", fastq_1=row["fastq_2"], fastq_2=row["fastq_1"])


@finds("collected_has_reason", "manifest", "rna missed", "missing_reason")
@finds("required_empty", "manifest", "rna missed", "fastq_1")
def collected_after_all(lab: Lab):
    """The missed visit took place after all; only one of the cells was changed."""
    lab.put("manifest", "rna missed", collected="yes")


@finds("specimen_layer", "manifest", "oral", "specimen")
def serum_for_the_mouth(lab: Lab):
    """The specimens of two columns of the freezer list were exchanged."""
    lab.put("manifest", "oral", specimen="serum")


# --------------------------------------------------------------------------------------------------------- on the disk


@finds("data_empty", "manifest", "rna day 4", "fastq_1")
def copy_broke_off(lab: Lab):
    """The disk was full when the reads were copied."""
    lab.files[lab.manifest["rna day 4"]["fastq_1"]] = b""


@finds("data_missing", "manifest", "rna day 4", "fastq_1")
@finds("data_missing", "manifest", "rna day 4", "fastq_2")
def reads_not_copied_yet(lab: Lab):
    """Both mates are still on the sequencing centre's server."""
    for column in ("fastq_1", "fastq_2"):
        del lab.files[lab.manifest["rna day 4"][column]]


@finds("data_missing", "manifest", "olink", "table")
@finds("data_missing", "manifest", "olink second", "table")
def table_not_copied_yet(lab: Lab):
    """The provider's table is not there yet."""
    del lab.files["raw/npx.csv"]


@finds("data_missing", "manifest", "rna day 4", "fastq_1")
def folder_in_place_of_a_file(lab: Lab):
    """An archive was unpacked into a folder of the file's name."""
    path = lab.manifest["rna day 4"]["fastq_1"]
    lab.files[f"{path}/reads.fastq.gz"] = lab.files.pop(path)


@finds("not_gzip", "manifest", "rna day 4", "fastq_1")
def unpacked_and_not_renamed(lab: Lab):
    """The reads were unpacked for a look, and kept the name of the packed file."""
    path = lab.manifest["rna day 4"]["fastq_1"]
    lab.files[path] = gzip.decompress(lab.files[path])


@finds("file_of_other", "manifest", "rna day 4", "fastq_1")
def file_named_after_somebody_else(lab: Lab):
    """The file's name holds the code of another participant's tube."""
    for mate in (1, 2):
        lab.put("manifest", "rna day 4", **{f"fastq_{mate}": f"raw/600000021_R{mate}.fastq.gz"})
    lab.deliver()


@finds("mates_names", "manifest", "rna day 4", "fastq_2")
def mate_of_another_library(lab: Lab):
    """One cell was filled from the row below: the names of the mates are of two libraries."""
    lab.put("manifest", "rna day 4", fastq_2="raw/rnaseq_A09_R2.fastq.gz")
    lab.deliver()


# ---------------------------------------------------------------------------------------------- in the reads: --deep


def _deep(lab: Lab, change: Callable[[bytes], bytes], column: str = "fastq_2", row: str = "rna day 4") -> None:
    """Change the packed bytes of a file, and have it read."""
    path = lab.manifest[row][column]
    lab.files[path] = change(lab.files[path])
    lab.options.append("--deep")


def _repacked(change: Callable[[str], str]) -> Callable[[bytes], bytes]:
    return lambda data: gzip.compress(change(gzip.decompress(data).decode()).encode(), mtime=0)


@finds("gzip_truncated", "manifest", "rna day 4", "fastq_2")
def transfer_broke_off(lab: Lab):
    """The transfer broke off near the end of the file."""
    _deep(lab, lambda data: data[:-12])


@finds("gzip_broken", "manifest", "rna day 4", "fastq_2")
def bits_flipped(lab: Lab):
    """A failing disk changed some bytes."""
    _deep(lab, lambda data: data[:-8] + bytes(4) + data[-4:])


@finds("fastq_malformed", "manifest", "rna day 4", "fastq_2")
def line_lost(lab: Lab):
    """A script that cut the reads lost the last line."""
    _deep(lab, _repacked(lambda text: text.removesuffix("IIIIIIIIII\n")))


@finds("fastq_malformed", "manifest", "rna day 4", "fastq_2")
def fasta_packed_as_fastq(lab: Lab):
    """Sequences without qualities, under the name of reads."""
    _deep(lab, _repacked(lambda text: ">contig1\nACGT\n>contig2\nACGT\n"))


@finds("no_reads", "manifest", "rna day 4", "fastq_1")
@finds("mates_count", "manifest", "rna day 4", "fastq_2")
def every_read_filtered_out(lab: Lab):
    """The host's reads were removed by the sequencing centre, and nothing was left of one mate."""
    _deep(lab, _repacked(lambda text: ""), "fastq_1")


@finds("mates_count", "manifest", "rna day 4", "fastq_2")
def mates_trimmed_apart(lab: Lab):
    """The mates were filtered one by one: the second has fewer reads."""
    _deep(lab, _repacked(lambda text: "".join(text.splitlines(keepends=True)[:4])))


@finds("mates_differ", "manifest", "rna day 4", "fastq_2")
def mates_sorted_apart(lab: Lab):
    """The second mate's reads stand in another order."""
    _deep(lab, _repacked(lambda text: "".join(text.splitlines(keepends=True)[4:] + text.splitlines(keepends=True)[:4])))


@finds("checksum_mismatch", "manifest", "rna day 4", "fastq_2")
def file_changed_since_its_checksum(lab: Lab):
    """The file was packed again after the checksum was written down."""
    lab.put("manifest", "rna day 4", fastq_2_sha256="0123456789abcdef" * 4)
    _deep(lab, lambda data: data)


@finds("reads_of_other", "manifest", "rna day 4", "fastq_1")
@finds("reads_of_other", "manifest", "rna day 4", "fastq_2")
def reads_named_after_somebody_else(lab: Lab):
    """A converter wrote the tube's code into the names of the reads, and it is another tube's."""
    for column in ("fastq_1", "fastq_2"):
        _deep(lab, _repacked(lambda text: text.replace("@SIM:", "@600000021:")), column)


# --------------------------------------------------------------------------------------------------------- across rows


@finds("duplicate_row", "manifest", ["atac", "again"])
def row_pasted_twice(lab: Lab):
    """A row was pasted twice."""
    lab.copy("manifest", "atac", "again")


@finds("file_used_twice", "manifest", ["rna day 4", "rna second"], "fastq_1")
@finds("file_used_twice", "manifest", ["rna day 4", "rna second"], "fastq_2")
def file_names_not_changed_after_copying_a_row(lab: Lab):
    """A row was copied for the next sample, and the names of its files stayed."""
    lab.put("manifest", "rna second", **{c: lab.manifest["rna day 4"][c] for c in ("fastq_1", "fastq_2")})


@finds("mates_same", "manifest", "rna day 4", "fastq_2")
def first_mate_in_both_columns(lab: Lab):
    """The first mate was copied into both columns."""
    lab.put("manifest", "rna day 4", fastq_2=lab.manifest["rna day 4"]["fastq_1"])


@finds("file_used_twice", "manifest", ["rna", "rna lane 2"], "fastq_1")
def same_file_spelled_in_two_ways(lab: Lab):
    """The second lane names the first lane's file by another spelling of its path."""
    lab.put("manifest", "rna lane 2", fastq_1="raw/../raw/rnaseq_A01_R1.fastq.gz".replace("../raw/", "./"))


@finds("file_used_twice", "manifest", ["olink", "olink second"], "table_id")
def one_entry_of_the_table_for_two_people(lab: Lab):
    """The same entry of the provider's table stands for two people."""
    lab.put("manifest", "olink second", table_id="SA01")


@finds("lanes_disagree", "manifest", ["rna", "rna lane 2"], "batch")
def lane_in_another_batch(lab: Lab):
    """The second lane got the batch of the sequencing and not of the extraction."""
    lab.put("manifest", "rna lane 2", batch="RB02")


@finds("lanes_disagree", "manifest", ["rna", "rna lane 2"], "strandedness")
def lane_of_another_kit(lab: Lab):
    """The library type was filled in for one lane only."""
    lab.put("manifest", "rna lane 2", strandedness="")


@finds("lanes_disagree", "manifest", ["rna", "rna lane 2"], "fastq_2")
@finds("single_end", "manifest", "rna lane 2", "fastq_2")
def lane_read_from_one_end(lab: Lab):
    """The second lane was run from one end only."""
    del lab.files[lab.manifest["rna lane 2"]["fastq_2"]]
    lab.put("manifest", "rna lane 2", fastq_2="")


@finds("lanes_disagree", "manifest", ["rna day 4", "again"], "well")
@finds("lanes_disagree", "manifest", ["rna day 4", "again"], "sample_code")
def aliquot_sequenced_again(lab: Lab):
    """A second tube of the same visit was sequenced and entered as one more row."""
    lab.copy("manifest", "rna day 4", "again", sample_code="300000015", well="A09",
             fastq_1="raw/again_R1.fastq.gz", fastq_2="raw/again_R2.fastq.gz")  # fmt: skip
    lab.deliver()


@finds("duplicate_library", "manifest", ["olink", "again"])
def assay_repeated_on_the_next_plate(lab: Lab):
    """The sample failed and was assayed again on the next plate; both rows were kept."""
    lab.copy("manifest", "olink", "again", plate="PP02", table_id="SB01")


@finds("duplicate_library", "manifest", ["rna missed", "rna found"])
def missed_and_collected(lab: Lab):
    """The visit stands as missed and as collected."""
    lab.copy("manifest", "rna day 4", "rna found", sample_code="600000027", participant_code="987654321", site="RO06",
             visit_day="7", well="A06", fastq_1="raw/found_R1.fastq.gz", fastq_2="raw/found_R2.fastq.gz")  # fmt: skip
    lab.deliver()


@finds("sample_code_reused", "manifest", ["rna", "rna lane 2", "olink", "rna died"], "sample_code")
def tube_of_one_person_given_to_another(lab: Lab):
    """The code was copied into the row of another person of the site."""
    lab.put("manifest", "rna died", sample_code="300000011")


@finds("sample_code_reused", "manifest", ["rna", "rna lane 2", "rna day 4", "olink"], "sample_code")
def tube_of_day_1_on_day_4(lab: Lab):
    """The tube of day 1 stands in the row of day 4."""
    lab.put("manifest", "rna day 4", sample_code="300000011")


@finds("sample_code_reused", "manifest", ["nares", "oral"], "sample_code")
def one_swab_at_two_sites_of_the_body(lab: Lab):
    """The code of the nasal swab stands in the row of the oral swab."""
    lab.put("manifest", "oral", sample_code="300000041")


@finds("lanes_disagree", "manifest", ["blank", "second blank"], "plate")
def two_blanks_in_one_well(lab: Lab):
    """The blank of the second plate got the well of the first one's, and the same batch."""
    lab.copy("manifest", "blank", "second blank", plate="MP02", run="RUN2",
             fastq_1="raw/blank2_R1.fastq.gz", fastq_2="raw/blank2_R2.fastq.gz")  # fmt: skip
    lab.deliver()


@finds("specimens_mixed", "manifest", "atac second", "specimen")
def monocytes_among_pbmc(lab: Lab):
    """Most ATAC libraries are of PBMC; one is of monocytes, and will look like a batch."""
    lab.copy("manifest", "atac", "atac later", visit_day="15", sample_code="300000151", well="A03",
             fastq_1="raw/atac_A03_R1.fastq.gz", fastq_2="raw/atac_A03_R2.fastq.gz")  # fmt: skip
    lab.put("manifest", "atac second", specimen="monocyte")
    lab.deliver()


@finds("well_used_twice", "manifest", ["rna second", "rna died"], "well")
def well_copied_down(lab: Lab):
    """A well was copied down one row too far: two libraries of one plate stand in it."""
    lab.put("manifest", "rna died", well="A03")


@finds("no_blank", "manifest", ["nares", "oral", "nares second"], "batch")
def blank_left_out(lab: Lab):
    """The blank of the extraction batch was not sequenced."""
    del lab.manifest["blank"]


@finds("no_mock", "manifest", "nares second", "batch")
@finds("no_blank", "manifest", "nares second", "batch")
def second_extraction_without_controls(lab: Lab):
    """A second extraction batch has neither blank nor mock."""
    lab.put("manifest", "nares second", batch="MB02")


@finds("pre_dose_late", "manifest", "rna day 4", "pre_dose")
def before_the_dose_on_day_4(lab: Lab):
    """The column was filled down with yes."""
    lab.put("manifest", "rna day 4", pre_dose="yes")


@finds("pre_dose_disagrees", "manifest", ["rna", "rna lane 2", "olink"], "pre_dose")
def before_the_dose_in_one_layer_and_after_in_another(lab: Lab):
    """Two laboratories were told different things about the blood of day 1."""
    lab.put("manifest", "olink", pre_dose="no")


@finds("pre_dose_unknown", "manifest", ["rna", "rna lane 2", "olink"], "pre_dose")
def nobody_says_whether_day_1_is_before_the_dose(lab: Lab):
    """The ward did not note when the blood of one participant was drawn."""
    for row in ("rna", "rna lane 2", "olink"):
        lab.put("manifest", row, pre_dose="")


@finds(
    "code_in_two_roles",
    "manifest",
    ["rna", "rna lane 2", "rna day 4", "atac", "olink", "nares", "oral", "rna died"],
    "sample_code",
)
def participant_code_written_for_the_tube(lab: Lab):
    """The code of another participant stands where the tube's should."""
    lab.put("manifest", "rna died", sample_code="012345678")


@finds("content_used_twice", "manifest", ["rna day 4", "rna second"], "fastq_1_sha256")
def one_file_under_two_names(lab: Lab):
    """The reads of one library were copied under the name of another: two names, one SHA-256."""
    for row in ("rna day 4", "rna second"):
        lab.put("manifest", row, fastq_1_sha256="0123456789abcdef" * 4)


# ------------------------------------------------------------------------------------------ manifest and participants


@finds("not_in_participants", "manifest", "nares second", "participant_code")
def digits_exchanged(lab: Lab):
    """Two digits of the participant's code were exchanged."""
    lab.put("manifest", "nares second", participant_code="987653421")


@finds("not_in_participants", "manifest", ROWS_OF_SECOND, "participant_code")
@finds("unknown_participant", "visits", "second day 1", "participant_code")
@finds("unknown_participant", "visits", "second day 2", "participant_code")
def participant_not_entered_yet(lab: Lab):
    """A participant was sampled and is not in the participants table yet."""
    del lab.participants["second"]


@finds("not_in_participants", "manifest", "rna second", "participant_code")
@finds("sample_code_reused", "manifest", ["rna second", "olink second"], "sample_code")
def digits_exchanged_in_one_of_two_rows_of_a_tube(lab: Lab):
    """The same, and the tube also stands in a row whose code is right: it cannot belong to two people."""
    lab.put("manifest", "rna second", participant_code="987653421")


@finds("not_in_participants", "manifest", "nares second", "participant_code")
@finds("code_at_two_sites", "manifest", ROWS_OF_SECOND, "participant_code")
def site_exchanged(lab: Lab):
    """The code is right and the site is another one's: for the workflow two people."""
    lab.put("manifest", "nares second", site="GR03")


@finds("not_in_manifest", "manifest", (), "participant_code")
def randomised_and_forgotten(lab: Lab):
    """A randomised participant has no row in the manifest."""
    del lab.manifest["rna died"]


@finds("sample_after_death", "manifest", "rna died", "visit_day")
def sample_of_a_later_day_than_death(lab: Lab):
    """The row of day 7 got day 15; the participant died on day 10."""
    lab.put("manifest", "rna died", visit_day="15")


@finds("visit_after_withdrawal", "visits", "first day 15", "visit_day")
@finds("sample_after_withdrawal", "manifest", "rna day 4", "visit_day")
@finds("sample_after_withdrawal", "manifest", "atac", "visit_day")
@finds("sample_after_withdrawal", "manifest", "nares", "visit_day")
@finds("sample_after_withdrawal", "manifest", "oral", "visit_day")
def samples_taken_after_withdrawal(lab: Lab):
    """Consent was withdrawn on day 3, and the samples of day 4 are listed."""
    lab.put("participants", "first", consent="withdrawn", withdrawn_day="3")


@finds("sample_without_consent", "manifest", "rna died", "visit_day")
def consent_pending(lab: Lab):
    """Deferred consent was never obtained, and the sample is listed."""
    lab.put("participants", "died", consent="deferred_pending")


@finds("sample_without_consent", "manifest", "rna died", "visit_day")
def erasure_asked_for(lab: Lab):
    """Erasure was asked for, and the sample is still listed."""
    lab.put("participants", "died", consent="erase")


# ----------------------------------------------------------------------------------------------------- several at once


@finds("code_leading_zero", "manifest", "rna second", "sample_code")
@finds("unknown_site", "manifest", "atac second", "site")
@finds("not_allowed", "manifest", "atac", "specimen")
@finds("day_not_scheduled", "manifest", "nares", "visit_day")
@finds("mate_missing", "manifest", "nares second", "fastq_2")
@finds("data_missing", "manifest", "rna day 4", "fastq_1")
@finds("required_empty", "manifest", "rna missed", "missing_reason")
@finds("bad_pattern", "manifest", "blank", "batch")
@finds("sample_after_death", "manifest", "rna died", "visit_day")
@finds("decimal_comma", "visits", "first day 1", "haemoglobin_g_dl")
@finds("sofa_sum", "visits", "second day 2", "sofa_total")
@finds("under_age", "participants", "second", "age_years")
def a_bad_day(lab: Lab):
    """Twelve mistakes in three tables, found in one go."""
    lab.put("manifest", "rna second", sample_code="60000021")
    lab.put("manifest", "atac second", site="RO60")
    lab.put("manifest", "atac", specimen="PBMCs")
    lab.put("manifest", "nares", visit_day="3")
    lab.put("manifest", "nares second", fastq_2="")
    lab.put("manifest", "rna day 4", fastq_1="raw/rnaseq_A2_R1.fastq.gz")
    lab.put("manifest", "rna missed", missing_reason="")
    lab.put("manifest", "blank", batch="MB 01")
    lab.put("manifest", "rna died", visit_day="21")
    lab.put("visits", "first day 1", haemoglobin_g_dl="9,1")
    lab.put("visits", "second day 2", sofa_total="10")
    lab.put("participants", "second", age_years="17")


@finds("code_leading_zero", "manifest", "rna", "participant_code")
@finds("code_leading_zero", "manifest", "rna lane 2", "participant_code")
@finds("code_leading_zero", "manifest", "rna day 4", "participant_code")
@finds("code_leading_zero", "manifest", "rna died", "participant_code")
@finds("code_leading_zero", "manifest", "atac", "participant_code")
@finds("code_leading_zero", "manifest", "olink", "participant_code")
@finds("code_leading_zero", "manifest", "nares", "participant_code")
@finds("code_leading_zero", "manifest", "oral", "participant_code")
def every_leading_zero_of_a_column_lost(lab: Lab):
    """The whole manifest went through a spreadsheet: every code that began with zeros is shorter."""
    for row in lab.manifest.values():
        row["participant_code"] = row["participant_code"].lstrip("0")


@finds("unknown_site", "manifest", "rna died", "site")
@finds("unknown_site", "participants", "died", "site")
@finds("unknown_site", "visits", "died day 1", "site")
@finds("unknown_site", "visits", "died day 9", "site")
def site_opened_later(lab: Lab):
    """A site that opened later is not in the table of sites yet."""
    for table in ("manifest", "participants", "visits"):
        for row in lab.rows(table).values():
            if row["participant_code"] == DIED["participant_code"]:
                row["site"] = "GR11"
