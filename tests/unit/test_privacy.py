"""Personal data and treatment: recognised, masked, and not seen where there is none."""

import json
import time

import pytest

from immunosep.findings import as_json, as_text, mask
from immunosep.intake_page import render_page
from immunosep.privacy import column_risk, header_risk, is_prose, is_two_armed, path_risk, value_risk
from support.trial import Trial


@pytest.mark.parametrize(
    "name",
    ["name", "Patient_Name", "surname", "firstName", "initials", "DOB", "date_of_birth", "BirthDate", "e-mail", "MRN",
     "phone", "postcode", "sample date", "comments", "HIV", "pregnancy", "HIVStatus", "PatientName", "Patient name",
     "medical record number", "hospital_no", "Patient ID number", "given.name", "free text", "HIV-1 status",
     # German, Dutch, French, Italian, Romanian, Spanish, Greek
     "Name", "Nachname", "Geburtsdatum", "Geb. Datum", "Telefonnummer", "Patientenname", "PLZ", "Bemerkungen",
     "Krankenhausnummer", "schwanger",
     "naam", "Achternaam", "geboortedatum", "opmerking", "woonplaats",
     "nom", "Prénom", "date de naissance", "téléphone", "commentaires", "code postal",
     "cognome", "Data di nascita", "Nome paziente", "codice fiscale", "telefono",
     "nume", "prenume", "Data nașterii", "observații",
     "nombre", "Apellidos", "fecha de nacimiento", "Fecha", "teléfono", "observaciones",
     "onoma", "Ονοματεπώνυμο", "Όνομα", "Επώνυμο", "Ημερομηνία γέννησης", "ημ. γέννησης", "ΑΜΚΑ", "Τηλέφωνο", "σχόλια"],
)  # fmt: skip
def test_personal_columns(name):
    assert column_risk(name) == "personal_column"


@pytest.mark.parametrize(
    "name",
    ["arm", "Treatment", "study_drug", "anakinra", "IFNg", "dose mg", "placebo", "StudyArm", "TreatmentArm",
     "Behandlung", "behandeling", "Traitement", "trattamento", "tratament", "tratamiento", "Θεραπεία",
     "rhIFN-γ", "allocation code"],
)  # fmt: skip
def test_treatment_columns(name):
    assert column_risk(name) == "treatment_column"


@pytest.mark.parametrize(
    "name",
    ["colour", "filename", "alarm", "sofa", "batch2", "rin", "updated", "charm", "", "Gene names", "Protein.Name",
     "Panel_Name", "SoftwareName", "sample name", "pre_dose", "hours_since_last_dose", "Nominal mass", "assay", "Age",
     "numeric", "context", "candidate", "armoured", "name of the gene", "short_name", "geo_loc_name",
     "qc_assigned_fragments"],
)  # fmt: skip
def test_harmless_columns(name):
    assert column_risk(name) == ""


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("anna.b@clinic.example", "e-mail"),
        ("2024-02-29", "date"),
        ("29.02.2024", "date"),
        ("2/29/24", "date"),
        ("29-Feb-2024", "date"),
        ("Feb 29, 2024", "date"),
        ("+30 210 583 1234", "telephone"),
        ("0030 210 5831234", "telephone"),
        ("+49 (30) 1234-5678", "telephone"),
        ("0171 1234567", "telephone"),
        ("06 12 34 56 78", "telephone"),
        ("tel. 6912345678", "telephone"),
        ("2024-02-29T10:15:00", "date"),
        ("2024/2/9", "date"),
        ("born 29.02.1950.", "date"),
        ("geb.29.02.1950", "date"),
        ("29.02.50", "date"),
        ("2-Sep", "date"),
        ("1 MAR", "date"),
        ("29. März 2024", "date"),
        ("3 février 2024", "date"),
        ("12 Ιανουαρίου 2024", "date"),
        ("Feb 29", "date"),
        ("MRN: 123456", "hospital"),
        ("Patienten-Nr. 48213", "hospital"),
        ("756.1234.5678.97", "identity"),
        ("RSSMRA50B12H501Z", "identity"),
        ("01025012345", "identity"),
        ("1500212123456", "identity"),
        ("1011 AB", "postcode"),
        ("D-10115", "postcode"),
        ("Dr. Müller", "name"),
        ("Frau Schmidt refused", "name"),
        ("patient was moved to another ward", "free text"),
        ("x" * 30_000, "free text"),
    ],
)
def test_personal_values(value, what):
    assert what in value_risk(value)


