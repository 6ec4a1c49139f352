"""Labels and endpoints of the participants.

Needs the clinical tables and, in a role that may see it, the sealed classification; or a ready label table
(`clinical: labels`). Makes in results/labels/: labels.tsv, one row per participant; endpoints.tsv and sensitivity.tsv,
long tables with the rule behind each value; landmarks.tsv, the size of each landmark's population; and
dynamic_endotypes.tsv, the endotype at each visit. In the role `blinded` neither the classification nor what applies its
rule is there; the arm is in labels.tsv in the role `unblinded` alone.
"""

LABEL_SETTINGS = {
    section: config[section]
    for section in ("endotype", "sofa", "sofa_response", "reversal", "survival")
}
LABEL_SETTINGS["schedule"] = {"omics_days": config["schedule"]["omics_days"]}
SEALED_INPUTS = {
    name: config["sealed"][name]
    for name, seen in (("classification", SEES_ENDOTYPE), ("allocation", SEES_ARM))
    if seen
}


if OWN_LABELS:

    rule derive_labels:
        """Endotype, mean SOFA, SOFA response, reversal and survival of each participant."""
        input:
            **SEALED_INPUTS,
            participants=config["clinical"]["participants"],
            visits=config["clinical"]["visits"],
        output:
            **(
                {"dynamic": "results/labels/dynamic_endotypes.tsv"}
                if SEES_ENDOTYPE
                else {}
            ),
            labels="results/labels/labels.tsv",
            endpoints="results/labels/endpoints.tsv",
            sensitivity="results/labels/sensitivity.tsv",
            landmarks="results/labels/landmarks.tsv",
        log:
            "logs/labels/derive_labels.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.endpoints.steps"),
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
            code=fingerprint("immunosep.endpoints.steps"),
            declared=targets(config),
            role=config["role"],
        script:
            "../../scripts/labels/import_labels.py"
