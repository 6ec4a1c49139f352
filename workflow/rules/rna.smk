"""RNA-seq: from reads to gene counts.

Needs the FASTQ files of the layer and, below results/reference/, the salmon index and the tables of genes and
transcripts. Per library: trim_rna (fastp; lanes joined), quantify_rna (salmon). Over the layer: count_genes
(pytximport), measure_rna (QC metrics), build_rna (results/rna/rna.h5ad of the libraries that passed QC).
"""

JOIN_LANES = project_file("scripts/reads/join_lanes.sh")
RNA_LIBRARIES = LIBRARIES.names("rna", sample_types=None) if "rna" in RAW_LAYERS else []


rule trim_rna:
    """Join the lanes of a library and trim adapters, poly-G tails and low quality with fastp."""
    input:
        fastq_1=lambda wildcards: LIBRARIES.fastq(wildcards.library, 1),
        fastq_2=lambda wildcards: LIBRARIES.fastq(wildcards.library, 2),
    output:
        fastq_1=temp("results/rna/{library}/trimmed_1.fastq.gz"),
        fastq_2=temp("results/rna/{library}/trimmed_2.fastq.gz"),
        json="results/rna/{library}/{library}.fastp.json",
        html="results/rna/{library}/{library}.fastp.html",
    log:
        "logs/rna/trim_rna/{library}.log",
    benchmark:
        "benchmarks/rna/trim_rna/{library}.tsv"
    group:
        "rna"
    conda:
        "../../envs/rna.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.02 * input.size_mb) * attempt
        ),
    params:
        options="--detect_adapter_for_pe",
        join_lanes=JOIN_LANES,
    shell:
        # fastp reads its input twice, so several lanes go through a file, not a pipe. Without a second mate the second
        # output is an empty file: the rules after this one have one form for both kinds of library.
        """
        exec &>{log:q}
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        bash {params.join_lanes:q} "$work/1.fastq.gz" {input.fastq_1:q}
        files=(--in1 "$work/1.fastq.gz" --out1 {output.fastq_1:q})
        mates=({input.fastq_2:q})
        if [ ${{#mates[@]}} -gt 0 ]; then
            bash {params.join_lanes:q} "$work/2.fastq.gz" "${{mates[@]}}"
            files+=(--in2 "$work/2.fastq.gz" --out2 {output.fastq_2:q})
        else
            : >{output.fastq_2:q}
        fi
        fastp \
            "${{files[@]}}" \
            {params.options} \
            --trim_poly_g \
            --thread {threads} \
            --report_title {wildcards.library:q} \
            --json {output.json:q} \
            --html {output.html:q}
        """


rule quantify_rna:
    """Transcript abundances with salmon, corrected for GC and sequence bias."""
    input:
        fastq_1="results/rna/{library}/trimmed_1.fastq.gz",
        fastq_2="results/rna/{library}/trimmed_2.fastq.gz",
        index="results/reference/salmon",
    output:
        quant="results/rna/{library}/quant.sf",
        formats="results/rna/{library}/lib_format_counts.json",
        meta="results/rna/{library}/aux_info/meta_info.json",
    log:
        "logs/rna/quantify_rna/{library}.log",
    benchmark:
        "benchmarks/rna/quantify_rna/{library}.tsv"
    group:
        "rna"
    conda:
        "../../envs/rna.yaml"
    threads: 1 if config["deterministic"] else 4
    resources:
        mem_mb=lambda wildcards, input, attempt: int(
            (1500 + 1.2 * input.size_mb) * attempt
        ),
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.05 * input.size_mb) * attempt
        ),
    params:
        folder=subpath(output.quant, parent=True),
        type=(
            "A"
            if config["layers"]["rna"]["strandedness"] == "auto"
            else config["layers"]["rna"]["strandedness"]
        ),
        paired=lambda wildcards: bool(LIBRARIES.fastq(wildcards.library, 2)),
        no_reads=project_file("scripts/rna/no_reads.sh"),
    shell:
        # A library without a read, or without one that maps, is a failed library, not a failed run: salmon stops there,
        # and an empty result takes its place. Any other error of salmon ends the job.
        """
        exec &>{log:q}
        if [ {params.paired} = True ]; then
            reads=(--mates1 {input.fastq_1:q} --mates2 {input.fastq_2:q})
        else
            reads=(--unmatedReads {input.fastq_1:q})
        fi
        if ! [ -s {input.fastq_1:q} ]; then
            bash {params.no_reads:q} {params.folder:q}
        elif ! salmon quant \
            --index {input.index:q} \
            --libType {params.type} \
            "${{reads[@]}}" \
            --gcBias \
            --seqBias \
            --minAssignedFrags 1 \
            --threads {threads} \
            --output {params.folder:q}; then
            grep -q "only able to assign 0 fragments" {params.folder:q}/logs/salmon_quant.log
            bash {params.no_reads:q} {params.folder:q}
        fi
        """


