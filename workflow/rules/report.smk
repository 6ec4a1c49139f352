"""Figures, each with the table of the numbers that it draws.

Needs the tables and matrices of every station before it. Makes results/figures/<nn>_<name>.pdf, .svg, .png (300 dpi)
and .tsv; the SVG goes into the HTML report, and so does the source table of figures that show no single participant.
Steps: cohort (availability, endotype plane), quality (QC, principal components), integration (MOFA), biomarkers (ROC,
calibration). No figure or source table holds a participant code. The endotype plane and the colouring by endotype exist
only in the roles that may see them.
"""

REPORT = config["report"]


def figure_files(stem):
    """List the four files of one figure."""
    return [f"results/figures/{stem}.{ending}" for ending in ("pdf", "svg", "png", "tsv")]


def all_figures():
    """List the figures of this run, given its layers, its role and its tasks."""
    stems = ["05_mofa_variance", "06_factor_associations"]
    stems += [f"04_pca_{modality}" for modality in modalities()]
    stems += [f"{figure}_{task}" for task in tasks() for figure in ("07_roc", "08_calibration")]
    if RAW_LAYERS:
        stems.append("01_availability")
        stems += [f"03_qc_{layer}" for layer in RAW_LAYERS]
    if OWN_LABELS and SEES_ENDOTYPE and config["clinical"]["participants"]:
        stems.append("02_endotype_plane")
    return [path for stem in sorted(stems) for path in figure_files(stem)]


def shown_labels():
    """List the label columns that may colour a figure in this role: the endotype, or another cohort's targets."""
    if OWN_LABELS:
        return ["endotype"] if SEES_ENDOTYPE and config["clinical"]["participants"] else []
    return sorted({config["biomarkers"]["tasks"][name]["target"] for name in tasks()})


def shown(path, caption, category, figure):
    """Flag a figure, or the source table of one, for the HTML report."""
    kind = "numbers" if path.endswith(".tsv") else "figure"
    return report(path, caption=f"../report/{caption}.rst", category=category, labels={"figure": figure, "shows": kind})


rule plot_availability:
    """Which samples there are, and for every gap its reason."""
    input:
        completeness="results/intake/completeness.tsv",
        libraries="results/intake/libraries.tsv",
        verdicts="results/qc/verdicts.tsv",
    output:
        multiext("results/figures/01_availability", ".pdf", ".png"),
        svg=shown("results/figures/01_availability.svg", "availability", "1 Cohort", "Samples by participant, visit and layer"),
        table="results/figures/01_availability.tsv",
    log:
        "logs/report/plot_availability.log",
    params:
        code=fingerprint("immunosep.figures.availability"),
        seed=config["seed"],
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000),
        runtime=10,
    script:
        "../../scripts/report/plot_availability.py"


rule plot_endotype_plane:
    """Screening ferritin against HLA-DR with the cuts of the rule."""
    input:
        labels="results/labels/labels.tsv",
        classification=config["sealed"]["classification"] if SEES_ENDOTYPE else [],
    output:
        multiext("results/figures/02_endotype_plane", ".pdf", ".png"),
        svg=shown("results/figures/02_endotype_plane.svg", "endotype_plane", "1 Cohort", "Endotypes by ferritin and HLA-DR"),
        table="results/figures/02_endotype_plane.tsv",
    log:
        "logs/report/plot_endotype_plane.log",
    params:
        code=fingerprint("immunosep.figures.labels"),
        rule=config["endotype"],
        seed=config["seed"],
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../../scripts/report/plot_endotype_plane.py"


rule plot_layer_qc:
    """Each QC metric of a layer by batch, with its thresholds."""
    input:
        verdicts="results/qc/{layer}_verdicts.tsv",
        libraries="results/intake/{layer}.tsv",
    output:
        multiext("results/figures/03_qc_{layer}", ".pdf", ".png"),
        svg=shown("results/figures/03_qc_{layer}.svg", "layer_qc", "2 Quality", "Technical quality, {layer}"),
        table="results/figures/03_qc_{layer}.tsv",
    log:
        "logs/report/plot_layer_qc/{layer}.log",
    params:
        code=fingerprint("immunosep.figures.qc"),
        thresholds=lambda wildcards: config["qc"][wildcards.layer],
        min_group=REPORT["min_group"],
        seed=config["seed"],
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000),
        runtime=10,
    script:
        "../../scripts/report/plot_layer_qc.py"


