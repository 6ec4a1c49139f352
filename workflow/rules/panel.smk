"""A small stable panel of markers per task, and how well the procedure that chooses it predicts.

Needs what the classifiers need, and their folds. Steps: evaluate_panel (one job per repeat: the choice repeated in every
outer fold), choose_panel (the panel on all participants, its stability, the procedure's performance). Makes
results/biomarkers/<task>/{panel,panel_summary,panel_performance}.tsv and panel.skops.
"""


rule evaluate_panel:
    """Predictions of one repeat by panels that were chosen without the predicted participants."""
    input:
        matrices=task_matrices,
        labels="results/labels/labels.tsv",
        participants=config["clinical"]["participants"] or [],
        folds="results/biomarkers/{task}/folds.tsv",
        classification=measured_definers,
    output:
        predictions=temp("results/biomarkers/{task}/panels/{repeat}.tsv"),
        chosen=temp("results/biomarkers/{task}/panels/{repeat}_markers.tsv"),
    log:
        "logs/biomarkers/evaluate_panel/{task}_{repeat}.log",
    benchmark:
        "benchmarks/biomarkers/evaluate_panel/{task}_{repeat}.tsv"
    wildcard_constraints:
        task=OUTCOMES,
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=60,
    params:
        code=fingerprint("immunosep.biomarkers.panel_steps"),
        modalities=task_modalities,
        choices=panel_choices,
    script:
        "../../scripts/biomarkers/evaluate_panel.py"


rule choose_panel:
    """The panel chosen on all participants, how stable it is, and the performance of the procedure."""
    input:
        matrices=task_matrices,
        labels="results/labels/labels.tsv",
        participants=config["clinical"]["participants"] or [],
        folds="results/biomarkers/{task}/folds.tsv",
        classification=measured_definers,
        predictions=lambda wildcards: collect(
            "results/biomarkers/{task}/panels/{repeat}.tsv",
            task=wildcards.task,
            repeat=repeats_of(wildcards.task),
        ),
        chosen=lambda wildcards: collect(
            "results/biomarkers/{task}/panels/{repeat}_markers.tsv",
            task=wildcards.task,
            repeat=repeats_of(wildcards.task),
        ),
    output:
        panel="results/biomarkers/{task}/panel.tsv",
        summary="results/biomarkers/{task}/panel_summary.tsv",
        performance="results/biomarkers/{task}/panel_performance.tsv",
        model="results/biomarkers/{task}/panel.skops",
    log:
        "logs/biomarkers/choose_panel/{task}.log",
    wildcard_constraints:
        task=OUTCOMES,
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.biomarkers.panel_steps"),
        modalities=task_modalities,
        choices=panel_choices,
        epoch=data_epoch(config),
        shuffled=SHUFFLED,
    script:
        "../../scripts/biomarkers/choose_panel.py"
