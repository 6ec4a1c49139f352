"""ATAC-seq of one library: from reads to fragments, peaks and quality.

Needs the FASTQ files of the layer and, below results/reference/, the bowtie2 index, the table of genes and the
blacklist. Steps: trim_atac (fastp), align_atac (bowtie2, duplicates marked), extract_fragments (filters, Tn5
shift), call_peaks (MACS3), measure_atac. atac_matrix.smk goes on from there.
"""


use rule trim_rna as trim_atac with:
    output:
        fastq_1=temp("results/atac/{library}/trimmed_1.fastq.gz"),
        fastq_2=temp("results/atac/{library}/trimmed_2.fastq.gz"),
        json="results/atac/{library}/{library}.fastp.json",
        html="results/atac/{library}/{library}.fastp.html",
    log:
        "logs/atac/trim_atac/{library}.log",
    benchmark:
        "benchmarks/atac/trim_atac/{library}.tsv"
    group:
        "atac"
    conda:
        "../../envs/atac.yaml"
    params:
        # Nextera transposase ends; short fragments are read through into them.
        options="--adapter_sequence CTGTCTCTTATACACATCT --adapter_sequence_r2 CTGTCTCTTATACACATCT",
        join_lanes=JOIN_LANES,


rule align_atac:
    """Align with bowtie2, sort, mark duplicates, and count reads by flag and chromosome."""
    input:
        fastq_1="results/atac/{library}/trimmed_1.fastq.gz",
        fastq_2="results/atac/{library}/trimmed_2.fastq.gz",
        index=multiext(
            "results/reference/bowtie2/genome",
            ".1.bt2",
            ".2.bt2",
            ".3.bt2",
            ".4.bt2",
            ".rev.1.bt2",
            ".rev.2.bt2",
        ),
    output:
        bam=temp("results/atac/{library}/{library}.bam"),
        bai=temp("results/atac/{library}/{library}.bam.bai"),
        bowtie2="results/atac/{library}/{library}.bowtie2.txt",
        markdup="results/atac/{library}/{library}.markdup.txt",
        flagstat="results/atac/{library}/{library}.flagstat.txt",
        idxstats="results/atac/{library}/{library}.idxstats.txt",
    log:
        "logs/atac/align_atac/{library}.log",
    benchmark:
        "benchmarks/atac/align_atac/{library}.tsv"
    group:
        "atac"
    conda:
        "../../envs/atac.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, input, attempt: int(
            (2000 + 1.2 * input.size_mb) * attempt
        ),
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.2 * input.size_mb) * attempt
        ),
    params:
        prefix=lambda wildcards, input: input.index[0].removesuffix(".1.bt2"),
        max_insert=config["layers"]["atac"]["max_insert"],
    shell:
        # --reorder: the order of the reads, and with it the choice among duplicates, does not depend on the threads.
        """
        exec 2>{log:q}
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        bowtie2 \
            --very-sensitive \
            --maxins {params.max_insert} \
            --reorder \
            --threads {threads} \
            --rg-id {wildcards.library:q} \
            --rg SM:{wildcards.library:q} \
            -x {params.prefix:q} \
            -1 {input.fastq_1:q} \
            -2 {input.fastq_2:q} \
            2>{output.bowtie2:q} \
            | samtools fixmate -u -m - - \
            | samtools sort -u -m 512M -T "$work/sort" - \
            | samtools markdup -f {output.markdup:q} - {output.bam:q}
        samtools index {output.bam:q}
        samtools flagstat {output.bam:q} >{output.flagstat:q}
        samtools idxstats {output.bam:q} >{output.idxstats:q}
        """


