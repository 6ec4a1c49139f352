"""Olink NPX tables to the proteome matrix.

Needs the tables that the manifest names (csv, parquet or xlsx) and results/intake/proteome.tsv. Steps: read_proteome
(tables to one long table of libraries and controls), measure_proteome (metrics, assays, control CVs), judge_proteome
(qc.smk), build_proteome. Makes results/proteome/{qc_metrics,assays,controls,unmatched}.tsv and proteome.h5ad.
"""


rule read_proteome:
    """All NPX tables as one long table; samples that the manifest does not name are listed apart."""
    input:
        tables=LIBRARIES.tables("proteome"),
        libraries="results/intake/proteome.tsv",
    output:
        values=temp("results/proteome/npx.parquet"),
        unmatched="results/proteome/unmatched.tsv",
    log:
        "logs/proteome/read_proteome.log",
    benchmark:
        "benchmarks/proteome/read_proteome.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 10),
        runtime=30,
    params:
        code=fingerprint("immunosep.proteome.steps"),
    script:
        "../../scripts/proteome/read_proteome.py"


rule measure_proteome:
    """QC metrics per library, detection per assay, coefficient of variation of the controls."""
    input:
        values="results/proteome/npx.parquet",
    output:
        metrics="results/proteome/qc_metrics.tsv",
        assays="results/proteome/assays.tsv",
        controls="results/proteome/controls.tsv",
    log:
        "logs/proteome/measure_proteome.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 60),
        runtime=30,
    params:
        code=fingerprint("immunosep.proteome.steps"),
        hidden=HIDDEN,
    script:
        "../../scripts/proteome/measure_proteome.py"


rule build_proteome:
    """NPX of all passing libraries in one AnnData."""
    input:
        values="results/proteome/npx.parquet",
        libraries="results/intake/proteome.tsv",
        verdicts="results/qc/proteome_verdicts.tsv",
        gene_sets=project_file("resources/gene_sets.tsv"),
        drug_analytes=project_file("resources/drug_analytes.tsv"),
        accessions=project_file("resources/protein_accessions.tsv"),
    output:
        matrix="results/proteome/proteome.h5ad",
    log:
        "logs/proteome/build_proteome.log",
    benchmark:
        "benchmarks/proteome/build_proteome.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 60),
        runtime=30,
    params:
        code=fingerprint("immunosep.proteome.steps"),
        hidden=HIDDEN,
        warned_values=config["layers"]["proteome"]["warned_values"],
    script:
        "../../scripts/proteome/build_proteome.py"
