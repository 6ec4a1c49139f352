"""The six good tables of a lab, row by row under a name, and a cohort of forty; nobody stands behind any code."""

from collections.abc import Callable

Row = dict[str, str]
Rows = dict[str, Row]

# Participants. Greek codes begin with zeros; tubes (sample codes) are numbered apart from people.
FIRST = {"site": "GR03", "participant_code": "012345678"}
SECOND = {"site": "RO06", "participant_code": "987654321"}
DIED = {"site": "GR03", "participant_code": "000450321"}  # on day 10
SCREENED = {"site": "RO06", "participant_code": "120000045"}  # and not randomised
# Names of the manifest's rows that are theirs.
ROWS_OF_FIRST = ("rna", "rna lane 2", "rna day 4", "atac", "olink", "nares", "oral")
ROWS_OF_SECOND = ("rna second", "rna missed", "atac second", "olink second", "nares second")


def _sample(person: Row, tube: str, day: str, assay: str, well: str, **more: str) -> Row:
    layer, specimen, batch = {
        "rnaseq": ("rna", "whole_blood", "RB01"),
        "atacseq": ("atac", "pbmc", "AB01"),
        "olink": ("proteome", "plasma", "PB01"),
        "16s": ("microbiome", "nares", "MB01"),
    }[assay]
    row = person | {
        "sample_code": tube,
        "visit_day": day,
        "layer": layer,
        "assay": assay,
        "specimen": specimen,
        "sample_type": "sample",
        "batch": batch,
        "plate": batch.replace("B", "P"),
        "well": well,
        "run": "RUN1",
        "collected": "yes",
    }
    if assay == "olink":
        row |= {"run": "", "table": "raw/npx.csv", "table_id": f"S{well}"}
    else:
        row |= {f"fastq_{mate}": f"raw/{assay}_{well}_R{mate}.fastq.gz" for mate in (1, 2)}
    return row | more


def _control(kind: str, well: str) -> Row:
    owned = ("site", "participant_code", "sample_code", "visit_day", "specimen")
    return _sample({}, "", "", "16s", well, sample_type=kind) | dict.fromkeys(owned, "")


def manifest() -> Rows:
    """Fifteen rows of four layers: lanes, a missed visit, swabs, a blank and a mock."""
    rna = {"strandedness": "ISR", "globin_depleted": "yes"}
    missed = {"collected": "no", "missing_reason": "missed", "fastq_1": "", "fastq_2": "", "run": ""}
    return {
        "rna": _sample(FIRST, "300000011", "1", "rnaseq", "A01", pre_dose="yes", **rna),
        "rna lane 2": _sample(FIRST, "300000011", "1", "rnaseq", "A01", pre_dose="yes", **rna)
        | {"run": "RUN2", "fastq_1": "raw/rnaseq_A01_L2_R1.fastq.gz", "fastq_2": "raw/rnaseq_A01_L2_R2.fastq.gz"},
        "rna day 4": _sample(FIRST, "300000014", "4", "rnaseq", "A02", **rna),
        "rna second": _sample(SECOND, "600000021", "1", "rnaseq", "A03", pre_dose="yes", **rna),
        "rna died": _sample(DIED, "300000037", "7", "rnaseq", "A04", **rna),
        "rna missed": _sample(SECOND, "600000027", "7", "rnaseq", "A05", **missed),
        "atac": _sample(FIRST, "300000014", "4", "atacseq", "A01", cell_source="pbmc_frozen"),
        "atac second": _sample(SECOND, "600000024", "4", "atacseq", "A02", cell_source="pbmc_frozen"),
        "olink": _sample(FIRST, "300000011", "1", "olink", "A01", pre_dose="yes"),
        "olink second": _sample(SECOND, "600000021", "1", "olink", "A02", pre_dose="yes"),
        "nares": _sample(FIRST, "300000041", "4", "16s", "A01", primers="515F-806R", dna_ng_ul="0.8"),
        "oral": _sample(FIRST, "300000042", "4", "16s", "A02", specimen="oral", primers="515F-806R", dna_ng_ul="12.5"),
        "nares second": _sample(SECOND, "600000041", "4", "16s", "A03", primers="515F-806R", dna_ng_ul="1.1"),
        "blank": _control("negative_control", "H11"),
        "mock": _control("positive_control", "H12"),
    }


def sites() -> Rows:
    """Two sites."""
    return {"athens": {"site": "GR03", "country": "Greece"}, "craiova": {"site": "RO06", "country": "Romania"}}


