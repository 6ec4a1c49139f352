"""What a run consists of: modalities, tasks, figures, and all that `rule all` asks for.

Functions only; they depend on the libraries, the role and the configuration, never on results.
"""

# Columns of the label table in this role; what follows from a sealed table is not among them in a lower one.
VISIBLE_LABELS = label_columns(config, endotype=SEES_ENDOTYPE, arm=SEES_ARM)
# Caption -> category and title in the HTML report.
SHOWN = {
    "availability": ("1 Cohort", "Samples by participant, visit and layer"),
    "missingness": ("1 Cohort", "Missing samples by outcome"),
    "endotype_plane": ("1 Cohort", "Endotypes by ferritin and HLA-DR"),
    "layer_qc": ("2 Quality", "Technical quality, {layer}"),
    "layer_pca": ("2 Quality", "Principal components, {modality}"),
    "mofa_variance": ("3 Integration", "MOFA: variance explained"),
    "factor_associations": ("3 Integration", "What the MOFA factors follow"),
    "mofa_stability": ("3 Integration", "MOFA: which factors come back"),
    "factor_trajectories": ("3 Integration", "Courses of the factors over the visits"),
    "roc": ("4 Biomarkers", "Discrimination, {task}"),
    "calibration": ("4 Biomarkers", "Calibration, {task}"),
    "decision_curve": ("4 Biomarkers", "Net benefit, {task}"),
    "survival": ("5 Trial", "Survival by arm"),
    "sensitivity": ("5 Trial", "Response and mean SOFA under every rule"),
    "surrogates": ("6 Surrogates", "Markers, treatment and outcome, {endotype}"),
    "stepp": ("6 Surrogates", "Who benefits, {endotype}"),
}


def modalities():
    """Map each modality of the joint analysis to its matrix: our own layers, body sites apart, and ready matrices."""
    paths = {}
    for layer, options in config["layers"].items():
        if options.get("matrix") and options["enabled"]:
            paths[layer] = (
                f"results/{layer}/masked.h5ad" if HIDDEN else options["matrix"]
            )
        elif layer == "microbiome" and layer in RAW_LAYERS:
            paths.update(
                {
                    f"microbiome_{site}": f"results/microbiome/{site}.h5ad"
                    for site in SAMPLED_SITES
                }
            )
        elif layer in RAW_LAYERS:
            paths[layer] = f"results/{layer}/{layer}.h5ad"
    return paths


def tasks():
    """List the prediction tasks of this run; one whose target the role may not see is left out."""
    return [
        name
        for name, task in config["biomarkers"]["tasks"].items()
        if task is not None and (not OWN_LABELS or task["target"] in VISIBLE_LABELS)
    ]


def task_settings(wildcards):
    """Return the section `biomarkers` as one task sees it: another task's change does not rerun this one."""
    section = config["biomarkers"]
    own = {
        name: value
        for name, value in section.items()
        if name not in ("permutations", "bootstrap", "panel", "prevalences")
    }
    return {
        **own,
        "tasks": {wildcards.task: section["tasks"][wildcards.task]},
        "clinical": {wildcards.task: section["clinical"].get(wildcards.task, [])},
        "clock": rules_of(config),
    }


def model_choices(wildcards):
    """Return all of the configuration that the models of a task depend on."""
    return {
        "biomarkers": task_settings(wildcards),
        "integration": MOFA_SETTINGS,
        "filters": feature_filters(config),
        "seed": config["seed"],
    }


def panel_choices(wildcards):
    """Return all of the configuration that the panel of a task depends on."""
    choices = model_choices(wildcards)
    own = {name: config["biomarkers"][name] for name in ("panel", "bootstrap")}
    return {**choices, "biomarkers": {**choices["biomarkers"], **own}}


def kept_folds(wildcards):
    """Return the folds that a task keeps since somebody withdrew, if there are any."""
    path = withdrawals(config).folds / f"{wildcards.task}.tsv"
    return str(path) if path.is_file() else []


def own_folds(wildcards):
    """Return the table of a repeat's folds; those by place stand in a table of their own."""
    suffix = "" if wildcards.repeat.isdecimal() else "_elsewhere"
    return f"results/biomarkers/{wildcards.task}/folds{suffix}.tsv"


