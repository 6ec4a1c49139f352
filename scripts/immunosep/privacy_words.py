"""Words of column names that give away a person or a treatment, without accents and in small letters.

In the languages of the trial's countries and their neighbours: English, German, Dutch, French, Italian, Romanian,
Spanish, and Greek in both scripts.
"""

import re
from typing import Final

PERSONAL: Final = frozenset({
    "surname", "firstname", "lastname", "forename", "forenames", "familyname", "fullname", "givenname", "maiden",
    "initials", "initial", "dob", "birth", "birthdate", "birthday", "birthplace", "born", "date", "dates", "datetime",
    "timestamp", "mrn", "ssn", "amka", "bsn", "nhs", "insurance", "passport", "email", "mail", "phone", "telephone",
    "tel", "mobile", "cellphone", "gsm", "fax", "address", "addresses", "street", "postcode", "postal", "postalcode",
    "zip", "zipcode", "city", "town", "comment", "comments", "note", "notes", "remark", "remarks", "freetext", "text",
    "pregnant", "pregnancy", "lactation", "gravid", "contraception", "hiv", "ethnicity", "race", "religion",
    "occupation", "physician", "doctor", "nurse", "nationality", "relative", "kin", "signature", "photo", "photograph",
    "vorname", "nachname", "familienname", "geburtstag", "geburtsdatum", "geburtsort", "geboren", "geburt", "datum",
    "aufnahmedatum", "adresse", "strasse", "anschrift", "wohnort", "postleitzahl", "plz", "telefon", "handy",
    "fallnummer", "bemerkung", "bemerkungen", "kommentar", "schwanger", "schwangerschaft", "arzt", "krankenkasse",
    "versichertennummer", "ahv", "voornaam", "achternaam", "geboortedatum", "geboorte", "geboorteplaats", "adres",
    "straat", "woonplaats", "telefoon", "opmerking", "opmerkingen", "toelichting", "zwanger", "huisarts", "prenom",
    "prenoms", "naissance", "courriel", "rue", "commentaire", "commentaires", "remarque", "remarques", "enceinte",
    "grossesse", "ville", "cognome", "nascita", "indirizzo", "telefono", "cellulare", "codicefiscale",
    "fiscale", "commento", "commenti", "nota", "osservazioni", "gravidanza", "incinta", "citta",
    "nume", "prenume", "nastere", "nascut", "adresa", "strada", "comentarii", "observatii", "sarcina",
    "gravida", "localitate", "oras", "nombre", "nombres", "apellido", "apellidos", "nacimiento", "nacido", "fecha",
    "fechas", "correo", "direccion", "calle", "codigopostal", "movil", "comentario", "comentarios", "observaciones",
    "embarazo", "embarazada", "ciudad", "onoma", "eponymo", "epwnymo", "onomateponymo", "gennisi", "gennisis",
    "gennhshs", "imerominia", "hmeromhnia", "diefthinsi", "dieuthinsi", "tilefono", "thlefwno", "tk", "sxolia",
    "scholia", "egkyos", "egkymosini", "kinito", "ονομα", "επωνυμο", "επιθετο", "ονοματεπωνυμο", "γεννηση", "γεννησης",
    "ημερομηνια", "ημερομηνιας", "ημνια", "διευθυνση", "οδος", "πολη", "ταχυδρομικος", "τηλεφωνο", "κινητο", "σχολια",
    "σχολιο", "παρατηρησεις", "παρατηρηση", "εγκυος", "εγκυμοσυνη", "κυηση", "αμκα", "ιατρος", "γιατρος", "πατρωνυμο",
    "μητρωνυμο",
})  # fmt: skip
# Long enough to be told inside compounds (Geburtsdatum, Patientenname, dataNasterii).
PERSONAL_STEMS: Final = (
    "geburts", "patientenname", "patientname", "patientnaam", "patientenid", "patientennummer", "krankenhausnummer",
    "nompatient", "nomepaziente", "naissance", "nacimiento", "naster", "nascita", "geboorte", "γεννησ", "ονοματ",
    "telefon", "adress",
)  # fmt: skip
# A name is personal unless the header says whose: of a gene, a file, an instrument.
NAMES: Final = frozenset({"name", "names", "naam", "nom", "noms", "nome", "nominativo"})
THINGS: Final = frozenset({
    "gene", "genes", "protein", "proteins", "assay", "analyte", "panel", "software", "file", "filename", "instrument",
    "column", "species", "taxon", "taxonomy", "feature", "compound", "metabolite", "lipid", "marker", "antibody",
    "channel", "run", "project", "study", "plate", "batch", "sample", "library", "method", "kit", "array", "platform",
    "chip", "reagent", "variable", "center", "centre", "lab", "laboratory", "dataset", "pathway", "common",
    "scientific", "short", "display", "symbol", "entry", "product", "normalization", "abx", "antibiotic", "geo", "loc",
    "layer", "site", "primer", "barcode", "linker", "group", "condition", "panellot", "body",
})  # fmt: skip
RECORD_NUMBER: Final = re.compile(
    r"(?:patient|pat|hospital|medical|record|chart|case|clinic|krankenhaus|fall|dossier|cartella|historia|foaie)"
    r"[ _.-]?(?:record|chart|id|clinica|clinique)?[ _.-]?(?:number|numbers|no|nr|num|nummer|numero)"
)
TREATMENT: Final = frozenset({
    "arm", "arms", "treatment", "treatments", "treat", "treated", "trt", "drug", "drugs", "anakinra", "kineret",
    "interferon", "ifn", "ifng", "rhifn", "imukin", "imukine", "immukine", "actimmune", "placebo", "dose", "doses",
    "dosage", "dosing", "dosis", "allocation", "allocated", "assignment", "assigned", "randomisationarm",
    "randomizationarm", "unblinded", "unblinding", "therapy", "immunotherapy", "verum", "intervention", "behandlung",
    "behandlungsarm", "medikament", "dosierung", "zuteilung", "behandeling", "behandelarm", "medicatie", "traitement",
    "bras", "medicament", "trattamento", "braccio", "farmaco", "dosaggio", "tratament", "brat", "tratamiento", "brazo",
    "θεραπεια", "βραχιονας", "φαρμακο", "δοση", "αγωγη",
})  # fmt: skip
NOT_TREATMENT: Final = (
    frozenset({"pre", "dose"}),
    frozenset({"since", "dose", "hours"}),
    frozenset({"assigned", "fragments"}),  # a metric of the RNA libraries
)