def participants() -> Rows:
    """Four people, of whom one died on day 10 and one was not randomised."""
    person = {
        "country": "Greece", "age_years": "70", "sex": "F", "infection": "CAP;BSI", "randomised": "yes", "dosed": "yes",
        "per_protocol": "yes", "hours_sepsis_to_drug": "36", "last_contact_day": "90", "consent": "consented",
        "covid19": "no",
    }  # fmt: skip
    not_randomised = {"randomised": "no", "dosed": "", "per_protocol": "", "hours_sepsis_to_drug": ""}
    return {
        "first": FIRST | person | {"discharge_day": "21"},
        "second": SECOND | person | {"country": "Romania", "age_years": "58", "sex": "M", "infection": "VAP"},
        "died": DIED | person | {"death_day": "10", "last_contact_day": "10"},
        "screened": SCREENED | person | not_randomised | {"country": "Romania", "last_contact_day": "1"},
    }


def visits() -> Rows:
    """Seven days of three people."""
    parts = ("respiration", "coagulation", "liver", "cardiovascular", "cns", "renal")
    sofa = {f"sofa_{part}": score for part, score in zip(parts, "312102", strict=True)} | {"sofa_total": "9"}
    blood = {"neutrophils_10e9_l": "9.5", "lymphocytes_10e9_l": "0.8", "haemoglobin_g_dl": "9.1"}
    labs = {"ferritin": "5210", "ferritin_unit": "ng/mL", "hladr": "8450", "hladr_unit": "receptors_per_cell"}
    given = {"antibiotic": "yes", "steroid": "no", "transfusion": "no"}
    return {
        "first day 1": FIRST | {"visit_day": "1"} | sofa | blood | labs | given,
        "first day 2": FIRST | {"visit_day": "2", "sofa_total": "8"} | given,
        "first day 15": FIRST | {"visit_day": "15", "sofa_total": "4", "infection_resolved": "yes"} | labs,
        "second day 1": SECOND | {"visit_day": "1"} | sofa | labs | {"ferritin": "870.5", "hladr": "3200"} | given,
        "second day 2": SECOND | {"visit_day": "2"} | sofa | given,
        "died day 1": DIED | {"visit_day": "1"} | sofa | blood | labs | given,
        "died day 9": DIED | {"visit_day": "9", "sofa_total": "14"} | given,
    }


def classification() -> Rows:
    """Screening values of all four."""
    units = {"ferritin_unit": "ng/mL", "hladr_unit": "receptors_per_cell", "class_lab": "LAB_GR"}
    return {
        "first": FIRST | units | {"ferritin": "5210", "hladr": "8450"},
        "second": SECOND | units | {"ferritin": "870.5", "hladr": "3200", "class_lab": "LAB_RO"},
        "died": DIED | units | {"ferritin": "6100", "hladr": "3900"},
        "screened": SCREENED | units | {"ferritin": "640", "hladr": "9900", "class_lab": "LAB_RO"},
    }


def allocation() -> Rows:
    """Arms of the three randomised."""
    return {
        "first": FIRST | {"arm": "active", "emergency_unblinded": "no"},
        "second": SECOND | {"arm": "placebo", "emergency_unblinded": "no"},
        "died": DIED | {"arm": "placebo", "emergency_unblinded": "yes"},
    }


def forty(batch: Callable[[int], str]) -> dict[str, Rows]:
    """Return the tables of a cohort of forty with one RNA library each.

    Odd numbers have MALS and even ones immunoparalysis; sites and arms change every second and every fourth person, so
    that none of these follows another.

    Parameters
    ----------
    batch
        Number of a person, from 0, to the batch of the library.
    """
    made: dict[str, Rows] = {
        name: {} for name in ("manifest", "participants", "visits", "classification", "allocation")
    }
    library, person, visit = manifest()["rna"], participants()["first"], visits()["first day 1"]
    screened, arm = classification()["first"], allocation()["first"]
    for number in range(40):
        name = f"p{number}"
        who = {"site": ("GR03", "RO06")[number // 2 % 2], "participant_code": f"{100000000 + number}"}
        tube = {"sample_code": f"{200000000 + number}", "batch": batch(number), "plate": "", "well": f"A{number:02d}"}
        files = {f"fastq_{mate}": f"raw/{name}_R{mate}.fastq.gz" for mate in (1, 2)}
        values = {"ferritin": "5210", "hladr": "8450"} if number % 2 else {"ferritin": "870", "hladr": "3200"}
        made["manifest"][name] = library | who | tube | files
        made["participants"][name] = person | who | {"country": ("Greece", "Romania")[number // 2 % 2]}
        made["visits"][name] = visit | who
        made["classification"][name] = screened | who | values
        made["allocation"][name] = arm | who | {"arm": ("active", "placebo")[number // 4 % 2]}
    return made
