"""Every output of a run: whose data is in it, and whether it may be shared.

The one table behind `immunosep release`, `immunosep withdraw` and the section "What may be shared" of
results/README.md. What is not in the table is not released, and leaves with a withdrawal.
"""

import re
from functools import cache
from typing import Final, NamedTuple

LAYERS: Final = ("rna", "atac", "proteome", "microbiome", "flow", "cytokine", "metabolome")
_PLACEHOLDERS: Final = {
    "<layer>": f"(?P<layer>{'|'.join(LAYERS)})",
    "<body site>": "(?P<site>nares|oral|rectum)",
    "<library>": r"(?P<library>[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)+)",
    "<task>": r"(?P<task>[a-z][a-z0-9_]*)",
    "<name>": r"[A-Za-z0-9_.-]+",
}


class Output(NamedTuple):
    """One kind of file below ``results/``.

    Attributes
    ----------
    pattern
        Path with placeholders; one that ends with ``/`` stands for all below the folder.
    scope
        Whose data made it: ``public`` (nobody's), ``library`` (one library's), ``layer`` (all libraries of a layer),
        ``cohort`` (everybody's).
    release
        ``share`` (as it is), ``aggregate`` (what is made of it, or whole on a condition), ``keep`` (never).
    reason
        Why, or what is made of it.
    """

    pattern: str
    scope: str
    release: str
    reason: str