rule plot_layer_pca:
    """First two principal components of a layer (of the microbiome: of a body site)."""
    input:
        matrix=lambda wildcards: modalities()[wildcards.modality],
        labels="results/labels/labels.tsv" if shown_labels() else [],
    output:
        multiext("results/figures/04_pca_{modality}", ".pdf", ".png"),
        svg=shown("results/figures/04_pca_{modality}.svg", "layer_pca", "2 Quality", "Principal components, {modality}"),
        table="results/figures/04_pca_{modality}.tsv",
    log:
        "logs/report/plot_layer_pca/{modality}.log",
    params:
        code=fingerprint("immunosep.figures.embedding"),
        label_columns=shown_labels(),
        max_features=config["integration"]["max_features"],
        min_group=REPORT["min_group"],
        seed=config["seed"],
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, per_input=20),
        runtime=20,
    script:
        "../../scripts/report/plot_layer_pca.py"


rule plot_mofa_variance:
    """Variance of each layer that each MOFA factor explains."""
    input:
        variance="results/integration/variance_explained.tsv",
    output:
        multiext("results/figures/05_mofa_variance", ".pdf", ".png"),
        svg=shown("results/figures/05_mofa_variance.svg", "mofa_variance", "3 Integration", "MOFA: variance explained"),
        table=shown("results/figures/05_mofa_variance.tsv", "source_table", "3 Integration", "MOFA: variance explained"),
    log:
        "logs/report/plot_mofa_variance.log",
    params:
        code=fingerprint("immunosep.figures.factors"),
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../../scripts/report/plot_mofa_variance.py"


rule plot_factor_associations:
    """What the MOFA factors follow: labels, clinical and technical variables."""
    input:
        associations="results/integration/associations.tsv",
    output:
        multiext("results/figures/06_factor_associations", ".pdf", ".png"),
        svg=shown("results/figures/06_factor_associations.svg", "factor_associations", "3 Integration", "What the MOFA factors follow"),
        table=shown("results/figures/06_factor_associations.tsv", "source_table", "3 Integration", "What the MOFA factors follow"),
    log:
        "logs/report/plot_factor_associations.log",
    params:
        code=fingerprint("immunosep.figures.factors"),
        top=12,
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
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
        svg=shown("results/figures/07_roc_{task}.svg", "roc", "4 Biomarkers", "Discrimination, {task}"),
        table=shown("results/figures/07_roc_{task}.tsv", "source_table", "4 Biomarkers", "Discrimination, {task}"),
    log:
        "logs/report/plot_roc/{task}.log",
    params:
        code=fingerprint("immunosep.figures.performance"),
        rounds=config["biomarkers"]["bootstrap"],
        seed=config["seed"],
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000),
        runtime=10,
    script:
        "../../scripts/report/plot_roc.py"


rule plot_calibration:
    """Predicted against observed probability of a task's main models."""
    input:
        curves="results/biomarkers/{task}/curves.tsv",
        performance="results/biomarkers/{task}/performance.tsv",
    output:
        multiext("results/figures/08_calibration_{task}", ".pdf", ".png"),
        svg=shown("results/figures/08_calibration_{task}.svg", "calibration", "4 Biomarkers", "Calibration, {task}"),
        table=shown("results/figures/08_calibration_{task}.tsv", "source_table", "4 Biomarkers", "Calibration, {task}"),
    log:
        "logs/report/plot_calibration/{task}.log",
    params:
        code=fingerprint("immunosep.figures.performance"),
        min_bin=REPORT["min_bin"],
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../../scripts/report/plot_calibration.py"
