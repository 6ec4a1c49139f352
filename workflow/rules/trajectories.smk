"""Factors over the visits.

Needs results/integration/multiomics.h5mu and factors.tsv. Steps: model_factors (a mixed model per MOFA factor),
trace_trajectories (MEFISTO: smooth factors, a trajectory for every participant), plot_factor_trajectories (means of groups).
Makes results/integration/{mixed_models,trajectories,mefisto}.tsv and figure 14.
"""


rule model_factors:
    """A linear mixed model of every factor over the visits, by endotype or by the label of another cohort."""
    input:
        joined="results/integration/multiomics.h5mu",
        factors="results/integration/factors.tsv",
    output:
        models="results/integration/mixed_models.tsv",
    log:
        "logs/integration/model_factors.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.integration.mixed_models"),
        group=COURSES_OF,
        time=config["integration"]["time"],
    script:
        "../../scripts/integration/model_factors.py"


rule trace_trajectories:
    """MEFISTO with the visit day as covariate, participants told apart; refuses where visits are too few."""
    input:
        joined="results/integration/multiomics.h5mu",
        factors="results/integration/factors.tsv",
    output:
        trajectories="results/integration/trajectories.tsv",
        summary="results/integration/mefisto.tsv",
    log:
        "logs/integration/trace_trajectories.log",
    benchmark:
        "benchmarks/integration/trace_trajectories.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=120,
    params:
        code=fingerprint("immunosep.integration.trajectories"),
        settings={
            **{name: MOFA_SETTINGS[name] for name in ("min_features", "drop_r2")},
            "time": config["integration"]["time"],
            **{
                name: value
                for name, value in config["integration"]["mefisto"].items()
                if name != "enabled"
            },
        },
        seed=config["seed"],
    script:
        "../../scripts/integration/trace_trajectories.py"


rule plot_factor_trajectories:
    """Mean course of every MEFISTO factor, by endotype or by the label of another cohort."""
    input:
        trajectories="results/integration/trajectories.tsv",
        summary="results/integration/mefisto.tsv",
        labels="results/labels/labels.tsv" if COURSES_OF else [],
    output:
        multiext("results/figures/14_factor_trajectories", ".pdf", ".png"),
        svg=shown("results/figures/14_factor_trajectories.svg", "factor_trajectories"),
        table=shown("results/figures/14_factor_trajectories.tsv", "factor_trajectories"),
    log:
        "logs/integration/plot_factor_trajectories.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.trajectories"),
        column=COURSES_OF or "",
        time=config["integration"]["time"],
        min_group=config["report"]["min_group"],
    script:
        "../../scripts/integration/plot_factor_trajectories.py"
