"""The trial's own comparison of the arms, in the role `unblinded` alone.

Needs the label tables of that role and the table of participants. Makes results/trial/: effects.tsv (every endpoint,
population and endotype), sensitivity.tsv (every combination of response criterion, death rule and discharge rule),
populations.tsv, survival.tsv, sample_size.tsv; and the figures of survival and of the sensitivity. In a lower role, and
with a ready label table, there is none of these rules.
"""

# The population of the primary analysis, as the tables name it.
PRIMARY_POPULATION = {"randomised": "itt", "dosed": "mitt"}[
    config["trial"]["itt_population"]
]


if SEES_ARM and OWN_LABELS:

    rule compare_arms:
        """Mean SOFA, response, reversal and mortality by arm, as published and adjusted, under every rule."""
        input:
            labels="results/labels/labels.tsv",
            endpoints="results/labels/endpoints.tsv",
            sensitivity="results/labels/sensitivity.tsv",
            participants=config["clinical"]["participants"],
        output:
            effects="results/trial/effects.tsv",
            sensitivity="results/trial/sensitivity.tsv",
            populations="results/trial/populations.tsv",
            survival="results/trial/survival.tsv",
        log:
            "logs/trial/compare_arms.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=20,
        params:
            code=fingerprint("immunosep.stats.trial"),
            settings={
                section: config[section]
                for section in ("trial", "sofa", "reversal", "survival")
            },
            shuffled=SHUFFLED,
        script:
            "../../scripts/trial/compare_arms.py"

    rule compute_sample_size:
        """The protocol's sample size, recomputed from its assumptions."""
        output:
            table="results/trial/sample_size.tsv",
        log:
            "logs/trial/compute_sample_size.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.stats.power"),
            assumed=config["trial"]["sample_size"],
        script:
            "../../scripts/trial/compute_sample_size.py"

    rule plot_survival:
        """Survival by arm within endotype, with the numbers at risk."""
        input:
            survival="results/trial/survival.tsv",
            effects="results/trial/effects.tsv",
        output:
            multiext("results/figures/20_survival", ".pdf", ".png"),
            svg=shown("results/figures/20_survival.svg", "survival"),
            table=shown("results/figures/20_survival.tsv", "survival"),
        log:
            "logs/trial/plot_survival.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.figures.trial"),
            population=PRIMARY_POPULATION,
            min_group=config["report"]["min_group"],
            shuffled=SHUFFLED,
        script:
            "../../scripts/trial/plot_survival.py"

    rule plot_sensitivity:
        """The arms' difference under every combination of rules."""
        input:
            sensitivity="results/trial/sensitivity.tsv",
        output:
            multiext("results/figures/21_sensitivity", ".pdf", ".png"),
            svg=shown("results/figures/21_sensitivity.svg", "sensitivity"),
            table=shown("results/figures/21_sensitivity.tsv", "sensitivity"),
        log:
            "logs/trial/plot_sensitivity.log",
        conda:
            "../../envs/base.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=fingerprint("immunosep.figures.trial"),
            population=PRIMARY_POPULATION,
            min_group=config["report"]["min_group"],
            shuffled=SHUFFLED,
        script:
            "../../scripts/trial/plot_sensitivity.py"
