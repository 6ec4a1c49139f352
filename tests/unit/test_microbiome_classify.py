"""Naive Bayesian taxonomy: by hand, reproducible, and beside DADA2's own function."""

import gzip
import shutil
import subprocess

import numpy as np
import pytest

from immunosep.errors import InputError
from immunosep.microbiome.classify import assign_taxonomy, classify, fit_classifier, read_reference, words_of
from immunosep.microbiome.taxonomy import RANKS

BASES = np.array(list("ACGT"))


def random_sequence(random, length):
    return "".join(random.choice(BASES, length))


def mutate(random, sequence, rate):
    letters = np.array(list(sequence))
    hit = random.random(len(letters)) < rate
    letters[hit] = random.choice(BASES, hit.sum())
    return "".join(letters)


def tree(seed=5):
    """Two families of two genera: 25 % apart between families, 6 % between genera; three sequences each."""
    random = np.random.default_rng(seed)
    root = random_sequence(random, 300)
    lineages, sequences = [], []
    for family in ("F1", "F2"):
        base = mutate(random, root, 0.33)
        for genus in ("a", "b"):
            own = mutate(random, base, 0.08)
            for _ in range(3):
                lineages.append(["Bacteria", "P", "C", "O", family, f"{family}{genus}"])
                sequences.append(mutate(random, own, 0.01))
    return lineages, sequences


def test_words():
    owner, word = words_of(["ACGTACGTA", "ACGTACGTACGTACGT", "ACGNACGTACG", "AAA"])
    # ACGTACGT = 0 1 2 3 0 1 2 3 in base 4, CGTACGTA = 1 2 3 0 1 2 3 0.
    first = int("01230123", 4)
    second = int("12301230", 4)
    assert word[owner == 0].tolist() == [first, second]
    assert set(word[owner == 1]) == {first, second, int("23012301", 4), int("30123012", 4)}
    assert word[owner == 2].tolist() == [], "no word spans a letter that is no base"
    assert word[owner == 3].tolist() == []
    assert words_of(["acgtacgu"])[1].tolist() == [first]


def test_word_probabilities_by_hand():
    model = fit_classifier([["Bacteria", "x"], ["Bacteria", "x"], ["Bacteria", "y"]],
                           ["ACGTACGT", "ACGTACGT", "CCCCCCCC"])  # fmt: skip
    word = int("01230123", 4)
    prior = (2 + 0.5) / (3 + 1)
    expected = np.log([(2 + prior) / (2 + 1), (0 + prior) / (1 + 1)])
    assert model.lineages[:, 1].tolist() == ["x", "y"]
    np.testing.assert_allclose(model.log_probability[word], expected, rtol=1e-6)
    np.testing.assert_allclose(model.log_probability[0], np.log([0.125 / 3, 0.125 / 2]), rtol=1e-6)


def test_sequences_find_their_genus():
    lineages, sequences = tree()
    model = fit_classifier(lineages, sequences)
    random = np.random.default_rng(9)
    queries = [mutate(random, sequence[20:270], 0.005) for sequence in sequences]
    table = assign_taxonomy(model, queries, min_boot=50, seed=1)
    assert list(table["genus"]) == [lineage[5] for lineage in lineages]
    assert (table["species"] == "").all()
    assert table["support"].min() >= 80


def test_a_sequence_that_two_genera_share_stops_at_the_family():
    lineages, sequences = tree()
    shared = [*sequences, *sequences[:3]]
    model = fit_classifier([*lineages, *[["Bacteria", "P", "C", "O", "F1", "F1c"]] * 3], shared)
    table = assign_taxonomy(model, [sequences[0]], min_boot=80, seed=1)
    assert table.loc[0, "family"] == "F1"
    assert table.loc[0, "genus"] == ""


