"""Surrogates: what a marker says of outcome and treatment, graded by the BEST vocabulary. Role `unblinded` only.

Needs the joint matrix, the MOFA factors and the labels with the arm. Steps: score_markers (pre-specified signatures,
proteins and factors per observation), assess_surrogates (per endotype: Prentice, proportion explained, association,
mediation, each with its interval), grade_surrogates (baseline tests, interactions, comparison between units, category).
Makes results/surrogacy/*.tsv. One trial nominates candidates; it validates nothing.
"""

if SEES_ARM and OWN_LABELS:

    rule score_markers:
        """Signature scores, single proteins and MOFA factors of every observation."""
        input:
            joined="results/integration/multiomics.h5mu",
            factors="results/integration/factors.tsv",
            model="results/integration/mofa.hdf5",
            gene_sets=project_file("resources/gene_sets.tsv"),
            drug_analytes=project_file("resources/drug_analytes.tsv"),
        output:
            scores="results/surrogacy/scores.tsv",
            details="results/surrogacy/markers.tsv",
        log:
            "logs/surrogacy/score_markers.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=scaled_mem_mb(1000, 20),
            runtime=30,
        params:
            code=fingerprint("immunosep.surrogacy.steps"),
            settings=config["surrogacy"],
        script:
            "../../scripts/surrogacy/score_markers.py"

    rule assess_surrogates:
        """Each marker's change against what comes after it, within one endotype."""
        input:
            labels="results/labels/labels.tsv",
            participants=config["clinical"]["participants"],
            scores="results/surrogacy/scores.tsv",
        output:
            measures=temp("results/surrogacy/measures_{endotype}.tsv"),
        log:
            "logs/surrogacy/assess_surrogates/{endotype}.log",
        benchmark:
            "benchmarks/surrogacy/assess_surrogates/{endotype}.tsv"
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=120,
        params:
            code=fingerprint("immunosep.surrogacy.steps"),
            settings=config["surrogacy"],
            seed=config["seed"],
        script:
            "../../scripts/surrogacy/assess_surrogates.py"

    rule grade_surrogates:
        """The category of every marker, with all the evidence beside it."""
        input:
            labels="results/labels/labels.tsv",
            participants=config["clinical"]["participants"],
            scores="results/surrogacy/scores.tsv",
            details="results/surrogacy/markers.tsv",
            measures=collect(
                "results/surrogacy/measures_{endotype}.tsv", endotype=["MALS", "SII"]
            ),
        output:
            measures="results/surrogacy/measures.tsv",
            baseline="results/surrogacy/baseline.tsv",
            interactions="results/surrogacy/interactions.tsv",
            stepp="results/surrogacy/stepp.tsv",
            between_units="results/surrogacy/between_units.tsv",
            unit_effects="results/surrogacy/unit_effects.tsv",
            grades="results/surrogacy/grades.tsv",
        log:
            "logs/surrogacy/grade_surrogates.log",
        benchmark:
            "benchmarks/surrogacy/grade_surrogates.tsv"
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            code=fingerprint("immunosep.surrogacy.steps"),
            settings=config["surrogacy"],
            seed=config["seed"],
        script:
            "../../scripts/surrogacy/grade_surrogates.py"

    rule plot_surrogates:
        """Treatment effect on each marker, and the part of the effect on SOFA that goes through it."""
        input:
            measures="results/surrogacy/measures.tsv",
            grades="results/surrogacy/grades.tsv",
        output:
            multiext("results/figures/11_surrogates_{endotype}", ".pdf", ".png"),
            svg=shown("results/figures/11_surrogates_{endotype}.svg", "surrogates"),
            table=shown("results/figures/11_surrogates_{endotype}.tsv", "surrogates"),
        log:
            "logs/surrogacy/plot_surrogates/{endotype}.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.figures.surrogacy"),
        script:
            "../../scripts/surrogacy/plot_surrogates.py"

    rule plot_stepp:
        """The arm's effect in windows along each marker before treatment."""
        input:
            stepp="results/surrogacy/stepp.tsv",
        output:
            multiext("results/figures/12_stepp_{endotype}", ".pdf", ".png"),
            svg=shown("results/figures/12_stepp_{endotype}.svg", "stepp"),
            table=shown("results/figures/12_stepp_{endotype}.tsv", "stepp"),
        log:
            "logs/surrogacy/plot_stepp/{endotype}.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.figures.surrogacy"),
        script:
            "../../scripts/surrogacy/plot_stepp.py"