OUTPUTS: Final = (
    Output("README.md", "public", "keep", "a page of the project, not of the run"),
    Output("reference/", "public", "keep", "made from public references; their recipe is in the configuration"),
    # intake
    Output("intake/completeness.tsv", "cohort", "aggregate", "samples by visit, layer and reason of the gap"),
    Output("intake/rejected.tsv", "cohort", "aggregate", "libraries left out, by layer and reason"),
    Output("intake/confounding.tsv", "cohort", "aggregate", "batches against the design, of enough libraries"),
    Output("intake/missingness.tsv", "cohort", "keep", "names sites; small groups"),
    Output("intake/missingness_shares.tsv", "cohort", "keep", "names sites; small groups"),
    Output("intake/libraries.tsv", "cohort", "keep", "one row per library"),
    Output("intake/<layer>.tsv", "layer", "keep", "one row per library"),
    Output("intake/intake_report.html", "cohort", "keep", "names libraries"),
    Output("intake/intake_report.json", "cohort", "keep", "names libraries"),
    # quality
    Output(
        "qc/verdicts.tsv", "cohort", "aggregate", "verdicts by site and layer; sites by surrogate, small ones pooled"
    ),
    Output("qc/summary.tsv", "cohort", "aggregate", "verdicts by layer"),
    Output("qc/<layer>_verdicts.tsv", "layer", "keep", "one row per library"),
    Output("qc/multiqc.html", "cohort", "keep", "names libraries"),
    Output("qc/multiqc_data/", "cohort", "keep", "names libraries"),
    # layers
    Output("rna/genes.tsv", "layer", "share", "one row per gene"),
    Output("rna/gene_counts.h5ad", "layer", "keep", "one row per library"),
    Output("atac/<library>/counts.npy", "layer", "keep", "values of one library, at the cohort's peaks"),
    Output("atac/consensus_peaks.bed", "layer", "aggregate", "peaks that enough participants have"),
    Output("atac/fixed_peaks.bed", "public", "keep", "given, and not made here"),
    Output("atac/qc_profiles.tsv", "layer", "keep", "one row per library"),
    Output("proteome/assays.tsv", "layer", "aggregate", "one row per assay, without what reveals a drug"),
    Output("proteome/controls.tsv", "layer", "share", "controls, which are nobody's"),
    Output("proteome/npx.parquet", "layer", "keep", "one row per sample"),
    Output("proteome/unmatched.tsv", "layer", "keep", "names samples"),
    Output("microbiome/<body site>_genera.tsv", "layer", "aggregate", "genera that enough participants carry"),
    Output("microbiome/controls.tsv", "layer", "share", "blanks and mocks, which are nobody's"),
    Output("microbiome/asv_counts.tsv", "layer", "keep", "one row per library; rare variants single people out"),
    Output("microbiome/asv_taxonomy.tsv", "layer", "keep", "rare variants single people out"),
    Output("microbiome/dropped_asvs.tsv", "layer", "keep", "rare variants single people out"),
    Output("microbiome/reads.tsv", "layer", "keep", "one row per library"),
    Output("microbiome/<body site>.h5ad", "layer", "keep", "one row per library"),
    Output("microbiome/trimmed/<name>/<library>.cutadapt.json", "library", "keep", "about one library"),
    Output("microbiome/trimmed/<name>/<name>/<library>.fastq.gz", "library", "keep", "reads"),
    Output("microbiome/", "layer", "keep", "values of single libraries"),
    Output("<layer>/<layer>.h5ad", "layer", "keep", "one row per library"),
    Output("<layer>/admitted.h5ad", "layer", "keep", "one row per observation"),
    Output("<layer>/left_out.tsv", "layer", "keep", "one row per observation"),
    Output("<layer>/qc_metrics.tsv", "layer", "keep", "one row per library"),
    Output("<layer>/<library>/", "library", "keep", "about one library"),
    # labels
    Output("labels/labels.tsv", "cohort", "aggregate", "participants by country, endotype, response, reversal"),
    Output("labels/endpoints.tsv", "cohort", "aggregate", "number, mean and spread of every endpoint"),
    Output("labels/landmarks.tsv", "cohort", "aggregate", "participants by landmark day"),
    Output("labels/sensitivity.tsv", "cohort", "keep", "one row per participant"),
    Output("labels/dynamic_endotypes.tsv", "cohort", "keep", "one row per participant and day"),
    # integration
    Output("integration/weights.tsv", "cohort", "share", "one row per feature and factor"),
    Output("integration/variance_explained.tsv", "cohort", "share", "one row per layer and factor"),
    Output("integration/associations.tsv", "cohort", "aggregate", "tests on enough participants"),
    Output("integration/stability.tsv", "cohort", "share", "one row per factor and random start"),
    Output("integration/factor_summary.tsv", "cohort", "share", "one row per factor"),
    Output("integration/enrichment.tsv", "cohort", "share", "one row per factor, layer and gene set"),
    Output("integration/mixed_models.tsv", "cohort", "aggregate", "estimates from enough participants"),
    Output("integration/mefisto.tsv", "cohort", "aggregate", "one row per factor, of enough participants"),
    Output("integration/trajectories.tsv", "cohort", "keep", "one row per participant, visit and factor"),
    Output("integration/starts/", "cohort", "keep", "hold every observation's factors"),
    Output("integration/factors.tsv", "cohort", "keep", "one row per participant and visit"),
    Output("integration/mofa.hdf5", "cohort", "keep", "holds every observation's factors"),
    Output("integration/multiomics.h5mu", "cohort", "keep", "one row per participant and visit"),
    # biomarkers
    Output("biomarkers/<task>/classes.tsv", "cohort", "keep", "small groups"),
    Output("biomarkers/<task>/performance.tsv", "cohort", "aggregate", "models of classes that are large enough"),
    Output("biomarkers/<task>/curves.tsv", "cohort", "aggregate", "ROC points; calibration bins that are large enough"),
    Output("biomarkers/<task>/permutations.tsv", "cohort", "share", "one row per permutation and model"),
    Output("biomarkers/<task>/model_card.md", "cohort", "aggregate", "whole, where every class is large enough"),
    Output("biomarkers/<task>/tripod_ai.tsv", "cohort", "aggregate", "whole, where every class is large enough"),
    Output("biomarkers/<task>/tripod_ai.md", "cohort", "aggregate", "whole, where every class is large enough"),
    Output("biomarkers/<task>/model.skops", "cohort", "aggregate", "coefficients, one row per model and feature"),
    Output("biomarkers/<task>/training.tsv", "cohort", "keep", "small groups; the model card tells what may be told"),
    Output("biomarkers/<task>/folds.tsv", "cohort", "aggregate", "the digest and the sizes of the folds"),
    Output("biomarkers/<task>/predictions.tsv", "cohort", "keep", "one row per participant"),
    Output("biomarkers/<task>/decision_curve.tsv", "cohort", "aggregate", "models of classes that are large enough"),
    Output("biomarkers/<task>/predictive_values.tsv", "cohort", "aggregate", "models of classes that are large enough"),
    Output("biomarkers/<task>/transfer.tsv", "cohort", "aggregate", "models of classes that are large enough"),
    Output("biomarkers/<task>/differences.tsv", "cohort", "keep", "may rest on few participants"),
    Output("biomarkers/<task>/subgroups.tsv", "cohort", "keep", "small groups"),
    Output("biomarkers/<task>/folds_elsewhere.tsv", "cohort", "keep", "one row per participant"),
    Output("biomarkers/<task>/repeats/", "cohort", "keep", "one row per participant"),
    Output("biomarkers/<task>/permutations/", "cohort", "keep", "parts of the table of permutations"),
    Output("biomarkers/<task>/panel.tsv", "cohort", "share", "one row per marker"),
    Output("biomarkers/<task>/panel_summary.tsv", "cohort", "share", "one row per feature set and class"),
    Output("biomarkers/<task>/panel_performance.tsv", "cohort", "aggregate", "of classes that are large enough"),
    Output("biomarkers/<task>/panel.skops", "cohort", "keep", "the two tables of the panel say what is in it"),
    Output("biomarkers/<task>/panels/", "cohort", "keep", "one row per participant"),
    # the trial's own statistics, role unblinded
    Output(
        "trial/effects.tsv",
        "cohort",
        "aggregate",
        "comparisons whose every count is large enough, differences between them too",
    ),
    Output(
        "trial/sensitivity.tsv",
        "cohort",
        "aggregate",
        "comparisons whose every count is large enough, differences between them too",
    ),
    Output(
        "trial/populations.tsv",
        "cohort",
        "aggregate",
        "populations whose every count is large enough, differences between them too",
    ),
    Output("trial/sample_size.tsv", "public", "share", "arithmetic of the protocol"),
    Output("trial/survival.tsv", "cohort", "keep", "days of single deaths"),
    Output("surrogacy/grades.tsv", "cohort", "share", "one row per endotype and marker"),
    Output("surrogacy/markers.tsv", "cohort", "share", "one row per marker"),
    Output("surrogacy/measures.tsv", "cohort", "aggregate", "measures on enough participants"),
    Output("surrogacy/baseline.tsv", "cohort", "aggregate", "tests on enough participants"),
    Output("surrogacy/interactions.tsv", "cohort", "aggregate", "tests on enough participants"),
    Output("surrogacy/stepp.tsv", "cohort", "aggregate", "windows of enough participants"),
    Output("surrogacy/between_units.tsv", "cohort", "share", "one row per marker and visit"),
    Output("surrogacy/<name>", "cohort", "keep", "single participants or small units"),
    # figures
    Output("figures/01_availability.<name>", "cohort", "keep", "one row per participant, with deaths and gaps"),
    Output("figures/01_missingness.<name>", "cohort", "keep", "small numbers of missing samples by outcome"),
    Output("figures/02_endotype_plane.png", "cohort", "share", "a dot per participant, as a picture only"),
    Output("figures/02_endotype_plane.<name>", "cohort", "keep", "every dot can be read out"),
    Output("figures/03_qc_<layer>.png", "cohort", "share", "a dot per library, as a picture only"),
    Output("figures/03_qc_<layer>.<name>", "cohort", "keep", "every dot can be read out"),
    Output("figures/04_pca_<name>.png", "cohort", "share", "a dot per observation, as a picture only"),
    Output("figures/04_pca_<name>", "cohort", "keep", "every dot can be read out"),
    Output("figures/05_mofa_variance.<name>", "cohort", "share", "about the cohort"),
    Output("figures/06_factor_associations.tsv", "cohort", "keep", "its numbers are in the table of associations"),
    Output("figures/06_factor_associations.<name>", "cohort", "share", "about the cohort"),
    Output("figures/07_roc_<task>.tsv", "cohort", "keep", "its numbers are in the table of curves"),
    Output("figures/07_roc_<task>.<name>", "cohort", "aggregate", "whole, where every class is large enough"),
    Output("figures/08_calibration_<task>.tsv", "cohort", "keep", "its numbers are in the table of curves"),
    Output("figures/08_calibration_<task>.<name>", "cohort", "aggregate", "whole, where every class is large enough"),
    Output("figures/09_decision_curve_<task>.tsv", "cohort", "keep", "its numbers are in the table of decision curves"),
    Output(
        "figures/09_decision_curve_<task>.<name>", "cohort", "aggregate", "whole, where every class is large enough"
    ),
    Output("figures/11_surrogates_<name>.tsv", "cohort", "keep", "its numbers are in the tables of the surrogates"),
    Output("figures/11_surrogates_<name>", "cohort", "share", "about the cohort"),
    Output("figures/12_stepp_<name>.tsv", "cohort", "keep", "its numbers are in the tables of the surrogates"),
    Output("figures/12_stepp_<name>", "cohort", "share", "about the cohort"),
    Output("figures/20_survival.png", "cohort", "share", "survival by arm, as a picture only"),
    Output("figures/20_survival.<name>", "cohort", "keep", "days of single deaths can be read out"),
    Output("figures/21_sensitivity.tsv", "cohort", "keep", "its numbers are in the table of sensitivity"),
    Output("figures/21_sensitivity.<name>", "cohort", "share", "about the cohort"),
    Output("figures/13_mofa_stability.<name>", "cohort", "share", "about the cohort"),
    Output("figures/14_factor_trajectories.<name>", "cohort", "share", "means of groups that are large enough"),
    Output("report/", "cohort", "keep", "holds figures with a dot per participant as drawings"),
)


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], Output], ...]:
    return tuple((re.compile(_as_regex(output.pattern) + r"\Z"), output) for output in OUTPUTS)


def _as_regex(pattern: str) -> str:
    """Spell a pattern as a regular expression; a placeholder that comes again stands for the same word."""
    text, seen = "", set()
    for piece in re.split(r"(<[a-z ]+>)", pattern):
        group = _PLACEHOLDERS.get(piece, re.escape(piece))
        if piece in seen and group.startswith("(?P<"):
            group = f"(?P={group[4 : group.index('>')]})"
        seen.add(piece)
        text += group
    return text + (".+" if pattern.endswith("/") else "")


def find_output(path: str) -> tuple[Output, dict[str, str]] | None:
    """Return the row of the table that a file belongs to, and what its placeholders stand for.

    Parameters
    ----------
    path
        Relative to ``results/``, with forward slashes.

    Returns
    -------
    tuple of (Output, dict), or None
        The first row that fits; None for a file that the table does not know.
    """
    for pattern, output in _compiled():
        match = pattern.match(path)
        if match:
            return output, {name: value for name, value in match.groupdict().items() if value is not None}
    return None