@pytest.mark.parametrize(
    "value",
    ["012345678", "4420.5", "GR03", "whole_blood", "GR03-012345678-D04-rna", "raw/x_L001_R1_001.fastq.gz", "515F-806R",
     "1.234.567", "R1", "P1_A12", "10.1", "SEP-10", "Sep_10", "03-0012-07", "01-02-12", "1.1.12", "EC 2.7.11.25",
     "10-octadecenoic acid", "1-marker", "[M+1.0072764]", "C18:1-OH", "50-78-2", "Olink Target 96 Inflammation(v.3024)",
     "Whole Blood", "plasma EDTA", "M01320:265:000000000-CG3W6:1:2107:17144:1004", "chr6:32400000-33100000", "plate.1",
     "(80,100]", "South Asian", "5.1.0.0", "NC_000913.3", "2.4e+10", "Arg Pro", "PC aa C38:4", "P18510;P01579"],
)  # fmt: skip
def test_harmless_values(value):
    assert value_risk(value) == ""


@pytest.mark.parametrize("value", ["M.K.", "Maria", "Müller, Anna", "J. R.", "Παπαδόπουλος"])
def test_names_in_a_column_of_codes(value):
    assert value_risk(value, is_code=True) == "a name or initials"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("raw/GR03_20240229_R1.fastq.gz", "date"),
        ("raw/2024-02-29/x_R1.fastq.gz", "date"),
        ("raw/29.02.2024_x_R1.fastq.gz", "date"),
        ("raw/anna.b@clinic.example_R1.fastq.gz", "e-mail"),
        ("RUN_20240229", "date"),
        ("20240229", "date"),
        ("raw/x_29Feb2024_R1.fastq.gz", "date"),
    ],
)
def test_names_of_files_and_runs(path, what):
    assert what in path_risk(path)


@pytest.mark.parametrize(
    "path",
    ["raw/GR03_012345678_R1.fastq.gz", "raw/x_S103_L001_R1_001.fastq.gz", "SRR20211231_1.fastq.gz", "RUN7", "MB01",
     "240131_A00123_0045_AHGWXYDSXX/x_R1.fq.gz", "raw/proteome/npx.csv", "202402291234", "pbmc_frozen",
     "a3" * 29 + "f912dec", "9feb" * 16],
)  # fmt: skip
def test_harmless_names_of_files_and_runs(path):
    assert path_risk(path) == ""


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("@9f3a runid=77 sampleid=x start_time=2024-02-29T10:11:12Z", "date"),
        ("@r1 contact=anna.b@clinic.example", "e-mail"),
        ("@RG\tID:1\tSM:x\tDT:2024-02-29", "date"),
        ("@RG\tID:1\tDT:20240229T101112", "date"),
        ("@RG\tID:1\tDS:Frau Schmidt", "name"),
        ("@CO\tplease run this sample once more", "free text"),
        ("@r1 patient=Maria_Papadopoulou", "personal data"),
        ("@r1 dob=01.02.1950", "personal data"),
        ("@r1 length=35 x=01.02.1950", "date"),
        ("@r1;patient=Maria_P;length=35", "personal data"),
        ("@r1 arm=placebo", "treatment"),
        ("@r1 Mrs Papadopoulou tel. 2101234567", "telephone"),
        ("@r1 MRN: 123456", "hospital"),
        ("@r1 Mrs_Maria_Papadopoulou", "name"),
        ("@r1\tDS:Z:Mrs Papadopoulou born 1950", "name"),
        ("@r1\tRG:Z:1\tXC:Z:29.02.1950", "date"),
    ],
)
def test_headers_of_reads_and_alignments(line, what):
    assert what in header_risk(line)


