"""Reference files that the layers from reads share.

Needs the genome, its annotation, the transcriptome and, optionally, a blacklist (config: reference). Makes, below
results/reference/: the plain genome with its index, the table of genes, the map of transcripts to genes, the sorted
blacklist (empty where there is none), and the indices of salmon and bowtie2.
"""


rule unpack_genome:
    """The genome as plain FASTA, with the lengths of its chromosomes."""
    input:
        genome=config["reference"]["genome"] or [],
    output:
        genome="results/reference/genome.fa",
        lengths="results/reference/genome.fa.fai",
    log:
        "logs/reference/unpack_genome.log",
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "(gzip -cdf {input.genome:q} > {output.genome:q} && samtools faidx {output.genome:q}) 2> {log:q}"


rule tabulate_genes:
    """Genes with symbol, place, start of transcription and flags; the gene of each transcript."""
    input:
        annotation=config["reference"]["annotation"] or [],
        gene_sets=project_file("resources/gene_sets.tsv"),
        drug_analytes=project_file("resources/drug_analytes.tsv"),
    output:
        genes="results/reference/genes.tsv",
        transcripts="results/reference/transcripts.tsv",
    log:
        "logs/reference/tabulate_genes.log",
    conda:
        "../../envs/base.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 60),
        runtime=30,
    params:
        code=fingerprint("immunosep.genes"),
        mitochondrion=config["reference"]["mitochondrion"],
    script:
        "../../scripts/reference/tabulate_genes.py"


rule sort_blacklist:
    """Regions to leave out, sorted; an empty file where the configuration names none."""
    input:
        blacklist=config["reference"]["blacklist"] or [],
    output:
        blacklist="results/reference/blacklist.bed",
    log:
        "logs/reference/sort_blacklist.log",
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        '(for bed in {input.blacklist:q}; do gzip -cdf "$bed"; done'
        " | cut -f 1-3 | LC_ALL=C sort -k1,1 -k2,2n > {output.blacklist:q}) 2> {log:q}"


rule index_transcriptome:
    """salmon index of the transcripts with the whole genome as decoy."""
    input:
        transcriptome=config["reference"]["transcriptome"] or [],
        genome="results/reference/genome.fa",
        lengths="results/reference/genome.fa.fai",
    output:
        index=directory("results/reference/salmon"),
    log:
        "logs/reference/index_transcriptome.log",
    benchmark:
        "benchmarks/reference/index_transcriptome.tsv"
    conda:
        "../../envs/rna.yaml"
    threads: 4
    resources:
        mem_mb=scaled_mem_mb(1000, 8),
        runtime=lambda wildcards, input, attempt: int(
            (20 + 0.05 * input.size_mb) * attempt
        ),
    shell:
        """
        exec &>{log:q}
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        cut -f 1 {input.lengths:q} >"$work/decoys.txt"
        gzip -cdf {input.transcriptome:q} >"$work/gentrome.fa"
        cat {input.genome:q} >>"$work/gentrome.fa"
        salmon index \
            --transcripts "$work/gentrome.fa" \
            --decoys "$work/decoys.txt" \
            --kmerLen 31 \
            --gencode \
            --threads {threads} \
            --index {output.index:q}
        """


rule index_genome:
    """bowtie2 index of the genome."""
    input:
        genome="results/reference/genome.fa",
    output:
        index=multiext(
            "results/reference/bowtie2/genome",
            ".1.bt2",
            ".2.bt2",
            ".3.bt2",
            ".4.bt2",
            ".rev.1.bt2",
            ".rev.2.bt2",
        ),
    log:
        "logs/reference/index_genome.log",
    benchmark:
        "benchmarks/reference/index_genome.tsv"
    conda:
        "../../envs/atac.yaml"
    threads: 4
    resources:
        mem_mb=scaled_mem_mb(1000, 4),
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.1 * input.size_mb) * attempt
        ),
    params:
        prefix=lambda wildcards, output: output.index[0].removesuffix(".1.bt2"),
    shell:
        "bowtie2-build --threads {threads} {input.genome:q} {params.prefix:q} &> {log:q}"
