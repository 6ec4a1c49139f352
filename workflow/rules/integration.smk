"""Layers joined by observation, and the factors that they share.

Needs the matrix of each layer (`modalities()`) and results/labels/labels.tsv. Steps: assemble_layers (one MuData), fit_mofa
(factors, top weights, variance explained), associate_factors (factors against technical, clinical and label variables).
Makes results/integration/{multiomics.h5mu,mofa.hdf5,factors,weights,variance_explained,associations}.
"""


rule mask_matrix:
    """A ready matrix without what reveals a drug after its first dose; only where the role must not see it."""
    input:
        matrix=lambda wildcards: config["layers"][wildcards.matrix]["matrix"],
    output:
        masked="results/{matrix}/masked.h5ad",
    log:
        "logs/integration/mask_matrix/{matrix}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, per_input=10),
        runtime=20,
    params:
        code=fingerprint("immunosep.integration.steps"),
        hidden=HIDDEN,
    script:
        "../../scripts/integration/mask_matrix.py"


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


rule fit_mofa:
    """Factors of all observations, for description; prediction fits its own inside each fold."""
    input:
        joined="results/integration/multiomics.h5mu",
    output:
        model="results/integration/mofa.hdf5",
        factors="results/integration/factors.tsv",
        weights="results/integration/weights.tsv",
        variance="results/integration/variance_explained.tsv",
    log:
        "logs/integration/fit_mofa.log",
    benchmark:
        "benchmarks/integration/fit_mofa.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=120,
    params:
        code=fingerprint("immunosep.integration.factors"),
        settings=config["integration"],
        seed=config["seed"],
    script:
        "../../scripts/integration/fit_mofa.py"


rule associate_factors:
    """Every factor against batch, plate, site, QC metrics, age, sex, SOFA and the labels."""
    input:
        joined="results/integration/multiomics.h5mu",
        factors="results/integration/factors.tsv",
        participants=config["clinical"]["participants"] or [],
    output:
        associations="results/integration/associations.tsv",
    log:
        "logs/integration/associate_factors.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.integration.factors"),
    script:
        "../../scripts/integration/associate_factors.py"