def measured_definers(wildcards):
    """Return the sealed table of ferritin and HLA-DR for a task that leaves out what goes with them."""
    wanted = config["biomarkers"]["tasks"][wildcards.task]["feature_sets"]
    strict = "no_definers_strict" in wanted and OWN_LABELS and SEES_ENDOTYPE
    return config["sealed"]["classification"] if strict else []


SHOWS_ENDOTYPE = OWN_LABELS and SEES_ENDOTYPE
FOLLOWS_VISITS = config["integration"]["mefisto"]["enabled"]
# Label columns that may colour a figure: the endotype, or the targets of another cohort.
TARGETS = {config["biomarkers"]["tasks"][name]["target"] for name in tasks()}
OWN_COLOURS = ["endotype"] if SHOWS_ENDOTYPE else []
SHOWN_LABELS = OWN_COLOURS if OWN_LABELS else sorted(TARGETS)
# The label by which courses over the visits are told apart; of another cohort that of its first task.
COURSES_OF = next(
    iter(
        OWN_COLOURS
        or [
            task["target"]
            for task in config["biomarkers"]["tasks"].values()
            if task and task["target"] in SHOWN_LABELS
        ]
    ),
    None,
)


def shown(path, caption):
    """Flag a figure, or the source table of one, for the HTML report."""
    category, title = SHOWN[caption]
    numbers = path.endswith(".tsv")
    return report(
        path,
        caption=f"../report/{'source_table' if numbers else caption}.rst",
        category=category,
        labels={"figure": title, "shows": "numbers" if numbers else "figure"},
    )


def all_figures():
    """List the figures of this run, given its layers, its role and its tasks."""
    stems = ["05_mofa_variance", "06_factor_associations", "13_mofa_stability"]
    stems += ["14_factor_trajectories"] if FOLLOWS_VISITS else []
    stems += [f"04_pca_{modality}" for modality in modalities()]
    stems += [f"07_roc_{task}" for task in tasks()]
    stems += [f"08_calibration_{task}" for task in tasks()]
    stems += [f"09_decision_curve_{task}" for task in tasks()]
    stems += [f"03_qc_{layer}" for layer in RAW_LAYERS]
    stems += ["01_availability", "01_missingness"] if RAW_LAYERS else []
    stems += ["02_endotype_plane"] if SHOWS_ENDOTYPE else []
    stems += ["20_survival", "21_sensitivity"] if SEES_ARM and OWN_LABELS else []
    if SEES_ARM and OWN_LABELS:
        stems += collect(
            "{stem}_{endotype}",
            stem=["11_surrogates", "12_stepp"],
            endotype=["MALS", "SII"],
        )
    endings = ("pdf", "svg", "png", "tsv")
    return collect("results/figures/{stem}.{ending}", stem=stems, ending=endings)


def all_results():
    """List what `rule all` asks for, given the layers, the role and the tasks of this run."""
    targets = [
        "results/integration/multiomics.h5mu",
        "results/integration/associations.tsv",
        "results/integration/enrichment.tsv",
        "results/integration/mixed_models.tsv",
    ]
    if RAW_LAYERS:
        targets += ["results/qc/verdicts.tsv", "results/qc/multiqc.html"]
    if config["manifest"]:
        targets.append("results/intake/intake_report.html")
    if OWN_LABELS:
        targets.append("results/labels/endpoints.tsv")
    if OWN_LABELS and SEES_ARM:
        targets += ["results/trial/effects.tsv", "results/trial/sample_size.tsv"]
        targets.append("results/surrogacy/grades.tsv")
    for layer in RAW_LAYERS:
        targets.append(f"results/{layer}/{layer}.h5ad")
    for task in tasks():
        targets += [
            f"results/biomarkers/{task}/performance.tsv",
            f"results/biomarkers/{task}/decision_curve.tsv",
            f"results/biomarkers/{task}/model.skops",
            f"results/biomarkers/{task}/panel.tsv",
        ]
        if config["biomarkers"]["permutations"]:
            targets.append(f"results/biomarkers/{task}/permutations.tsv")
    return targets + all_figures()
