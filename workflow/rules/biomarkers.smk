"""Classifiers of endotype and response, validated on participants that they have not seen.

Needs the layers' matrices with all their features, because the folds choose among them by the training participants
alone; results/labels/labels.tsv and the table of participants. Steps per task:
split_folds (once, from the labels and from who was sampled), evaluate_repeat (one job per repeat: all models on all its
folds), summarise_task, freeze_model; where asked for, permute_task (one job per permutation) and collect_permutations.
Makes results/biomarkers/<task>/{classes,folds,predictions,performance,curves,training,permutations}.tsv and model.skops.
A negative control ends at its performance: nobody needs a model that tells the site.
"""

SCHEMES = config["biomarkers"]["cv"]["also"]
PERMUTATIONS = range(1, config["biomarkers"]["permutations"] + 1)


rule split_folds:
    """Classes and folds of whole participants, written once and shared by all models."""
    input:
        matrices=task_matrices,
        labels="results/labels/labels.tsv",
        participants=config["clinical"]["participants"] or [],
        kept=kept_folds,
    output:
        classes="results/biomarkers/{task}/classes.tsv",
        folds="results/biomarkers/{task}/folds.tsv",
        elsewhere="results/biomarkers/{task}/folds_elsewhere.tsv",
    log:
        "logs/biomarkers/split_folds/{task}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.biomarkers.fold_steps"),
        modalities=task_modalities,
        biomarkers=fold_choices,
        seed=config["seed"],
    script:
        "../../scripts/biomarkers/split_folds.py"


rule evaluate_repeat:
    """Predictions of one repeat, or of one split by place: every participant by models fitted without them."""
    input:
        matrices=task_matrices,
        labels="results/labels/labels.tsv",
        participants=config["clinical"]["participants"] or [],
        folds=own_folds,
        classification=measured_definers,
    output:
        predictions=temp("results/biomarkers/{task}/repeats/{repeat}.tsv"),
    log:
        "logs/biomarkers/evaluate_repeat/{task}_{repeat}.log",
    benchmark:
        "benchmarks/biomarkers/evaluate_repeat/{task}_{repeat}.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=120,
    params:
        code=fingerprint("immunosep.biomarkers.steps"),
        modalities=task_modalities,
        choices=model_choices,
    script:
        "../../scripts/biomarkers/evaluate_repeat.py"


rule summarise_task:
    """Predictions of all repeats, performance with confidence intervals, points of the curves."""
    input:
        classes="results/biomarkers/{task}/classes.tsv",
        repeats=lambda wildcards: collect(
            "results/biomarkers/{task}/repeats/{repeat}.tsv",
            task=wildcards.task,
            repeat=repeats_of(wildcards.task),
        ),
    output:
        predictions="results/biomarkers/{task}/predictions.tsv",
        performance="results/biomarkers/{task}/performance.tsv",
        curves="results/biomarkers/{task}/curves.tsv",
    log:
        "logs/biomarkers/summarise_task/{task}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint(
            "immunosep.biomarkers.classes", "immunosep.biomarkers.evaluate"
        ),
        bootstrap=config["biomarkers"]["bootstrap"],
        seed=config["seed"],
    script:
        "../../scripts/biomarkers/summarise_task.py"


rule assess_models:
    """What the predictions are worth: net benefit, predictive values, differences, groups, other countries and sites."""
    input:
        labels="results/labels/labels.tsv",
        participants=config["clinical"]["participants"] or [],
        predictions="results/biomarkers/{task}/predictions.tsv",
        elsewhere=lambda wildcards: collect(
            "results/biomarkers/{task}/repeats/{scheme}.tsv",
            task=wildcards.task,
            scheme=SCHEMES,
        ),
    output:
        decision_curve="results/biomarkers/{task}/decision_curve.tsv",
        predictive_values="results/biomarkers/{task}/predictive_values.tsv",
        differences="results/biomarkers/{task}/differences.tsv",
        subgroups="results/biomarkers/{task}/subgroups.tsv",
        transfer="results/biomarkers/{task}/transfer.tsv",
    log:
        "logs/biomarkers/assess_models/{task}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("immunosep.biomarkers.assess"),
        target=lambda wildcards: config["biomarkers"]["tasks"][wildcards.task]["target"],
        schemes=SCHEMES,
        prevalences=config["biomarkers"]["prevalences"],
        min_group=config["report"]["min_group"],
        bootstrap=config["biomarkers"]["bootstrap"],
        seed=config["seed"],
    script:
        "../../scripts/biomarkers/assess_models.py"


rule freeze_model:
    """The models refitted on all participants, in a file that runs no code, and whom and what they were fitted on."""
    input:
        matrices=task_matrices,
        labels="results/labels/labels.tsv",
        participants=config["clinical"]["participants"] or [],
        folds="results/biomarkers/{task}/folds.tsv",
        performance="results/biomarkers/{task}/performance.tsv",
        classification=measured_definers,
    output:
        model="results/biomarkers/{task}/model.skops",
        training="results/biomarkers/{task}/training.tsv",
    log:
        "logs/biomarkers/freeze_model/{task}.log",
    wildcard_constraints:
        task=OUTCOMES,
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=60,
    params:
        code=fingerprint("immunosep.biomarkers.steps"),
        modalities=task_modalities,
        choices=model_choices,
        epoch=data_epoch(config),
        shuffled=SHUFFLED,
    script:
        "../../scripts/biomarkers/freeze_model.py"


rule permute_task:
    """The whole pipeline once more, with the classes shuffled between participants of a site."""
    input:
        matrices=task_matrices,
        labels="results/labels/labels.tsv",
        participants=config["clinical"]["participants"] or [],
        folds="results/biomarkers/{task}/folds.tsv",
        classification=measured_definers,
    output:
        performance=temp("results/biomarkers/{task}/permutations/{repeat}.tsv"),
    log:
        "logs/biomarkers/permute_task/{task}_{repeat}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=120,
    params:
        code=fingerprint("immunosep.biomarkers.steps"),
        modalities=task_modalities,
        choices=model_choices,
    script:
        "../../scripts/biomarkers/permute_task.py"


rule collect_permutations:
    """All permutations of a task beside the performance of the real classes, with p values."""
    input:
        parts=lambda wildcards: collect(
            "results/biomarkers/{task}/permutations/{repeat}.tsv",
            task=wildcards.task,
            repeat=PERMUTATIONS,
        ),
        predictions="results/biomarkers/{task}/predictions.tsv",
    output:
        permutations="results/biomarkers/{task}/permutations.tsv",
    log:
        "logs/biomarkers/collect_permutations/{task}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.biomarkers.steps"),
    script:
        "../../scripts/biomarkers/collect_permutations.py"


rule plot_decision_curve:
    """Net benefit of acting on a task's main models."""
    input:
        curve="results/biomarkers/{task}/decision_curve.tsv",
    output:
        multiext("results/figures/09_decision_curve_{task}", ".pdf", ".png"),
        svg=shown("results/figures/09_decision_curve_{task}.svg", "decision_curve"),
        table=shown("results/figures/09_decision_curve_{task}.tsv", "decision_curve"),
    log:
        "logs/biomarkers/plot_decision_curve/{task}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.decision"),
    script:
        "../../scripts/biomarkers/plot_decision_curve.py"
