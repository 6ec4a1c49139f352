# Join the sequence tables of all runs and find chimeras by consensus over the libraries. A chimera's parents must be in
# the same library, so the reads of all runs and body sites can be judged together.

log_file <- file(snakemake@log[[1]], open = "wt")
sink(log_file)
sink(log_file, type = "message")

suppressPackageStartupMessages(library(dada2))

multithread <- if (snakemake@threads > 1) snakemake@threads else FALSE

write_table <- function(table, path) write.table(table, path, sep = "\t", quote = FALSE, row.names = FALSE)

runs <- Filter(function(table) length(table) > 0, lapply(unlist(snakemake@input[["sequences"]]), readRDS))
# A library sequenced in two runs is one library: its counts add up.
all_sequences <- if (length(runs) == 0) {
  matrix(0L, nrow = 0, ncol = 0)
} else if (length(runs) == 1) {
  runs[[1]]
} else {
  mergeSequenceTables(tables = runs, repeats = "sum", orderBy = "abundance")
}
# An order that depends on nothing but the data: most reads first, ties by the sequence.
if (length(all_sequences) > 0) {
  all_sequences <- all_sequences[
    order(rownames(all_sequences), method = "radix"),
    order(-colSums(all_sequences), colnames(all_sequences), method = "radix"),
    drop = FALSE
  ]
}

chimeric <- if (ncol(all_sequences) > 0) {
  isBimeraDenovoTable(all_sequences, multithread = multithread, verbose = TRUE)
} else {
  logical(0)
}
if (any(chimeric)) message(sum(chimeric), " of ", length(chimeric), " sequences are chimeras")

cells <- which(all_sequences > 0, arr.ind = TRUE)
cells <- cells[order(cells[, "row"], cells[, "col"]), , drop = FALSE]
write_table(
  data.frame(
    library = as.character(rownames(all_sequences)[cells[, "row"]]),
    sequence = as.character(colnames(all_sequences)[cells[, "col"]]),
    count = all_sequences[cells]
  ),
  snakemake@output[["counts"]]
)

write_table(
  data.frame(sequence = as.character(colnames(all_sequences)), chimera = ifelse(chimeric, "yes", "no")),
  snakemake@output[["sequences"]]
)