def test_taxonomy_depends_on_seed_and_sequence_only():
    lineages, sequences = tree()
    model = fit_classifier(lineages, sequences)
    queries = [mutate(np.random.default_rng(i), sequences[0], 0.4) for i in range(6)]
    whole = assign_taxonomy(model, queries, min_boot=50, seed=1)
    alone = assign_taxonomy(model, queries[3:4], min_boot=50, seed=1)
    assert alone.iloc[0].tolist() == whole.iloc[3].tolist()
    supports = {tuple(classify(model, queries[0], seed)[1]) for seed in range(5)}
    assert len(supports) > 1, "the seed matters"


def test_what_is_too_short_or_no_dna_is_not_assigned():
    lineages, sequences = tree()
    model = fit_classifier(lineages, sequences)
    table = assign_taxonomy(model, [sequences[0][:49], "N" * 100], min_boot=50, seed=1)
    assert (table[list(RANKS)] == "").all(axis=None)


def test_reference_is_read_with_all_its_lines(tmp_path):
    with gzip.open(tmp_path / "train.fa.gz", "wt") as handle:
        handle.write(">Bacteria;Firmicutes;\nACGT\nACGT\n>Bacteria; Proteobacteria\nTTTT\n")
    assert read_reference(tmp_path / "train.fa.gz") == (
        [["Bacteria", "Firmicutes"], ["Bacteria", "Proteobacteria"]],
        ["ACGTACGT", "TTTT"],
    )


@pytest.mark.parametrize("text", ["", ">;;\nACGT\n", ">a;b;c;d;e;f;g;h\nACGT\n"])
def test_what_is_no_reference_is_refused(tmp_path, text):
    (tmp_path / "train.fa").write_text(text)
    with pytest.raises(InputError, match="taxonomy_16s"):
        read_reference(tmp_path / "train.fa")


RUN_DADA2 = """
suppressMessages(library(dada2))
write_matrix <- function(values, path) write.table(values, path, row.names = FALSE, col.names = FALSE, quote = FALSE)
for (seed in 1:2) {
  set.seed(seed)
  result <- assignTaxonomy(readLines("queries.txt"), "train.fa", minBoot = 0, outputBootstraps = TRUE)
  write_matrix(result$boot, paste0("boot", seed, ".tsv"))
  write_matrix(result$tax, paste0("tax", seed, ".tsv"))
}
"""


@pytest.mark.r
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs Rscript with dada2")
def test_differs_from_dada2_as_dada2_differs_from_itself(tmp_path):
    lineages, sequences = tree()
    random = np.random.default_rng(11)
    # From close relatives to sequences that belong nowhere in the reference.
    queries = [mutate(random, sequences[i % len(sequences)], 0.5 * i / 80) for i in range(80)]
    reference = tmp_path / "train.fa"
    reference.write_text("".join(f">{';'.join(ranks)};\n{s}\n" for ranks, s in zip(lineages, sequences, strict=True)))
    (tmp_path / "queries.txt").write_text("\n".join(queries) + "\n")
    (tmp_path / "run.R").write_text(RUN_DADA2)
    done = subprocess.run(["Rscript", "run.R"], cwd=tmp_path, capture_output=True, text=True)
    if "there is no package called" in done.stderr:
        pytest.skip("needs the R package dada2")
    assert done.returncode == 0, done.stderr
    first, second = (np.loadtxt(tmp_path / f"boot{seed}.tsv")[:, :6] for seed in (1, 2))
    taxa = np.loadtxt(tmp_path / "tax1.tsv", dtype=str)
    model = fit_classifier(lineages, sequences)
    ours = [classify(model, query, 1) for query in queries]
    support = np.array([values[:6] for _, values in ours])
    assert np.mean([lineage[5] == row[5] for (lineage, _), row in zip(ours, taxa, strict=True)]) > 0.95
    assert np.std(support - first) < 1.3 * np.std(second - first)
    assert abs(np.mean(support - first)) < 1
    assert np.corrcoef(support[:, 5], first[:, 5])[0, 1] > 0.9
