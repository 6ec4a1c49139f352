# Denoise the libraries of one sequencing run with DADA2: filter, learn the run's error rates, infer sequence variants,
# merge the pairs. Error rates belong to a run, so runs are never mixed here.
#
# The result does not depend on the number of threads: DADA2 spreads independent comparisons over them.

log_file <- file(snakemake@log[[1]], open = "wt")
sink(log_file)
sink(log_file, type = "message")

suppressPackageStartupMessages(library(dada2))

libraries <- unlist(snakemake@params[["libraries"]])
raw <- list(forward = unlist(snakemake@input[["fastq_1"]]), reverse = unlist(snakemake@input[["fastq_2"]]))
settings <- snakemake@params[["settings"]]
threads <- snakemake@threads
multithread <- if (threads > 1) threads else FALSE
set.seed(as.integer(snakemake@params[["seed"]]))

has_reads <- function(path) {
  handle <- gzfile(path, open = "rt")
  on.exit(close(handle))
  length(readLines(handle, n = 1L)) > 0
}

# A library whose pairs never agree, or that has no reads left, is a result (0 reads), not an error.
reads_of <- function(result) if (is.null(result)) 0 else sum(getUniques(result))

tracking <- data.frame(
  library = libraries, filtered = 0, denoised_forward = 0, denoised_reverse = 0, merged = 0
)

scratch <- tempfile("filtered_")
dir.create(scratch)
filtered <- list(
  forward = file.path(scratch, paste0(libraries, "_1.fastq.gz")),
  reverse = file.path(scratch, paste0(libraries, "_2.fastq.gz"))
)
with_reads <- vapply(raw$forward, has_reads, logical(1))
if (any(with_reads)) {
  kept <- filterAndTrim(
    raw$forward[with_reads], filtered$forward[with_reads],
    raw$reverse[with_reads], filtered$reverse[with_reads],
    truncLen = unlist(settings$trunc_len), maxEE = unlist(settings$max_ee), truncQ = settings$trunc_q,
    minLen = 50, maxN = 0, rm.phix = TRUE, compress = TRUE, multithread = multithread
  )
  tracking$filtered[with_reads] <- kept[, "reads.out"]
}

usable <- which(tracking$filtered > 0)
sequences <- matrix(0L, nrow = 0, ncol = 0)
if (length(usable) > 0) {
  # Binned or constant qualities leave gaps that the loess curve fills; a run too small for it stops with dada2's message.
  learn <- function(files) learnErrors(files, multithread = multithread, randomize = FALSE, verbose = 1)
  errors <- list(forward = learn(filtered$forward[usable]), reverse = learn(filtered$reverse[usable]))
  merged <- vector("list", length(usable))
  names(merged) <- libraries[usable]
  for (i in seq_along(usable)) {
    index <- usable[i]
    message("library ", libraries[index])
    unique_reads <- lapply(filtered, function(files) derepFastq(files[index]))
    denoised <- list(
      forward = dada(unique_reads$forward, err = errors$forward, multithread = multithread, verbose = FALSE),
      reverse = dada(unique_reads$reverse, err = errors$reverse, multithread = multithread, verbose = FALSE)
    )
    pairs <- mergePairs(
      denoised$forward, unique_reads$forward, denoised$reverse, unique_reads$reverse,
      minOverlap = settings$min_overlap, maxMismatch = 0
    )
    tracking$denoised_forward[index] <- reads_of(denoised$forward)
    tracking$denoised_reverse[index] <- reads_of(denoised$reverse)
    tracking$merged[index] <- if (nrow(pairs) > 0) sum(pairs$abundance) else 0
    merged[[i]] <- pairs
  }
  merged <- merged[tracking$merged[usable] > 0]
  if (length(merged) > 0) sequences <- makeSequenceTable(merged, orderBy = "nsamples")
}
unlink(scratch, recursive = TRUE)

# Numbers of reads are whole: as doubles, 100000 would be written 1e+05.
tracking[-1] <- lapply(tracking[-1], as.integer)

saveRDS(sequences, snakemake@output[["sequences"]])
write.table(tracking, snakemake@output[["tracking"]], sep = "\t", quote = FALSE, row.names = FALSE)