rule count_genes:
    """Counts of all libraries of the layer, summed to genes."""
    input:
        quants=lambda wildcards: expand(
            "results/rna/{library}/quant.sf", library=RNA_LIBRARIES
        ),
        transcripts="results/reference/transcripts.tsv",
        genes="results/reference/genes.tsv",
    output:
        counts="results/rna/gene_counts.h5ad",
    log:
        "logs/rna/count_genes.log",
    benchmark:
        "benchmarks/rna/count_genes.tsv"
    conda:
        "../../envs/rna.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: int(
            (2000 + 0.5 * input.size_mb) * attempt
        ),
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.01 * input.size_mb) * attempt
        ),
    params:
        code=fingerprint("immunosep.rna.counts"),
        libraries=RNA_LIBRARIES,
    script:
        "../../scripts/rna/count_genes.py"


rule measure_rna:
    """QC metrics of all libraries of the layer."""
    input:
        counts="results/rna/gene_counts.h5ad",
        genes="results/reference/genes.tsv",
        libraries="results/intake/rna.tsv",
        fastp=lambda wildcards: expand(
            "results/rna/{library}/{library}.fastp.json", library=RNA_LIBRARIES
        ),
        meta=lambda wildcards: expand(
            "results/rna/{library}/aux_info/meta_info.json", library=RNA_LIBRARIES
        ),
        formats=lambda wildcards: expand(
            "results/rna/{library}/lib_format_counts.json", library=RNA_LIBRARIES
        ),
    output:
        metrics="results/rna/qc_metrics.tsv",
    log:
        "logs/rna/measure_rna.log",
    conda:
        "../../envs/rna.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 2),
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        code=fingerprint("immunosep.rna.metrics"),
        libraries=RNA_LIBRARIES,
    script:
        "../../scripts/rna/measure_rna.py"


rule build_rna:
    """Gene counts, variance-stabilised values and QC of all passing libraries in one AnnData."""
    input:
        counts="results/rna/gene_counts.h5ad",
        genes="results/reference/genes.tsv",
        libraries="results/intake/rna.tsv",
        verdicts="results/qc/rna_verdicts.tsv",
    output:
        matrix="results/rna/rna.h5ad",
        genes="results/rna/genes.tsv",
    log:
        "logs/rna/build_rna.log",
    benchmark:
        "benchmarks/rna/build_rna.tsv"
    conda:
        "../../envs/rna.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, input, attempt: int(
            (2000 + 60 * input.size_mb) * attempt
        ),
        runtime=lambda wildcards, input, attempt: int(
            (15 + 1.0 * input.size_mb) * attempt
        ),
    params:
        code=fingerprint("immunosep.rna.matrix"),
        hidden=HIDDEN,
        min_count=config["layers"]["rna"]["min_count"],
        min_fraction=config["layers"]["rna"]["min_fraction"],
    script:
        "../../scripts/rna/build_rna.py"
