"""Intake: every input table checked together, and the tables that say what came in and what did not.

Needs the manifest, the table of sites and the clinical tables (sealed ones only in a role that may see them). Mistakes
stop the run while it is planned, before any job. Steps: check_manifest (report, confounding of batches),
tabulate_samples (libraries, rejected, completeness), tabulate_libraries (library table of one layer). The two tables
depend on what they tell and not on the files that it was read from: editing another layer's rows does not touch a layer's
library table, and editing a score touches neither.
"""

if config["manifest"]:

    rule check_manifest:
        """Report of the intake: what is wrong or remarkable in the inputs, and what the batches follow."""
        input:
            **{
                name: path
                for name, path in {
                    "manifest": config["manifest"],
                    "sites": config["sites"],
                    "participants": config["clinical"]["participants"],
                    "visits": config["clinical"]["visits"],
                    "classification": SEES_ENDOTYPE
                    and OWN_LABELS
                    and config["sealed"]["classification"],
                    "allocation": SEES_ARM
                    and OWN_LABELS
                    and config["sealed"]["allocation"],
                }.items()
                if path
            },
        output:
            confounding="results/intake/confounding.tsv",
            json="results/intake/intake_report.json",
            html="results/intake/intake_report.html",
        log:
            "logs/intake/check_manifest.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.intake"),
            settings={
                name: config[name]
                for name in ("role", "schedule", "endotype", "intake")
            },
            layers=RAW_LAYERS,
        script:
            "../../scripts/intake/check_manifest.py"

    rule tabulate_samples:
        """All libraries, what was left out and why, and which expected samples are missing."""
        output:
            libraries="results/intake/libraries.tsv",
            rejected="results/intake/rejected.tsv",
            completeness="results/intake/completeness.tsv",
        log:
            "logs/intake/tabulate_samples.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.completeness", "immunosep.manifest"),
            digest=lambda wildcards: LIBRARIES.whole_digest(),
            days=layer_days(config["schedule"]),
        script:
            "../../scripts/intake/tabulate_samples.py"

    rule tabulate_libraries:
        """Library table of one layer: one row per library, controls included."""
        output:
            libraries="results/intake/{layer}.tsv",
        log:
            "logs/intake/tabulate_libraries/{layer}.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.manifest"),
            digest=lambda wildcards: LIBRARIES.digest(wildcards.layer),
        script:
            "../../scripts/intake/tabulate_libraries.py"
