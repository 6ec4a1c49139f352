"""16S amplicon reads of three body sites to ASV and genus matrices.

Needs paired FASTQ with the primers at the read starts, and a DADA2 training FASTA. Steps: trim_primers (cutadapt, per
library and run), denoise_run (DADA2, error rates per sequencing run), find_chimeras (DADA2, all runs), assign_taxa,
measure_microbiome, judge_microbiome (qc.smk), build_microbiome, build_body_site. Makes results/microbiome/
{microbiome,nares,oral,rectum}.h5ad, qc_metrics.tsv, reads.tsv, controls.tsv, dropped_asvs.tsv, <body site>_genera.tsv.

Sequences that are not bacterial may be the patient's own: they are temporary, and only their hashes are kept.
"""

DADA2 = config["layers"]["microbiome"]


rule trim_primers:
    """Cut the primers off both mates; a pair without both primers is no amplicon and is left out."""
    input:
        fastq_1=lambda wc: LIBRARIES.fastq(wc.library, 1, run=wc.run),
        fastq_2=lambda wc: LIBRARIES.fastq(wc.library, 2, run=wc.run),
    output:
        fastq_1=temp("results/microbiome/trimmed/{run}/forward/{library}.fastq.gz"),
        fastq_2=temp("results/microbiome/trimmed/{run}/reverse/{library}.fastq.gz"),
        report="results/microbiome/trimmed/{run}/{library}.cutadapt.json",
    log:
        "logs/microbiome/trim_primers/{run}/{library}.log",
    group:
        "microbiome"
    conda:
        "../../envs/microbiome.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        primer_forward=DADA2["primer_forward"],
        primer_reverse=DADA2["primer_reverse"],
    shell:
        # Lanes are joined on the way in; decompressed, because cutadapt knows a pipe's format by its content only.
        "cutadapt"
        " -g {params.primer_forward:q}"
        " -G {params.primer_reverse:q}"
        " --error-rate 0.1"
        " --overlap 3"
        " --minimum-length 1"
        " --discard-untrimmed"
        " --cores {threads}"
        " --json {output.report:q}"
        " --output {output.fastq_1:q}"
        " --paired-output {output.fastq_2:q}"
        " <(gzip -cdf {input.fastq_1:q})"
        " <(gzip -cdf {input.fastq_2:q})"
        " > {log:q} 2>&1"


rule denoise_run:
    """Sequence variants of the libraries of one sequencing run, with that run's own error rates."""
    input:
        fastq_1=lambda wc: collect(
            "results/microbiome/trimmed/{run}/forward/{library}.fastq.gz",
            run=wc.run,
            library=LIBRARIES.in_run("microbiome", wc.run),
        ),
        fastq_2=lambda wc: collect(
            "results/microbiome/trimmed/{run}/reverse/{library}.fastq.gz",
            run=wc.run,
            library=LIBRARIES.in_run("microbiome", wc.run),
        ),
    output:
        sequences=temp("results/microbiome/runs/{run}.rds"),
        tracking="results/microbiome/runs/{run}.tsv",
    log:
        "logs/microbiome/denoise_run/{run}.log",
    benchmark:
        "benchmarks/microbiome/denoise_run/{run}.tsv"
    conda:
        "../../envs/microbiome.yaml"
    threads: 4
    resources:
        mem_mb=scaled_mem_mb(2000, 20),
        runtime=lambda wc, input, attempt: int(60 + input.size_mb) * attempt,
    params:
        libraries=lambda wc: LIBRARIES.in_run("microbiome", wc.run),
        settings={
            key: DADA2[key]
            for key in ("trunc_len", "max_ee", "trunc_q", "min_overlap")
        },
        seed=config["seed"],
    script:
        "../../scripts/microbiome/denoise_run.R"


rule find_chimeras:
    """Join the runs' sequence tables; flag the variants that are chimeras of others."""
    input:
        sequences=collect(
            "results/microbiome/runs/{run}.rds", run=LIBRARIES.runs("microbiome")
        ),
    output:
        counts=temp("results/microbiome/counts.tsv"),
        sequences=temp("results/microbiome/sequences.tsv"),
    log:
        "logs/microbiome/find_chimeras.log",
    benchmark:
        "benchmarks/microbiome/find_chimeras.tsv"
    conda:
        "../../envs/microbiome.yaml"
    threads: 4
    resources:
        mem_mb=scaled_mem_mb(2000, 60),
        runtime=240,
    script:
        "../../scripts/microbiome/find_chimeras.R"


rule assign_taxa:
    """Taxonomy of the sequence variants by the naive Bayesian classifier."""
    input:
        sequences="results/microbiome/sequences.tsv",
        reference=config["reference"]["taxonomy_16s"] or [],
    output:
        taxonomy=temp("results/microbiome/taxonomy.tsv"),
    log:
        "logs/microbiome/assign_taxa.log",
    benchmark:
        "benchmarks/microbiome/assign_taxa.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(3000, 20),
        runtime=120,
    params:
        code=fingerprint("immunosep.microbiome.classify"),
        min_boot=DADA2["min_boot"],
        seed=config["seed"],
    script:
        "../../scripts/microbiome/assign_taxa.py"


rule measure_microbiome:
    """Reads of each library from step to step, blanks and mocks, and what was dropped why."""
    input:
        reports=lambda wildcards: [
            f"results/microbiome/trimmed/{run}/{library}.cutadapt.json"
            for run in LIBRARIES.runs("microbiome")
            for library in LIBRARIES.in_run("microbiome", run)
        ],
        tracking=collect(
            "results/microbiome/runs/{run}.tsv", run=LIBRARIES.runs("microbiome")
        ),
        counts="results/microbiome/counts.tsv",
        taxonomy="results/microbiome/taxonomy.tsv",
        libraries="results/intake/microbiome.tsv",
        mock=DADA2["mock_composition"] or [],
    output:
        asvs="results/microbiome/asv_counts.tsv",
        taxa="results/microbiome/asv_taxonomy.tsv",
        dropped="results/microbiome/dropped_asvs.tsv",
        reads="results/microbiome/reads.tsv",
        metrics="results/microbiome/qc_metrics.tsv",
        controls="results/microbiome/controls.tsv",
    log:
        "logs/microbiome/measure_microbiome.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.microbiome.steps"),
    script:
        "../../scripts/microbiome/measure_microbiome.py"


rule build_microbiome:
    """Counts and CLR of the sequence variants of all passing libraries in one AnnData."""
    input:
        asvs="results/microbiome/asv_counts.tsv",
        taxa="results/microbiome/asv_taxonomy.tsv",
        libraries="results/intake/microbiome.tsv",
        verdicts="results/qc/microbiome_verdicts.tsv",
    output:
        matrix="results/microbiome/microbiome.h5ad",
    log:
        "logs/microbiome/build_microbiome.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 60),
        runtime=30,
    params:
        code=fingerprint("immunosep.microbiome.steps"),
        pseudocount=DADA2["pseudocount"],
    script:
        "../../scripts/microbiome/build_microbiome.py"


rule build_body_site:
    """Genus counts and CLR of one body site."""
    input:
        matrix="results/microbiome/microbiome.h5ad",
    output:
        matrix="results/microbiome/{body_site}.h5ad",
        genera="results/microbiome/{body_site}_genera.tsv",
    log:
        "logs/microbiome/build_body_site/{body_site}.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=30,
    params:
        code=fingerprint("immunosep.microbiome.steps"),
        pseudocount=DADA2["pseudocount"],
        min_prevalence=DADA2["min_prevalence"],
    script:
        "../../scripts/microbiome/build_body_site.py"