@pytest.mark.parametrize(
    "line",
    ["@M01320:265:000000000-CG3W6:1:2107:17144:1004 1:N:0:TCGCCTTA+TAGATCGC", "@SRR10070132.1.1 1 length=35",
     "@SRR6357070.40838091 40838091/1", "@NC_006347.1_0/1", "@ERR5069949.2151832 NS500628:121:HK3MMAFX2:2:21208:1/1",
     "@m54006_160504_020705/4194369/0_3502", "@A00123:45:HGWXYDSXX:1:1101:1000:2000",
     "@RG\tID:1\tSM:GR03-012345678\tPL:ILLUMINA",
     # Illumina, old and new, with index, barcode and the corrections of QIIME
     "@HWUSI-EAS100R:6:73:941:1973#0/1", "@HWI-ST141_0363:2:1101:1175:2080#ATCACG/1",
     "@EAS139:136:FC706VJ:2:2104:15343:1 2:Y:18:1", "@LH00132:27:22FKCVLT3:1:1101:2330:1080 1:N:0:GGGGGG+AGATCT",
     "@VH00123:5:AAAC5VVM5:1:1101:18421:1000:ACGTACGT 1:N:0:0",
     "@M1:1:000000000-A1:1:1101:1:1 1:N:0:12 orig_bc=ACGTACGTACGT new_bc=ACGTACGTACGT bc_diffs=0",
     # SRA, ENA and DDBJ
     "@SRR001666.1 071112_SLXA-EAS1_s_7:5:1:817:345 length=36", "@ERR1234567.1 1/1",
     "@SRR5247012.1 HWI-D00360:96:H2YT5BCXX:1:1103:1468:2130 length=101", "@DRR000001.1 3060N:7:1:1115:343 length=36",
     "@SRR396636.1 FWRD7:00002:00011 length=150",
     # MGI, Ion Torrent and 454
     "@V300021234L1C001R0010000000/1", "@E100024251L1C001R00300000000/2 BC=ACGTACGTAC", "@XTRP9:00002:00011",
     "@FX7KQ3Z01A0001 rank=0000201 x=1077.0 y=3123.5 length=45",
     "@FX7KQ3Z01A0001 length=52 xy=0094_1234 region=2 run=R_2009_10_15_10_11_12_",
     # Nanopore, PacBio, single cells and programs that write behind a name
     "@0b1c-44 runid=9f8e7d sampleid=no_sample read=1234 ch=55 barcode=barcode07 flow_cell_id=FAX12345 "
     "model_version_id=dna_r10.4.1_e8.2_400bps_sup@v4.2.0 parent_read_id=0b1c-44 protocol_group_id=GR03 sample_id=x",
     "@0b1c-44\tqs:f:17.5\tdu:f:2.25\tns:i:9000\tch:i:55\tRG:Z:9f8e_dna_r10.4.1_e8.2_400bps_hac@v4.3.0\tfn:Z:FAX_7.pod5",
     "@m64011_190830_220126/1/ccs np:i:9 rq:f:0.999", "@r1_ACGT CR:Z:ACGT CY:Z:FFFF\tUR:Z:ACGTT", "@r1 merged_150_15",
     "@r1 kraken:taxid|9606", "@r1 patient=GR03-012345678"],
)  # fmt: skip
def test_headers_that_give_nothing_away(line):
    assert header_risk(line) == ""


def test_two_armed_columns():
    for values in (["0", "1", "1", ""], ["A", "b"], ["1", "2"], ["0.0", "1.0"]):
        assert is_two_armed(values)
    for values in ([], ["0"], ["0", "1", "2"], ["yes", "no"], ["F", "M"]):
        assert not is_two_armed(values)


PIECES = [
    "1", "0", "00", "+1 ", "-", ".", " ", "01.02.", "2-Sep ", "a", "a@", "@", "a.", "ab ", "Dr ", "(", "012 34 ",
    "19", "_",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("judge", [column_risk, value_risk, path_risk, header_risk, is_prose])
def test_no_text_takes_long(piece, judge):
    """A million characters, and the longest text that is looked at as a whole, of what makes expressions go back."""
    for text in (piece * (1_000_000 // len(piece)), (piece * 20_000)[:19_999], (piece * 20_000)[:19_998] + "!"):
        start = time.process_time()
        judge(text)
        judge("@RG\tDS:" + text)
        assert time.process_time() - start < 0.5


def test_mask_shows_one_character():
    assert mask("anna@clinic.example") == "a… (19 characters, masked)"


@pytest.mark.parametrize("secret", ["anna.b@clinic.example", "29.02.2024", "Anna Schmidt", "+30 210 5831234"])
def test_no_output_shows_a_personal_value(tmp_path, secret):
    trial = Trial(tmp_path).write()
    trial.manifest[3]["sample_code"] = secret
    trial.manifest[4]["table_id"] = secret if " " not in secret or "+" in secret else "ok"
    trial.participants[0]["participant_code"] = secret
    _, findings = trial.write_tables().check()
    assert [f.code for f in findings].count("personal_value") >= 2
    for text in (as_text(findings), json.dumps(as_json(findings)), render_page(findings, {}, [])):
        assert secret not in text


def test_site_and_layer_of_a_row_stand_beside_its_findings_unless_they_are_wrong_themselves(tmp_path):
    trial = Trial(tmp_path).write()
    trial.manifest[2]["sample_code"] = "12345678"
    trial.manifest[3] |= {"site": "Anna Schmidt", "visit_day": "x"}
    _, findings = trial.write_tables().check()
    said = {(f.code, f.column): (f.site, f.layer) for f in findings}
    assert said["code_leading_zero", "sample_code"] == ("GR03", "atac")
    assert said["not_integer", "visit_day"] == ("", "rna")
    assert "Anna Schmidt" not in {f.site for f in findings}
    # A clinical table has no layers.
    trial.participants[0]["sex"] = "x"
    _, findings = trial.write_tables().check()
    assert ("GR03", "") in {(f.site, f.layer) for f in findings if f.column == "sex"}
