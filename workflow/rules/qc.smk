"""Quality verdicts on the libraries, and one MultiQC report over all layers.

Needs results/{layer}/qc_metrics.tsv of each layer that starts from raw files, its library table, and the tools'
reports; for the missing samples also the labels. Steps: judge_libraries (metrics against the thresholds of the
configuration, per layer), collect_verdicts, assess_missingness (missing samples against outcome, site and country),
run_multiqc. Makes results/qc/{layer}_verdicts.tsv, verdicts.tsv, summary.tsv, multiqc.html, multiqc_data, and
results/intake/missingness.tsv, missingness_shares.tsv.
"""

# The reports of the tools that MultiQC reads; those of the controls are among them.
TOOL_REPORTS = {
    "rna": [
        "results/rna/{library}/{library}.fastp.json",
        "results/rna/{library}/aux_info/meta_info.json",
        "results/rna/{library}/lib_format_counts.json",
    ],
    "atac": [
        "results/atac/{library}/{library}.fastp.json",
        "results/atac/{library}/{library}.bowtie2.txt",
        "results/atac/{library}/{library}.flagstat.txt",
        "results/atac/{library}/{library}.idxstats.txt",
        "results/atac/{library}/{library}.markdup.txt",
    ],
}
# What missing samples are compared with; a column that the role's label table does not have is left out.
MISSINGNESS_FACTORS = [
    *(
        ["death_28", "sofa_response", "endotype", "arm"]
        if OWN_LABELS
        else sorted(TARGETS)
    ),
    *("site", "country"),
]
SEQUENCED_RUNS = LIBRARIES.runs("microbiome") if "microbiome" in RAW_LAYERS else []


rule judge_libraries:
    """Pass, warn or fail, with the reason, for each library of a layer."""
    input:
        metrics="results/{layer}/qc_metrics.tsv",
        libraries="results/intake/{layer}.tsv",
    output:
        verdicts="results/qc/{layer}_verdicts.tsv",
    log:
        "logs/qc/judge_libraries/{layer}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 50),
        runtime=10,
    params:
        code=fingerprint("immunosep.qc"),
        thresholds=lambda wildcards: config["qc"][wildcards.layer],
    script:
        "../../scripts/qc/judge_libraries.py"


rule collect_verdicts:
    """The verdicts of all layers in one table, and their numbers."""
    input:
        verdicts=collect("results/qc/{layer}_verdicts.tsv", layer=RAW_LAYERS),
    output:
        verdicts="results/qc/verdicts.tsv",
        summary="results/qc/summary.tsv",
    log:
        "logs/qc/collect_verdicts.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 50),
        runtime=10,
    params:
        code=fingerprint("immunosep.qc"),
        layers=RAW_LAYERS,
    script:
        "../../scripts/qc/collect_verdicts.py"


rule assess_missingness:
    """Missing samples against outcome, treatment (where the role sees it), site and country."""
    input:
        completeness="results/intake/completeness.tsv",
        libraries="results/intake/libraries.tsv",
        verdicts="results/qc/verdicts.tsv",
        labels="results/labels/labels.tsv",
    output:
        tests="results/intake/missingness.tsv",
        shares="results/intake/missingness_shares.tsv",
    log:
        "logs/qc/assess_missingness.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("immunosep.missingness"),
        factors=MISSINGNESS_FACTORS,
        seed=config["seed"],
    script:
        "../../scripts/qc/assess_missingness.py"


rule run_multiqc:
    """One report over the tools of all layers, with the verdicts on top."""
    input:
        # Functions: over ten thousand paths are made where this rule is planned, and not in every job's Snakemake.
        reports=lambda wildcards: [
            path
            for layer in RAW_LAYERS
            if layer in TOOL_REPORTS
            for path in collect(
                TOOL_REPORTS[layer], library=LIBRARIES.names(layer, sample_types=None)
            )
        ],
        primers=lambda wildcards: [
            f"results/microbiome/trimmed/{run}/{library}.cutadapt.json"
            for run in SEQUENCED_RUNS
            for library in LIBRARIES.in_run("microbiome", run)
        ],
        verdicts="results/qc/verdicts.tsv",
        settings=project_file("workflow/report/multiqc_config.yaml"),
    output:
        # Not in the HTML report of the run: the page names every library, and the names hold codes.
        report="results/qc/multiqc.html",
        data=directory("results/qc/multiqc_data"),
    log:
        "logs/qc/run_multiqc.log",
    benchmark:
        "benchmarks/qc/run_multiqc.tsv"
    conda:
        "../../envs/multiqc.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(2000, 10),
        runtime=60,
    params:
        code=fingerprint("immunosep.multiqc_report"),
    script:
        "../../scripts/qc/run_multiqc.py"