rule extract_fragments:
    """Tn5-shifted nuclear fragments of confident proper pairs: BED with library and number of read pairs."""
    input:
        bam="results/atac/{library}/{library}.bam",
        blacklist="results/reference/blacklist.bed",
    output:
        fragments="results/atac/{library}/fragments.tsv.gz",
        index="results/atac/{library}/fragments.tsv.gz.tbi",
    log:
        "logs/atac/extract_fragments/{library}.log",
    benchmark:
        "benchmarks/atac/extract_fragments/{library}.tsv"
    group:
        "atac"
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.02 * input.size_mb) * attempt
        ),
    params:
        min_mapq=config["layers"]["atac"]["min_mapq"],
        max_insert=config["layers"]["atac"]["max_insert"],
        mitochondrion=config["reference"]["mitochondrion"],
    shell:
        # A pair is taken from its forward read; MQ, set by fixmate, is the mapping quality of the other. -F 0x904: mapped
        # and primary. The bases that Tn5 duplicates are cut off: +4 at the left end, -5 at the right. Pairs at one place
        # are then counted together: that number is the fifth column, as in 10x fragment files, so the file holds each
        # fragment once and still tells the library's complexity. One text stream: memory does not grow with depth.
        """
        exec 2>{log:q}
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        filter='!flag.reverse && tlen > 0 && tlen <= {params.max_insert}'
        filter+=' && mapq >= {params.min_mapq} && [MQ] >= {params.min_mapq}'
        samtools view -f 0x2 -F 0x904 --expr "$filter" {input.bam:q} \
            | awk -v mitochondrion={params.mitochondrion:q} 'BEGIN {{ OFS = "\\t" }}
                $3 != mitochondrion && $9 > 9 {{ print $3, $4 - 1 + 4, $4 - 1 + $9 - 5 }}' \
            | bedtools intersect -v -a stdin -b {input.blacklist:q} \
            | LC_ALL=C sort -S 1G -T "$work" -k1,1 -k2,2n -k3,3n \
            | uniq -c \
            | awk -v library={wildcards.library:q} 'BEGIN {{ OFS = "\\t" }} {{ print $2, $3, $4, library, $1 }}' \
            | bgzip >{output.fragments:q}
        tabix -p bed {output.fragments:q}
        """


rule call_peaks:
    """Peaks of one library from its cut sites; an empty file where there are none."""
    input:
        fragments="results/atac/{library}/fragments.tsv.gz",
    output:
        peaks="results/atac/{library}/peaks.narrowPeak",
    log:
        "logs/atac/call_peaks/{library}.log",
    benchmark:
        "benchmarks/atac/call_peaks/{library}.tsv"
    group:
        "atac"
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: int(
            (2000 + 20 * input.size_mb) * attempt
        ),
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.1 * input.size_mb) * attempt
        ),
    params:
        genome_size=config["reference"]["effective_genome_size"],
        q=config["layers"]["atac"]["peak_q"],
    shell:
        # --shift -75 --extsize 150 smooths each cut site over 150 bp around it. --keep-dup all: duplicates are gone.
        # Without a single cut site MACS3 may stop with an error of its own: such a library has no peaks.
        """
        exec &>{log:q}
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        gzip -cd {input.fragments:q} \
            | awk 'BEGIN {{ OFS = "\\t" }} {{ print $1, $2, $2 + 1, ".", 0, "+"; print $1, $3 - 1, $3, ".", 0, "-" }}' \
                >"$work/sites.bed"
        if ! [ -s "$work/sites.bed" ]; then
            : >{output.peaks:q}
            exit 0
        fi
        macs3 callpeak \
            --treatment "$work/sites.bed" \
            --format BED \
            --gsize {params.genome_size} \
            --qvalue {params.q} \
            --nomodel \
            --shift -75 \
            --extsize 150 \
            --keep-dup all \
            --call-summits \
            --name {wildcards.library:q} \
            --tempdir "$work" \
            --outdir "$work"
        cp "$work"/{wildcards.library:q}_peaks.narrowPeak {output.peaks:q}
        """


rule measure_atac:
    """QC metrics of one library, its fragment lengths and its profile around starts of transcription."""
    input:
        fragments="results/atac/{library}/fragments.tsv.gz",
        peaks="results/atac/{library}/peaks.narrowPeak",
        idxstats="results/atac/{library}/{library}.idxstats.txt",
        fastp="results/atac/{library}/{library}.fastp.json",
        genes="results/reference/genes.tsv",
        lengths="results/reference/genome.fa.fai",
    output:
        metrics="results/atac/{library}/metrics.tsv",
        profiles="results/atac/{library}/profiles.tsv",
    log:
        "logs/atac/measure_atac/{library}.log",
    group:
        "atac"
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: int(
            (800 + 15 * input.size_mb) * attempt
        ),
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        code=fingerprint("immunosep.atac.qc"),
        mitochondrion=config["reference"]["mitochondrion"],
        flank=config["layers"]["atac"]["tss_flank"],
        max_insert=config["layers"]["atac"]["max_insert"],
    script:
        "../../scripts/atac/measure_atac.py"


include: "atac_matrix.smk"
