"""Intake: every input table checked together, and the tables that say what came in and what did not.

Needs the manifest, the table of sites and the clinical tables (sealed ones only in a role that may see them). Mistakes
stop the run while it is planned, before any job. Steps: check_manifest (report, rejected, completeness),
tabulate_libraries (library table of one layer). The library table depends on its layer's part of the manifest and not
on the file, so that editing another layer's rows reruns nothing here.
"""

if config["manifest"]:

    rule check_manifest:
        """Report of the intake: libraries, what was left out and why, and which samples are missing."""
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
            libraries="results/intake/libraries.tsv",
            rejected="results/intake/rejected.tsv",
            completeness="results/intake/completeness.tsv",
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
            schedule=config["schedule"]["omics_days"],
            layers=RAW_LAYERS,
        script:
            "../../scripts/intake/check_manifest.py"

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
