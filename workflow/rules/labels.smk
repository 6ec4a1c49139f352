"""Labels and endpoints of the participants.

Needs the clinical tables and, in a role that may see it, the sealed classification; or a ready label table
(`clinical: labels`). Makes results/labels/labels.tsv, one row per participant, and results/labels/endpoints.tsv, the
long table with the rule behind each value. In the role `blinded` the classification is no input of any rule.
"""

LABEL_SETTINGS = {
    section: config[section]
    for section in ("endotype", "sofa", "sofa_response", "reversal", "survival")
}


if OWN_LABELS:

    rule derive_labels:
        """Endotype, mean SOFA, SOFA response, reversal and survival of each participant."""
        input:
            **(
                {"classification": config["sealed"]["classification"]}
                if SEES_ENDOTYPE
                else {}
            ),
            participants=config["clinical"]["participants"],
            visits=config["clinical"]["visits"],
        output:
            labels="results/labels/labels.tsv",
            endpoints="results/labels/endpoints.tsv",
        log:
            "logs/labels/derive_labels.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.endpoints"),
            settings=LABEL_SETTINGS,
        script:
            "../../scripts/labels/derive_labels.py"

else:

    rule import_labels:
        """Check the ready label table and pass it on."""
        input:
            labels=config["clinical"]["labels"],
        output:
            labels="results/labels/labels.tsv",
        log:
            "logs/labels/import_labels.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.endpoints"),
        script:
            "../../scripts/labels/import_labels.py"
