"""Layers joined by observation, and the factors that they share.

Needs the matrix of each layer (`modalities()`) and results/labels/labels.tsv. Steps: assemble_layers (one MuData),
fit_mofa_start (factors from one random start), choose_mofa (the best start, its tables, the stability of its factors),
associate_factors (technical, clinical and label variables), enrich_weights (gene sets), plot_mofa_stability. Makes
results/integration/{multiomics.h5mu,mofa.hdf5} and the tables of the factors; trajectories.smk follows them over the visits.
"""

STARTS = list(range(1, config["integration"]["starts"] + 1))
# What a start depends on: other keys of the section do not fit the models anew.
MOFA_SETTINGS = {
    name: config["integration"][name]
    for name in (
        "factors",
        "max_features",
        "min_features",
        "iterations",
        "convergence",
        "drop_r2",
    )
}


rule admit_matrix:
    """A ready matrix as this run may use it: with consent, and without what reveals a drug where the role must not see it."""
    input:
        matrix=lambda wildcards: config["layers"][wildcards.matrix]["matrix"],
        # What consent there is stands in the digest: another change of the table reruns nothing.
        participants=ancient(config["clinical"]["participants"] or []),
        gene_sets=project_file("resources/gene_sets.tsv"),
        drug_analytes=project_file("resources/drug_analytes.tsv"),
    output:
        admitted="results/{matrix}/admitted.h5ad",
        left_out="results/{matrix}/left_out.tsv",
    log:
        "logs/integration/admit_matrix/{matrix}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, per_input=10),
        runtime=20,
    params:
        code=fingerprint("immunosep.integration.steps"),
        hidden=HIDDEN,
        consent=LIBRARIES.consent_digest(),
    script:
        "../../scripts/integration/admit_matrix.py"


rule assemble_layers:
    """All layers in one MuData: a row per participant and visit, labels as far as the role sees them."""
    input:
        matrices=list(modalities().values()),
        labels="results/labels/labels.tsv",
    output:
        joined="results/integration/multiomics.h5mu",
    log:
        "logs/integration/assemble_layers.log",
    benchmark:
        "benchmarks/integration/assemble_layers.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.integration.assemble"),
        modalities=list(modalities()),
    script:
        "../../scripts/integration/assemble_layers.py"


rule fit_mofa_start:
    """Factors of all observations from one random start; prediction fits its own inside each fold."""
    input:
        joined="results/integration/multiomics.h5mu",
    output:
        model=temp("results/integration/starts/{start}.hdf5"),
    log:
        "logs/integration/fit_mofa_start/{start}.log",
    benchmark:
        "benchmarks/integration/fit_mofa_start/{start}.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=120,
    params:
        code=fingerprint("immunosep.integration.starts"),
        settings=MOFA_SETTINGS,
        seed=config["seed"],
    script:
        "../../scripts/integration/fit_mofa_start.py"


rule choose_mofa:
    """The start with the highest evidence lower bound, and how far its factors come back in the other starts."""
    input:
        joined="results/integration/multiomics.h5mu",
        starts=collect("results/integration/starts/{start}.hdf5", start=STARTS),
    output:
        model="results/integration/mofa.hdf5",
        factors="results/integration/factors.tsv",
        weights="results/integration/weights.tsv",
        variance="results/integration/variance_explained.tsv",
        stability="results/integration/stability.tsv",
    log:
        "logs/integration/choose_mofa.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.integration.tables"),
        # The models of the starts are gone when a run is over: this is what tells that they would be others now.
        starts_of=[MOFA_SETTINGS, config["seed"]],
    script:
        "../../scripts/integration/choose_mofa.py"


rule associate_factors:
    """Every factor against batch, plate, site, QC metrics, age, sex, SOFA and the labels."""
    input:
        joined="results/integration/multiomics.h5mu",
        factors="results/integration/factors.tsv",
        variance="results/integration/variance_explained.tsv",
        stability="results/integration/stability.tsv",
        participants=config["clinical"]["participants"] or [],
    output:
        associations="results/integration/associations.tsv",
        summary="results/integration/factor_summary.tsv",
    log:
        "logs/integration/associate_factors.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.integration.tables"),
    script:
        "../../scripts/integration/associate_factors.py"


rule enrich_weights:
    """Gene sets whose members weigh on a factor, by a rank-sum test that allows for their correlation."""
    input:
        joined="results/integration/multiomics.h5mu",
        model="results/integration/mofa.hdf5",
        gene_sets=project_file("resources/gene_sets.tsv"),
    output:
        enrichment="results/integration/enrichment.tsv",
    log:
        "logs/integration/enrich_weights.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.integration.enrichment"),
    script:
        "../../scripts/integration/enrich_weights.py"


rule plot_mofa_stability:
    """How closely each factor comes back in the other random starts."""
    input:
        stability="results/integration/stability.tsv",
        summary="results/integration/factor_summary.tsv",
    output:
        multiext("results/figures/13_mofa_stability", ".pdf", ".png"),
        svg=shown("results/figures/13_mofa_stability.svg", "mofa_stability"),
        table=shown("results/figures/13_mofa_stability.tsv", "mofa_stability"),
    log:
        "logs/integration/plot_mofa_stability.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.figures.factors"),
    script:
        "../../scripts/integration/plot_mofa_stability.py"
