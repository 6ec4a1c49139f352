"""What a task's model is and is not: the model card, and the items of TRIPOD+AI filled from the run.

Needs the tables of biomarkers.smk and panel.smk, and the performance of the negative controls where there are any. One
step, report_model. Makes results/biomarkers/<task>/model_card.md, tripod_ai.tsv and tripod_ai.md.
"""


rule report_model:
    """The model card and the items of TRIPOD+AI, from the tables of the task; what was not run is said to be so."""
    input:
        model="results/biomarkers/{task}/model.skops",
        training="results/biomarkers/{task}/training.tsv",
        performance="results/biomarkers/{task}/performance.tsv",
        predictive_values="results/biomarkers/{task}/predictive_values.tsv",
        differences="results/biomarkers/{task}/differences.tsv",
        subgroups="results/biomarkers/{task}/subgroups.tsv",
        transfer="results/biomarkers/{task}/transfer.tsv",
        panel_summary="results/biomarkers/{task}/panel_summary.tsv",
        panel_performance="results/biomarkers/{task}/panel_performance.tsv",
        permutations=branch(
            config["biomarkers"]["permutations"] > 0,
            then="results/biomarkers/{task}/permutations.tsv",
            otherwise=[],
        ),
        controls=collect("results/biomarkers/{task}/performance.tsv", task=CONTROLS),
    output:
        card="results/biomarkers/{task}/model_card.md",
        checklist="results/biomarkers/{task}/tripod_ai.tsv",
        page="results/biomarkers/{task}/tripod_ai.md",
    log:
        "logs/biomarkers/report_model/{task}.log",
    wildcard_constraints:
        task=OUTCOMES,
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("immunosep.biomarkers.reporting.steps"),
        settings=report_settings,
        controls=[config["biomarkers"]["tasks"][name]["target"] for name in CONTROLS],
    script:
        "../../scripts/biomarkers/report_model.py"
