"""ATAC-seq over the layer: from the peaks of the libraries to counts per peak.

Needs fragments, peaks and metrics of every library (atac.smk) and the verdicts on them. Steps: collect_atac_metrics,
call_consensus (fixed-width peaks of the libraries that passed QC) or import_peaks (a peak set from elsewhere,
layers.atac.peaks), count_fragments (per library), build_atac (results/atac/atac.h5ad).
"""

ATAC_LIBRARIES = (
    LIBRARIES.names("atac", sample_types=None) if "atac" in RAW_LAYERS else []
)
ATAC_SAMPLES = LIBRARIES.names("atac") if "atac" in RAW_LAYERS else []
FIXED_PEAKS = config["layers"]["atac"]["peaks"]
COUNTED_PEAKS = (
    "results/atac/fixed_peaks.bed"
    if FIXED_PEAKS
    else "results/atac/consensus_peaks.bed"
)


rule collect_atac_metrics:
    """Metrics and profiles of all libraries of the layer, in one table each."""
    input:
        metrics=lambda wildcards: expand(
            "results/atac/{library}/metrics.tsv", library=ATAC_LIBRARIES
        ),
        profiles=lambda wildcards: expand(
            "results/atac/{library}/profiles.tsv", library=ATAC_LIBRARIES
        ),
    output:
        metrics="results/atac/qc_metrics.tsv",
        profiles="results/atac/qc_profiles.tsv",
    log:
        "logs/atac/collect_atac_metrics.log",
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(500, 10),
        runtime=10,
    params:
        code=fingerprint("immunosep.atac.collect"),
    script:
        "../../scripts/atac/collect_atac_metrics.py"


rule call_consensus:
    """Fixed-width peaks shared by enough participants, over the libraries that passed QC."""
    input:
        peaks=lambda wildcards: expand(
            "results/atac/{library}/peaks.narrowPeak", library=ATAC_SAMPLES
        ),
        libraries="results/intake/atac.tsv",
        verdicts="results/qc/atac_verdicts.tsv",
        blacklist="results/reference/blacklist.bed",
        lengths="results/reference/genome.fa.fai",
    output:
        peaks="results/atac/consensus_peaks.bed",
    log:
        "logs/atac/call_consensus.log",
    benchmark:
        "benchmarks/atac/call_consensus.tsv"
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 3),
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.05 * input.size_mb) * attempt
        ),
    params:
        code=fingerprint("immunosep.atac.peaks"),
        libraries=ATAC_SAMPLES,
        width=config["layers"]["atac"]["peak_width"],
        min_participants=config["layers"]["atac"]["min_participants"],
    script:
        "../../scripts/atac/call_consensus.py"


rule import_peaks:
    """A fixed peak set from elsewhere: nothing about the peaks is learned from the cohort."""
    input:
        peaks=FIXED_PEAKS or [],
        lengths="results/reference/genome.fa.fai",
    output:
        peaks="results/atac/fixed_peaks.bed",
    log:
        "logs/atac/import_peaks.log",
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 20),
        runtime=10,
    params:
        code=fingerprint("immunosep.atac.peaks"),
    script:
        "../../scripts/atac/import_peaks.py"


rule count_fragments:
    """Fragments of one library in each peak."""
    input:
        fragments="results/atac/{library}/fragments.tsv.gz",
        peaks=COUNTED_PEAKS,
    output:
        counts="results/atac/{library}/counts.npy",
    log:
        "logs/atac/count_fragments/{library}.log",
    group:
        "atac_counts"
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input, attempt: int(
            (800 + 15 * input.size_mb) * attempt
        ),
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        code=fingerprint("immunosep.atac.counts"),
    script:
        "../../scripts/atac/count_fragments.py"


rule build_atac:
    """Counts per peak, normalised values and QC of all passing libraries in one AnnData."""
    input:
        counts=lambda wildcards: expand(
            "results/atac/{library}/counts.npy", library=ATAC_SAMPLES
        ),
        peaks=COUNTED_PEAKS,
        genes="results/reference/genes.tsv",
        libraries="results/intake/atac.tsv",
        verdicts="results/qc/atac_verdicts.tsv",
    output:
        matrix="results/atac/atac.h5ad",
    log:
        "logs/atac/build_atac.log",
    benchmark:
        "benchmarks/atac/build_atac.tsv"
    conda:
        "../../envs/atac.yaml"
    threads: 1
    resources:
        mem_mb=scaled_mem_mb(1000, 6),
        runtime=lambda wildcards, input, attempt: int(
            (10 + 0.01 * input.size_mb) * attempt
        ),
    params:
        code=fingerprint("immunosep.atac.matrix"),
        hidden=HIDDEN,
        libraries=ATAC_SAMPLES,
        promoter=config["layers"]["atac"]["tss_flank"],
        min_cpm=config["layers"]["atac"]["min_cpm"],
        min_fraction=config["layers"]["atac"]["min_fraction"],
        fixed_peaks=bool(FIXED_PEAKS),
    script:
        "../../scripts/atac/build_atac.py"
