"""The sealed tables, opened in the role that may: classification and allocation."""

from intake.corpus import finds
from intake.lab import Lab


@finds("unknown_participant", "classification", "second", "participant_code")
def classified_and_not_screened(lab: Lab):
    """The laboratory's code of the screening blood has a digit wrong."""
    lab.role = "endotype"
    lab.put("classification", "second", participant_code="987654312")


@finds("ambiguous_separator", "classification", "first", "ferritin")
def screening_ferritin_with_a_separator(lab: Lab):
    """The laboratory's letter writes 5.210 ng/ml for five thousand two hundred and ten."""
    lab.role = "endotype"
    lab.put("classification", "first", ferritin="5.210")


@finds("unit_wrong", "classification", "first", "ferritin_unit")
def screening_unit_in_small_letters(lab: Lab):
    """The laboratory writes the unit with a small l."""
    lab.role = "endotype"
    lab.put("classification", "first", ferritin_unit="ng/ml")


@finds("unit_percent", "classification", "died", "hladr_unit")
def screening_hladr_in_percent(lab: Lab):
    """The screening HLA-DR is a percentage."""
    lab.role = "endotype"
    lab.put("classification", "died", hladr="22", hladr_unit="%")


@finds("duplicate_key", "classification", ["first", "again"], "participant_code")
def classified_twice(lab: Lab):
    """Two screening bloods of one person, both kept."""
    lab.role = "endotype"
    lab.copy("classification", "first", "again", ferritin="4100")


@finds("not_allowed", "allocation", "first", "arm")
def drug_in_place_of_the_arm(lab: Lab):
    """The pharmacy wrote the drug and not the arm."""
    lab.role = "unblinded"
    lab.put("allocation", "first", arm="anakinra")


@finds("not_randomised", "allocation", "screened", "participant_code")
def arm_of_somebody_not_randomised(lab: Lab):
    """The allocation lists somebody who was not randomised."""
    lab.role = "unblinded"
    lab.copy("allocation", "second", "screened", participant_code="120000045")


@finds("unknown_participant", "allocation", "first", "participant_code")
def arm_of_nobody(lab: Lab):
    """The allocation lists a code that nobody has."""
    lab.role = "unblinded"
    lab.put("allocation", "first", participant_code="012345679")


@finds("not_eligible", "classification", "second", "participant_code")
def randomised_and_unclassified(lab: Lab):
    """Ferritin and HLA-DR were exchanged in typing: nobody with these values may be enrolled."""
    lab.role = "endotype"
    lab.put("classification", "second", ferritin="3200", hladr="8705")


@finds("endotype_unknown", "classification", "second", "participant_code")
def screening_ferritin_lost(lab: Lab):
    """The ferritin of a randomised participant is missing; a low HLA-DR alone does not tell the endotype."""
    lab.role = "endotype"
    lab.put("classification", "second", ferritin="", ferritin_unit="")


@finds("sealed_open", "classification")
def sealed_table_left_open(lab: Lab):
    """The sealed table was copied to a shared drive, which everybody can read."""
    lab.role = "endotype"
    lab.after_unsealing = lambda sealed: (sealed / "classification.tsv").chmod(0o644)


@finds("sealed_changed", "allocation")
def sealed_table_changed(lab: Lab):
    """The allocation was corrected after it had been unsealed."""
    lab.role = "unblinded"
    lab.after_unsealing = lambda sealed: (sealed / "allocation.tsv").write_text("site\n")


@finds("not_unsealed", "classification")
@finds("not_unsealed", "allocation")
def opened_without_a_record(lab: Lab):
    """The role was set in the configuration, and nobody recorded an unblinding."""
    lab.role = "unblinded"
    lab.after_unsealing = lambda sealed: (sealed.parent / "unblinding.tsv").unlink()


@finds("file_unreadable", "allocation")
def sealed_table_not_there(lab: Lab):
    """The allocation was moved after it had been unsealed."""
    lab.role = "unblinded"
    lab.after_unsealing = lambda sealed: (sealed / "allocation.tsv").unlink()


@finds("label_in_one_batch", "manifest", (), "batch")
def one_endotype_in_one_batch(lab: Lab):
    """The samples were sorted by the endotype before the extraction: each batch holds one."""
    lab.role = "endotype"
    lab.enlarge(lambda number: f"RB0{1 + number % 2}")


@finds("label_in_one_batch_allowed", "manifest", (), "batch")
def one_endotype_in_one_batch_and_allowed(lab: Lab):
    """The same, and the configuration says that it cannot be helped."""
    one_endotype_in_one_batch(lab)
    lab.settings = {"intake": {"confounded_batch": "warning"}}


@finds("label_in_one_batch", "manifest", (), "batch")
def one_arm_in_one_batch(lab: Lab):
    """The pharmacy's boxes were extracted one after the other: each batch holds one arm."""
    lab.role = "unblinded"
    lab.enlarge(lambda number: f"RB0{1 + number // 4 % 2}")


@finds("batch_follows_label", "manifest", (), "batch")
def most_of_one_endotype_in_one_batch(lab: Lab):
    """The same with a few exceptions: the batch cannot be told from most of the endotype."""
    lab.role = "endotype"
    lab.enlarge(lambda number: f"RB0{1 + (number % 2 if number > 5 else 1 - number % 2)}")


@finds("sealed_misplaced", "classification")
@finds("sealed_misplaced", "allocation")
def sealed_table_beside_the_open_ones(lab: Lab):
    """The sealed table lies in the folder that is sent around."""
    lab.role = "endotype"
    lab.sealed = "clinical"
