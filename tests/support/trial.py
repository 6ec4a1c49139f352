"""A tiny good trial on the disk, for the tests of the intake to break."""

import gzip
from pathlib import Path

from immunosep.checks import columns_of
from immunosep.clinical import check_clinical, read_sites
from immunosep.errors import InputError
from immunosep.findings import as_text, errors
from immunosep.intake import check_inputs
from immunosep.sealed import sealed_folder, tables_of, unseal

PACKED = gzip.compress(b"@read\nA\n+\nI\n", mtime=0)
SCHEDULE = {
    "omics_days": [1, 2, 4, 7, 15, 21, 28, 90],
    "layer_days": {},
    "sofa_days": list(range(1, 16)),
    "screening_day": 0,
}
FIRST = {"site": "GR03", "participant_code": "012345678"}
SECOND = {"site": "RO06", "participant_code": "987654321"}


def sample(person, day, layer, assay, specimen, **more):
    """Return a manifest row of a collected sample with its two FASTQ files, or its entry of the NPX table."""
    stem = f"{person['site']}-{person['participant_code']}-D{int(day):02d}-{assay}-{specimen}"
    row = {
        "site": person["site"],
        "sample_code": person["participant_code"],
        "participant_code": person["participant_code"],
        "visit_day": day,
        "layer": layer,
        "assay": assay,
        "specimen": specimen,
        "sample_type": "sample",
        "batch": "B1",
        "plate": "P1",
        "well": f"{person['site']}D{int(day):02d}{specimen}".replace("_", ""),
        "run": "R1",
        "collected": "yes",
        "pre_dose": "yes" if day == "1" else "",
    }
    if layer == "microbiome":
        row["batch"] = "MB01"  # that of the controls
    if layer == "proteome":
        row |= {"table": "raw/npx.csv", "table_id": stem}
    else:
        row |= {"fastq_1": f"raw/{stem}_R1.fastq.gz", "fastq_2": f"raw/{stem}_R2.fastq.gz"}
    return row | more


def control(kind, well):
    """Return a manifest row of a 16S control."""
    stem = f"raw/{kind}_{well}"
    files = {"fastq_1": f"{stem}_R1.fastq.gz", "fastq_2": f"{stem}_R2.fastq.gz"}
    names = {"layer": "microbiome", "assay": "16s", "sample_type": kind, "batch": "MB01", "well": well, "run": "R1"}
    return names | files | {"collected": "yes"}


def read_clinical(config):
    """Return the clinical tables of a configuration; a mistake in one of them is an `InputError`."""
    countries, of_sites = read_sites(config)
    clinical, findings = check_clinical(config, countries)
    if wrong := errors([*of_sites, *findings]):
        raise InputError(as_text(wrong, shown=None))
    return clinical


class Trial:
    """Tables as lists of dicts; `check` writes them below `folder` and runs the intake on them."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.sealed = sealed_folder(self.folder)
        self.manifest = [
            sample(FIRST, "1", "rna", "rnaseq", "whole_blood", strandedness="ISR", pre_dose="yes"),
            sample(FIRST, "1", "rna", "rnaseq", "whole_blood", strandedness="ISR", pre_dose="yes", run="R2")
            | {"fastq_1": "raw/lane2_R1.fastq.gz", "fastq_2": "raw/lane2_R2.fastq.gz"},
            sample(FIRST, "4", "atac", "atacseq", "pbmc"),
            sample(SECOND, "1", "rna", "rnaseq", "whole_blood"),
            sample(SECOND, "1", "proteome", "olink", "plasma"),
            sample(SECOND, "4", "microbiome", "16s", "nares"),
            sample(SECOND, "4", "microbiome", "16s", "oral"),
            sample(SECOND, "7", "rna", "rnaseq", "whole_blood", collected="no", missing_reason="missed")
            | {"fastq_1": "", "fastq_2": ""},
            control("negative_control", "A01"),
            control("positive_control", "B01"),
        ]
        self.sites = [{"site": "GR03", "country": "GR"}, {"site": "RO06", "country": "RO"}]
        person = {
            "age_years": "70",
            "sex": "F",
            "infection": "CAP;BSI",
            "randomised": "yes",
            "dosed": "yes",
            "per_protocol": "yes",
            "last_contact_day": "90",
            "consent": "consented",
        }
        self.participants = [FIRST | person | {"country": "GR"}, SECOND | person | {"country": "RO"}]
        sofa = {
            "sofa_total": "9",
            "sofa_respiration": "3",
            "sofa_coagulation": "1",
            "sofa_liver": "2",
            "sofa_cardiovascular": "1",
            "sofa_cns": "0",
            "sofa_renal": "2",
        }
        self.visits = [
            FIRST | sofa | {"visit_day": "1", "ferritin": "4420.5", "ferritin_unit": "ng/mL"},
            FIRST | {"visit_day": "2", "sofa_total": "8", "haemoglobin_g_dl": "8.125", "lymphocytes_10e9_l": "0.8"},
            SECOND | {"visit_day": "1", "sofa_total": "5", "hladr": "4999", "hladr_unit": "receptors_per_cell"},
        ]
        self.config = {
            "role": "blinded",
            "manifest": str(self.folder / "manifest.tsv"),
            "sites": str(self.folder / "sites.tsv"),
            "data_root": str(self.folder),
            "layers": {},
            "privacy": {"secret": str(self.folder / "secret.key"), "withdrawals": str(self.folder / "withdrawals")},
            "schedule": SCHEDULE,
            "endotype": {"ferritin_cut": 4420, "hladr_cut": 5000},
            "biomarkers": {"tasks": {}},
            "intake": {"confounded_batch": "error", "cramers_v": 0.3},
            "clinical": {
                "participants": str(self.folder / "clinical" / "participants.tsv"),
                "visits": str(self.folder / "clinical" / "visits.tsv"),
                "labels": None,
            },
            "sealed": {
                "classification": str(self.sealed / "classification.tsv"),
                "allocation": str(self.sealed / "allocation.tsv"),
                "record": str(self.sealed / "unblinding.tsv"),
            },
        }

    def write(self):
        """Write tables and raw files; sealed tables only where a test set them."""
        for row in self.manifest:
            for column in ("fastq_1", "fastq_2", "table"):
                if row.get(column):
                    path = self.folder / row[column]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(PACKED if path.suffix == ".gz" else b"data")
        self.write_tables()
        return self

    def write_tables(self):
        """Write the tables only."""
        for name in ("manifest", "sites", "participants", "visits", "classification", "allocation"):
            rows = getattr(self, name, None)
            if rows is not None:
                place = {"manifest": ".", "sites": ".", "participants": "clinical", "visits": "clinical"}
                folder = self.folder / place[name] if name in place else self.sealed
                write_tsv(folder / f"{name}.tsv", columns_of(name), rows)
        return self

    def unseal(self, role=None):
        """Write the tables, make the sealed ones private and record that they were unsealed for a role."""
        self.write_tables()
        role = role or self.config["role"]
        for table in tables_of(role):
            Path(self.config["sealed"][table]).chmod(0o600)
        unseal(self.config, role, "test statistician")
        return self

    def check(self):
        """Run the intake on what is written; return the libraries and the findings."""
        return check_inputs(self.config)


def write_tsv(path, columns, rows):
    """Write dicts as a TSV; columns that only the rows have come last."""
    columns = [*columns, *dict.fromkeys(c for row in rows for c in row if c not in columns)]
    lines = ["\t".join(columns), *("\t".join(row.get(c, "") for c in columns) for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def codes(findings):
    """Return the sorted codes of findings."""
    return sorted(f.code for f in findings)
