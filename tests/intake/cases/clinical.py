"""Clinical tables that contradict themselves, each other, or the protocol."""

from intake.corpus import finds
from intake.lab import Lab

# --------------------------------------------------------------------------------------------------------- participants


@finds("duplicate_key", "participants", ["first", "again"], "participant_code")
def participant_entered_twice(lab: Lab):
    """A participant was entered at screening and again at randomisation."""
    lab.copy("participants", "first", "again", age_years="71")


@finds("under_age", "participants", "second", "age_years")
def minor(lab: Lab):
    """Ages of two digits were exchanged: a randomised participant of 17."""
    lab.put("participants", "second", age_years="17")


@finds("not_randomised", "participants", "screened", "dosed")
def dosed_and_not_randomised(lab: Lab):
    """Randomised says no, dosed says yes."""
    lab.put("participants", "screened", dosed="yes")


@finds("late_drug", "participants", "first", "hours_sepsis_to_drug")
def drug_given_late(lab: Lab):
    """The first dose came 80 hours after sepsis; the protocol allows 72."""
    lab.put("participants", "first", hours_sepsis_to_drug="80", per_protocol="no")


@finds("contact_mismatch", "participants", "died", "last_contact_day")
def contact_after_death(lab: Lab):
    """The day of the database export was taken for the last contact."""
    lab.put("participants", "died", last_contact_day="90")


@finds("contact_mismatch", "participants", "died", "last_contact_day")
def contact_before_death(lab: Lab):
    """The last visit was taken for the last contact of a participant whose death is known."""
    lab.put("participants", "died", last_contact_day="9")


@finds("day_after_death", "participants", "died", "discharge_day")
def discharged_after_death(lab: Lab):
    """The day of the discharge letter was taken for the discharge."""
    lab.put("participants", "died", discharge_day="11")


@finds("withdrawal_mismatch", "participants", "second", "withdrawn_day")
def withdrawn_without_a_day(lab: Lab):
    """Consent is withdrawn, and nobody wrote down from which day."""
    lab.put("participants", "second", consent="withdrawn")


# --------------------------------------------------------------------------------------------------------------- visits


@finds("duplicate_key", "visits", ["first day 1", "again"], "visit_day")
def day_entered_twice(lab: Lab):
    """A day was entered by two people."""
    lab.copy("visits", "first day 1", "again", sofa_total="")


@finds("day_after_death", "visits", "later", "visit_day")
def score_carried_past_death(lab: Lab):
    """The form carried the last score forward to days after death."""
    lab.copy("visits", "died day 9", "later", visit_day="11")


@finds("unknown_participant", "visits", "nobody", "participant_code")
def visit_of_nobody(lab: Lab):
    """A day of somebody who is not in the participants table."""
    lab.copy("visits", "first day 2", "nobody", participant_code="012345679")


@finds("sofa_sum", "visits", "first day 1", "sofa_total")
def component_missing_and_total_too_high(lab: Lab):
    """One component is missing, and even its highest score does not explain the total."""
    lab.put("visits", "first day 1", sofa_renal="", sofa_total="12")


@finds("implausible", "visits", "first day 1", "ferritin")
@finds("implausible", "visits", "second day 1", "ferritin")
def ferritin_of_a_lab_that_reports_micrograms_per_ml(lab: Lab):
    """A laboratory that reports in another unit; the column was filled with ng/mL all the same."""
    lab.put("visits", "first day 1", ferritin="5.2")
    lab.put("visits", "second day 1", ferritin="0.87")


@finds("ambiguous_separator", "visits", "first day 1", "ferritin")
@finds("ambiguous_separator", "visits", "first day 15", "ferritin")
@finds("ambiguous_separator", "visits", "died day 1", "ferritin")
def ferritin_with_the_protocols_thousands_separator(lab: Lab):
    """Every ferritin above a thousand is written as the trial's own registration writes 4.420."""
    for row in ("first day 1", "first day 15", "died day 1"):
        lab.put("visits", row, ferritin="5.210")


@finds("unit_percent", "visits", "first day 1", "hladr_unit")
@finds("unit_percent", "visits", "first day 15", "hladr_unit")
@finds("unit_percent", "visits", "second day 1", "hladr_unit")
@finds("unit_percent", "visits", "died day 1", "hladr_unit")
def hladr_in_percent(lab: Lab):
    """The cytometer of the lab reports percent of positive monocytes, as an earlier trial did."""
    for row in lab.visits.values():
        if row.get("hladr"):
            row |= {"hladr": "28", "hladr_unit": "%"}


@finds("sofa_baseline_low", "visits", "second day 1", "sofa_total")
def score_of_zero_at_baseline(lab: Lab):
    """A score that was not assessed was entered as zero: no sepsis at baseline."""
    zeros = {column: "0" for column in lab.columns["visits"] if column.startswith("sofa_")}
    lab.put("visits", "second day 1", **zeros)
    lab.put("visits", "second day 2", **zeros)


@finds("implausible", "visits", "first day 2", "sofa_total")
def score_that_jumps(lab: Lab):
    """A score of 8 was typed as 20 between one day and the next."""
    lab.put("visits", "first day 2", sofa_total="20")


@finds("contact_before_data", "visits", "first day 15", "visit_day")
def visit_after_the_last_contact(lab: Lab):
    """The last contact was never updated: it is older than a visit."""
    lab.put("participants", "first", last_contact_day="14", discharge_day="14")


@finds("contact_before_data", "manifest", ["rna missed again"], "visit_day")
def sample_after_the_last_contact(lab: Lab):
    """The same, and a sample is younger still."""
    lab.copy("manifest", "olink second", "rna missed again", visit_day="28", pre_dose="", sample_code="600000281",
             well="A04", table_id="SA04")  # fmt: skip
    lab.put("participants", "second", last_contact_day="21")


@finds("visit_not_scheduled", "visits", "day 40", "visit_day")
def telephone_follow_up(lab: Lab):
    """A telephone call on day 40 was entered as a visit."""
    lab.copy("visits", "first day 2", "day 40", visit_day="40")


# ---------------------------------------------------------------------------------------------------------------- sites


@finds("duplicate_key", "sites", ["athens", "again"], "site")
def site_listed_twice(lab: Lab):
    """A site moved to another hospital and was listed again."""
    lab.copy("sites", "athens", "again")


@finds("bad_pattern", "sites", "again", "site")
def site_with_a_dash(lab: Lab):
    """A site was written with a dash."""
    lab.copy("sites", "athens", "again", site="GR-04")


@finds("country_mismatch", "participants", "first", "country")
@finds("country_mismatch", "participants", "died", "country")
def country_in_another_language(lab: Lab):
    """The table of sites names the country in its own language."""
    lab.put("sites", "athens", country="Hellas")
