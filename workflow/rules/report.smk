"""Figures, each with the table of the numbers that it draws.

Needs the tables and matrices of every station. Makes results/figures/<nn>_<name>.pdf, .svg, .png (300 dpi) and .tsv; the
SVG goes into the HTML report, and so does the source table where it shows no single participant. Steps: cohort, quality,
integration, biomarkers. No figure or source table holds a participant code; endotypes are shown where the role sees them.
"""


rule plot_availability:
    """Which samples there are, and for every gap its reason."""
    input:
        completeness="results/intake/completeness.tsv",
        libraries="results/intake/libraries.tsv",
        verdicts="results/qc/verdicts.tsv",
    output:
        multiext("results/figures/01_availability", ".pdf", ".png"),
        svg=shown("results/figures/01_availability.svg", "availability"),
        table="results/figures/01_availability.tsv",
    log:
        "logs/report/plot_availability.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000),
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.availability"),
        seed=config["seed"],
    script:
        "../../scripts/report/plot_availability.py"


rule plot_missingness:
    """How many samples are missing by outcome."""
    input:
        tests="results/intake/missingness.tsv",
        shares="results/intake/missingness_shares.tsv",
    output:
        multiext("results/figures/01_missingness", ".pdf", ".png"),
        svg=shown("results/figures/01_missingness.svg", "missingness"),
        table=shown("results/figures/01_missingness.tsv", "missingness"),
    log:
        "logs/report/plot_missingness.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.missingness"),
        min_group=config["report"]["min_group"],
    script:
        "../../scripts/report/plot_missingness.py"


rule plot_endotype_plane:
    """Screening ferritin against HLA-DR with the cuts of the rule."""
    input:
        labels="results/labels/labels.tsv",
        classification=config["sealed"]["classification"] if SEES_ENDOTYPE else [],
    output:
        multiext("results/figures/02_endotype_plane", ".pdf", ".png"),
        svg=shown("results/figures/02_endotype_plane.svg", "endotype_plane"),
        table="results/figures/02_endotype_plane.tsv",
    log:
        "logs/report/plot_endotype_plane.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.labels"),
        rule=config["endotype"],
        seed=config["seed"],
    script:
        "../../scripts/report/plot_endotype_plane.py"


rule plot_layer_qc:
    """Each QC metric of a layer by batch, with its thresholds."""
    input:
        verdicts="results/qc/{layer}_verdicts.tsv",
        libraries="results/intake/{layer}.tsv",
    output:
        multiext("results/figures/03_qc_{layer}", ".pdf", ".png"),
        svg=shown("results/figures/03_qc_{layer}.svg", "layer_qc"),
        table="results/figures/03_qc_{layer}.tsv",
    log:
        "logs/report/plot_layer_qc/{layer}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000),
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.qc"),
        thresholds=lambda wildcards: config["qc"][wildcards.layer],
        min_group=config["report"]["min_group"],
        seed=config["seed"],
    script:
        "../../scripts/report/plot_layer_qc.py"


rule plot_layer_pca:
    """First two principal components of a layer (of the microbiome: of a body site)."""
    input:
        matrix=lambda wildcards: modalities()[wildcards.modality],
        participants=config["clinical"]["participants"] or [],
        labels="results/labels/labels.tsv" if SHOWN_LABELS else [],
    output:
        multiext("results/figures/04_pca_{modality}", ".pdf", ".png"),
        svg=shown("results/figures/04_pca_{modality}.svg", "layer_pca"),
        table="results/figures/04_pca_{modality}.tsv",
    log:
        "logs/report/plot_layer_pca/{modality}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, per_input=20),
        runtime=20,
    params:
        code=fingerprint("immunosep.figures.embedding"),
        label_columns=SHOWN_LABELS,
        max_features=config["integration"]["max_features"],
        min_group=config["report"]["min_group"],
        seed=config["seed"],
    script:
        "../../scripts/report/plot_layer_pca.py"


rule plot_mofa_variance:
    """Variance of each layer that each MOFA factor explains."""
    input:
        variance="results/integration/variance_explained.tsv",
        factors="results/integration/factors.tsv",
    output:
        multiext("results/figures/05_mofa_variance", ".pdf", ".png"),
        svg=shown("results/figures/05_mofa_variance.svg", "mofa_variance"),
        table=shown("results/figures/05_mofa_variance.tsv", "mofa_variance"),
    log:
        "logs/report/plot_mofa_variance.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.factors"),
    script:
        "../../scripts/report/plot_mofa_variance.py"


rule plot_factor_associations:
    """What the MOFA factors follow: labels, clinical and technical variables."""
    input:
        associations="results/integration/associations.tsv",
    output:
        multiext("results/figures/06_factor_associations", ".pdf", ".png"),
        svg=shown("results/figures/06_factor_associations.svg", "factor_associations"),
        table=shown("results/figures/06_factor_associations.tsv", "factor_associations"),
    log:
        "logs/report/plot_factor_associations.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.factors"),
        top=12,
    script:
        "../../scripts/report/plot_factor_associations.py"


rule plot_roc:
    """ROC curves of a task, and the AUROC of every model with its interval."""
    input:
        curves="results/biomarkers/{task}/curves.tsv",
        performance="results/biomarkers/{task}/performance.tsv",
        predictions="results/biomarkers/{task}/predictions.tsv",
    output:
        multiext("results/figures/07_roc_{task}", ".pdf", ".png"),
        svg=shown("results/figures/07_roc_{task}.svg", "roc"),
        table=shown("results/figures/07_roc_{task}.tsv", "roc"),
    log:
        "logs/report/plot_roc/{task}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000),
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.performance"),
        rounds=config["biomarkers"]["bootstrap"],
        seed=config["seed"],
    script:
        "../../scripts/report/plot_roc.py"


rule plot_calibration:
    """Predicted against observed probability of a task's main models."""
    input:
        curves="results/biomarkers/{task}/curves.tsv",
        performance="results/biomarkers/{task}/performance.tsv",
    output:
        multiext("results/figures/08_calibration_{task}", ".pdf", ".png"),
        svg=shown("results/figures/08_calibration_{task}.svg", "calibration"),
        table=shown("results/figures/08_calibration_{task}.tsv", "calibration"),
    log:
        "logs/report/plot_calibration/{task}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.performance"),
        min_bin=config["report"]["min_bin"],
    script:
        "../../scripts/report/plot_calibration.py"
