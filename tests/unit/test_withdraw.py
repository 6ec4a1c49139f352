"""A withdrawal leaves nothing of the participant, everything of the others, and never a state that only looks done."""

import base64
import contextlib
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest
from openpyxl import Workbook, load_workbook

from immunosep import sealed
from immunosep.errors import InputError
from immunosep.intake import check_inputs, load_libraries, write_sample_tables
from immunosep.person import Person, edited, find_person, without_person
from immunosep.scan import Watchlist, codes_of, scan_folder
from immunosep.surrogates import keyed_hash, load_secret
from immunosep.tombstones import epoch, read_tombstones, withdrawals
from immunosep.traces import find_inputs
from immunosep.withdraw import begin, describe_plan, finish, plan
from support.trial import FIRST, SECOND, Trial, codes, sample

SITE, CODE = FIRST["site"], FIRST["participant_code"]
TUBE = "444555666"
NAME, OTHER = f"{SITE}-{CODE}", f"{SECOND['site']}-{SECOND['participant_code']}"
SECRET = b"0" * 64
PERSON = Watchlist(codes=frozenset({CODE.encode(), TUBE.encode()}), general=False)
PLAIN = Person(SITE, CODE, (CODE,))
# What a run leaves: path below the folder of the run -> whether it must go.
RESULTS = {
    "results/README.md": False,
    "results/reference/genome.fa": False,
    f"results/rna/{NAME}-D01-rna/quant.sf": True,
    f"results/rna/{NAME}-D01-rna/{NAME}-D01-rna.fastp.json": True,
    f"results/rna/{OTHER}-D01-rna/quant.sf": False,
    "results/rna/rna.h5ad": True,
    "results/rna/genes.tsv": True,
    "results/intake/rna.tsv": True,
    "results/intake/proteome.tsv": False,
    "results/intake/libraries.tsv": True,
    "results/proteome/proteome.h5ad": False,
    f"results/atac/{OTHER}-D01-atac/counts.npy": True,
    f"results/atac/{OTHER}-D01-atac/fragments.tsv.gz": False,
    "results/integration/weights.tsv": True,
    "results/biomarkers/endotype/model.skops": True,
    "results/biomarkers/endotype/folds.tsv": True,
    "results/figures/04_pca_rna.svg": True,
    "results/a_file_of_tomorrow.bin": True,
    f"logs/rna/quantify_rna/{NAME}-D01-rna.log": True,
    f"logs/rna/quantify_rna/{OTHER}-D01-rna.log": False,
    "logs/rna/build_rna.log": True,
    "logs/reference/index.log": False,
    f"benchmarks/rna/quantify_rna/{NAME}-D01-rna.tsv": True,
    ".snakemake/log/run.snakemake.log": True,
    ".snakemake/log/other.snakemake.log": False,
}
SPEAKING = {"logs/rna/build_rna.log", ".snakemake/log/run.snakemake.log", "results/intake/rna.tsv"}
FOLDS = f"participant\trepeat\tfold\tclass\tdigest\n{NAME}\t1\t1\tMALS\tabc\n{OTHER}\t1\t2\tSII\tabc\n"
KEPT = f"participant\trepeat\tfold\n{OTHER}\t1\t2\n"  # no class: it follows from a sealed label


class Killed(BaseException):
    """The process ends here, whatever the code would do about errors."""


def record(place):
    return ".snakemake/metadata/" + base64.urlsafe_b64encode(place.encode()).decode()


def lay_out(folder):
    """Write a trial and what a run leaves of it below `folder`/run; return the configuration."""
    run = folder / "run"
    trial = Trial(run / "cohort")
    trial.manifest[0] |= {"sample_code": TUBE, "participant_code": CODE}
    trial.manifest[1] |= {"sample_code": TUBE, "participant_code": CODE}
    trial.manifest.append(sample(SECOND, "1", "atac", "atacseq", "pbmc"))
    trial.classification = [
        person | {"ferritin": "9000", "ferritin_unit": "ng/mL", "hladr": "", "hladr_unit": ""}
        for person in (FIRST, SECOND)
    ]
    for key in ("manifest", "sites", "data_root"):
        trial.config[key] = str(Path(trial.config[key]).relative_to(run))
    trial.config["privacy"] = {"secret": str(folder / "secret.key"), "withdrawals": "withdrawals"}
    trial.config["clinical"] = {
        name: f"cohort/clinical/{name}.tsv" if name != "labels" else None for name in trial.config["clinical"]
    }
    trial.config["sealed"] = {
        "classification": "cohort-sealed/classification.tsv",
        "allocation": "cohort-sealed/allocation.tsv",
        "record": "cohort-sealed/unblinding.tsv",
    }
    trial.write()
    (run / "cohort-sealed/classification.tsv").chmod(0o600)
    truth = run / "cohort/truth/counts.tsv"
    truth.parent.mkdir()
    truth.write_text(f"gene\t{NAME}-D01-rna\t{OTHER}-D01-rna\nA\t1\t2\n")
    (run / "cohort/raw/npx.csv").write_text(f"SampleID;NPX\n{NAME}-D01;1\n{OTHER}-D01-olink-plasma;2\n")
    for place, goes in RESULTS.items():
        path = run / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"about {NAME}-D01-rna\n" if goes and place in SPEAKING else "values\n")
    (run / "results/biomarkers/endotype/folds.tsv").write_text(FOLDS)
    for place in (f"results/rna/{NAME}-D01-rna/quant.sf", f"results/rna/{OTHER}-D01-rna/quant.sf"):
        (run / record(place)).parent.mkdir(parents=True, exist_ok=True)
        (run / record(place)).write_text("{}")
    secret = folder / "secret.key"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    return trial


@pytest.fixture
def trial(tmp_path, monkeypatch):
    made = lay_out(tmp_path)
    monkeypatch.chdir(tmp_path / "run")
    return made


def tree():
    """Map every file below the folder to its bytes, the certificate without its time."""
    found = {}
    for path in sorted(Path().rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name.startswith("certificate"):
                content = {key: value for key, value in json.loads(content).items() if key != "when"}
            found[path.as_posix()] = content
    return found


def withdraw(config, *, edit_inputs=True):
    begin(config, SITE, CODE, SECRET)
    return finish(config, edit_inputs=edit_inputs)


def test_a_plan_says_all_and_changes_nothing(trial):
    before = tree()
    said = []
    describe_plan(*plan(trial.config, SITE, CODE), said.append)
    text = "\n".join(said)
    for place, goes in RESULTS.items():
        assert (f"  {place}" in text) is goes, place
    for place in ("cohort/manifest.tsv", "cohort-sealed/classification.tsv", "cohort/raw/lane2_R1.fastq.gz"):
        assert f"  {place}" in text
    assert tree() == before


def test_nothing_of_the_participant_stays_and_all_of_the_others(trial):
    certificate = withdraw(trial.config)
    assert certificate["status"] == "complete"
    assert scan_folder(Path(), PERSON) == []
    left = tree()
    for place, goes in RESULTS.items():
        assert (place not in left) is goes, place
    assert record(f"results/rna/{OTHER}-D01-rna/quant.sf") in left
    assert not Path(f"results/rna/{NAME}-D01-rna").exists()
    assert Path("withdrawals/folds/endotype.tsv").read_text() == KEPT
    assert Path("cohort/truth/counts.tsv").read_text() == f"gene\t{OTHER}-D01-rna\nA\t2\n"
    assert Path("cohort/raw/npx.csv").read_text() == f"SampleID;NPX\n{OTHER}-D01-olink-plasma;2\n"
    assert not list(Path("cohort/raw").glob(f"{NAME}*"))
    assert not Path("cohort/raw/lane2_R1.fastq.gz").exists()  # theirs by the manifest, not by its name
    assert len(list(Path("cohort/raw").glob(f"{OTHER}*"))) > 3
    assert [lib.participant for lib in load_libraries(trial.config).records() if lib.participant] == [OTHER] * 5


def as_workbook(path, cover="Read me"):
    """Turn a TSV into a workbook whose first sheet is a cover; return its path."""
    book = Workbook()
    book.active.title = cover
    book.active.append(["Manifest of the laboratory", "one row per file"])
    sheet = book.create_sheet("Samples")
    for line in path.read_text().splitlines():
        sheet.append(line.split("\t"))
    path.unlink()
    book.save(path.with_suffix(".xlsx"))
    return str(path.with_suffix(".xlsx"))


def test_a_workbook_with_a_cover_is_read_where_the_check_reads_it(trial):
    for name in ("participants", "visits"):
        trial.config["clinical"][name] = as_workbook(Path(trial.config["clinical"][name]))
    trial.config["manifest"] = as_workbook(Path(trial.config["manifest"]))
    assert {(SITE, CODE), (SITE, TUBE)} <= codes_of(trial.config)
    assert withdraw(trial.config)["status"] == "complete"
    assert not Path("cohort/raw/lane2_R1.fastq.gz").exists()  # theirs by the manifest, not by its name
    assert not Path("results/rna/genes.tsv").exists()
    assert scan_folder(Path(), PERSON) == []


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_has_left_the_manifest_is_known_from_the_last_run(trial, elsewhere):
    write_sample_tables(
        trial.config, **{n: f"results/intake/{n}.tsv" for n in ("libraries", "rejected", "completeness")}
    )
    trial.folder, trial.sealed = Path("cohort"), Path("cohort-sealed")
    mine = [row for row in trial.manifest if row.get("participant_code") == CODE]
    trial.manifest = [row for row in trial.manifest if row not in mine]
    if elsewhere:  # the second lane was entered for the wrong participant, and is the other's
        trial.manifest.append(trial.manifest[0] | {name: mine[1][name] for name in ("fastq_1", "fastq_2", "run")})
    trial.write_tables()
    certificate = withdraw(trial.config)
    assert certificate["status"] == "complete"
    assert certificate["inputs"]["raw_files"] == (4 if elsewhere else 6)
    assert Path("cohort/raw/lane2_R1.fastq.gz").exists() is elsewhere
    assert not Path("results/rna/genes.tsv").exists()
    assert scan_folder(Path(), PERSON) == []


ELSEWHERE = {
    "dry/classification.tsv": f"site\tparticipant_code\n{SITE}\t{CODE}\n",
    "old/participants.csv": f"{SITE};{CODE}\n",
    f"cohort-copy/{NAME}/reads.fastq.gz": "reads",
    "cohort-copy/notes.md": f"tube {TUBE} was thawed",
    "withdrawals/.x.partial": CODE,  # the journal, half written by a process that was killed
    "dry/of_another.tsv": f"site\tparticipant_code\n{OTHER}\n",
}


@pytest.mark.parametrize("data_root", [".", "cohort"])
def test_copies_elsewhere_in_the_folder_keep_it_from_being_complete(trial, caplog, data_root):
    if data_root == ".":
        for row in trial.manifest:
            row |= {name: f"cohort/{row[name]}" for name in ("fastq_1", "fastq_2", "table") if row.get(name)}
        trial.folder, trial.sealed = Path("cohort"), Path("cohort-sealed")
        trial.write_tables()
        for place in ("cohort/truth/counts.tsv", "cohort/raw/npx.csv"):  # with rows and columns that no table names
            Path(place).unlink()
    trial.config["data_root"] = data_root
    for place, text in ELSEWHERE.items():
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text(text)
    held = set(ELSEWHERE) - {"dry/of_another.tsv"}
    assert set(plan(trial.config, SITE, CODE)[2].other) == held
    certificate = withdraw(trial.config)
    assert (certificate["status"], certificate["inputs_pending"]) == ("inputs pending", len(held))
    assert "dry/classification.tsv" in caplog.text
    assert CODE not in caplog.text
    for place in held:
        Path(place).unlink()
    Path(f"cohort-copy/{NAME}").rmdir()
    assert finish(trial.config, edit_inputs=True)["status"] == "complete"
    assert scan_folder(Path(), PERSON) == []


def test_what_cannot_be_opened_is_told_and_counted(trial, caplog):
    closed = ["cohort/raw/old.h5ad", "notes/table.7z"]
    for place, start in zip(closed, (b"\x89HDF\r\n\x1a\n broken", b"7z\xbc\xaf\x27\x1c"), strict=True):
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).write_bytes(start)
    planned = plan(trial.config, SITE, CODE)
    assert planned[2].closed == closed
    said = []
    describe_plan(*planned, said.append)
    assert said[-3:] == ["Files that cannot be opened, and may hold the participant (2)", *(f"  {p}" for p in closed)]
    certificate = withdraw(trial.config)
    assert (certificate["status"], certificate["files_not_opened"]) == ("complete", 2)
    assert all(place in caplog.text for place in closed)


def test_a_manifest_that_cannot_be_read_is_not_taken_for_empty(trial):
    Path("cohort/manifest.xlsx").write_bytes(b"PK\x03\x04 broken")
    trial.config["manifest"] = "cohort/manifest.xlsx"
    with pytest.raises(InputError, match=r"manifest\.xlsx.*cannot be told without it"):
        plan(trial.config, SITE, CODE)


def test_the_certificate_counts_and_names_nobody(trial):
    certificate = withdraw(trial.config)
    text = Path("withdrawals/certificate_1.json").read_text()
    assert json.loads(text) == certificate
    assert CODE not in text
    assert keyed_hash(SECRET, SITE, CODE) not in text
    assert certificate["epoch"] == epoch(trial.config) == 1
    assert certificate["tombstone_sha256"] == sealed.sha256(keyed_hash(SECRET, SITE, CODE).encode())
    assert certificate["deleted"] == {"libraries": 2, "cohort": 10, "logs": 3, "records": 2}
    assert certificate["inputs"]["tables"] == 6  # manifest, participants, visits, classification, truth; and the NPX
    assert certificate["folds_kept"] == ["endotype"]
    assert certificate["files_not_opened"] == 0


def test_without_the_inputs_it_stays_unfinished(trial):
    certificate = withdraw(trial.config, edit_inputs=False)
    assert certificate["status"] == "inputs pending"
    assert certificate["inputs_pending"] >= 5
    with pytest.raises(InputError, match="unfinished"):
        load_libraries(trial.config)
    assert finish(trial.config, edit_inputs=True)["status"] == "complete"
    assert scan_folder(Path(), PERSON) == []


def test_a_tombstone_blocks_the_way_back(trial):
    withdraw(trial.config)
    trial.folder, trial.sealed = Path("cohort"), Path("cohort-sealed")
    trial.write()
    libraries, findings = check_inputs(trial.config)
    assert codes(findings).count("withdrawn_participant") == 2  # manifest and participants
    assert len(libraries) == 0
    assert CODE not in " ".join(f.problem + f.value for f in findings if f.code == "withdrawn_participant")
    with pytest.raises(InputError, match="has withdrawn"):
        load_libraries(trial.config)


def ready_matrix(path, names, **columns):
    data = anndata.AnnData(np.ones((len(names), 1)))
    data.obs_names = names
    for column, values in columns.items():
        data.obs[column] = values
    data.write_h5ad(path)


def ready_table(path, names):
    text = "\n".join(["observation\tIL6", *(f"{name}\t1" for name in names)]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


MATRICES = {
    "named.h5ad": lambda path: ready_matrix(path, [f"{NAME}-D01", f"{OTHER}-D01"]),
    "column.h5ad": lambda path: ready_matrix(path, ["a", "b"], participant=[OTHER, NAME]),
    "table.tsv": lambda path: ready_table(path, [f"{NAME}-D01", f"{OTHER}-D01"]),
    "packed.tsv.gz": lambda path: ready_table(path, [OTHER, f"{SITE}_{CODE}"]),
    "of_others.tsv": lambda path: ready_table(path, [f"{OTHER}-D01", f"{SECOND['site']}-{CODE}"]),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("with_manifest", [True, False])
def test_a_tombstone_blocks_the_way_back_through_a_ready_matrix(trial, name, with_manifest):
    withdraw(trial.config)
    MATRICES[name](Path(name))
    trial.config["layers"] = {"proteome": {"enabled": True, "matrix": name}}
    if not with_manifest:
        trial.config |= {"manifest": None, "clinical": dict.fromkeys(trial.config["clinical"])}
    told = [f for f in check_inputs(trial.config)[1] if f.code == "withdrawn_participant"]
    assert [f.file for f in told] == ([] if name == "of_others.tsv" else [name])
    assert CODE not in " ".join(f.problem + f.value for f in told)
    if told:
        with pytest.raises(InputError, match="has withdrawn"):
            load_libraries(trial.config)
        assert trial.config["layers"]["proteome"]["matrix"] in find_inputs(trial.config, PLAIN).paths()


def test_a_tombstone_blocks_the_way_back_through_a_ready_label_table(trial):
    withdraw(trial.config)
    Path("labels.tsv").write_text(f"participant\ticu\n{OTHER}\tyes\n{NAME}\tno\n")
    trial.config["clinical"]["labels"] = "labels.tsv"
    with pytest.raises(InputError, match=r"labels\.tsv[\s\S]*has withdrawn") as error:
        load_libraries(trial.config)
    assert CODE not in str(error.value)


def test_a_matrix_whose_rows_have_no_names_is_no_clean_bill(trial):
    withdraw(trial.config)
    trial.config["layers"] = {"rna": {"enabled": True, "matrix": "rna.h5ad"}}
    Path("rna.h5ad").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"rna\.h5ad: the names of its rows cannot be read"):
        load_libraries(trial.config)


def test_tombstones_without_their_secret_are_no_clean_bill(trial):
    withdraw(trial.config)
    Path(trial.config["privacy"]["secret"]).unlink()
    with pytest.raises(InputError, match="secret"):
        load_libraries(trial.config)


def test_a_damaged_list_of_tombstones_is_told(trial):
    withdraw(trial.config)
    stones = withdrawals(trial.config).tombstones
    stones.write_text(stones.read_text() + "2\tshort\n")
    with pytest.raises(InputError, match="line 3 is damaged"):
        load_libraries(trial.config)


def test_nobody_and_the_same_person_again(trial):
    with pytest.raises(InputError, match="Nothing is known"):
        begin(trial.config, SITE, "999999999", SECRET)
    withdraw(trial.config)
    with pytest.raises(InputError, match="withdrawn before"):
        begin(trial.config, SITE, CODE, SECRET)


def test_two_withdrawals_follow_each_other(trial):
    withdraw(trial.config)
    begin(trial.config, SECOND["site"], SECOND["participant_code"], SECRET)
    assert finish(trial.config, edit_inputs=True)["epoch"] == 2
    assert len(read_tombstones(withdrawals(trial.config).tombstones)) == 2
    kept = Path("withdrawals/folds/endotype.tsv")
    assert not kept.exists() or SECOND["participant_code"] not in kept.read_text()
    everybody = Watchlist(codes=PERSON.codes | {SECOND["participant_code"].encode()}, general=False)
    assert scan_folder(Path(), everybody) == []


def test_not_while_snakemake_works(trial):
    Path(".snakemake/locks").mkdir()
    Path(".snakemake/locks/0.input.lock").touch()
    with pytest.raises(InputError, match="Snakemake works"):
        begin(trial.config, SITE, CODE, SECRET)


def test_the_same_code_at_another_site_is_another_person(trial):
    other = {"site": SECOND["site"], "participant_code": CODE}
    trial.folder, trial.sealed = Path("cohort"), Path("cohort-sealed")
    trial.manifest.append(sample(other, "1", "rna", "rnaseq", "whole_blood", well="H12"))
    trial.participants.append(trial.participants[1] | other)
    trial.write()
    withdraw(trial.config)
    people = {lib.participant for lib in load_libraries(trial.config).records()} - {""}
    assert people == {OTHER, f"{SECOND['site']}-{CODE}"}
    theirs = Watchlist(people=frozenset({(SITE.encode(), CODE.encode())}), general=False)
    assert scan_folder(Path(), theirs) == []


def test_a_sealed_table_stays_unsealed_for_those_who_opened_it(trial):
    trial.config["role"] = "endotype"
    sealed.unseal(trial.config, "endotype", "unblinded statistician")
    before = sealed.open_sealed(trial.config)[0]["classification"].data
    withdraw(trial.config)
    tables, findings = sealed.open_sealed(trial.config)
    assert findings == [] or codes(findings) == ["sealed_misplaced"]
    assert tables["classification"].data == before.replace(
        next(line for line in before.splitlines(keepends=True) if CODE.encode() in line), b""
    )
    assert Path("cohort-sealed/classification.tsv").stat().st_mode & 0o777 == 0o600


STEPS = {"unlink": (Path, "unlink"), "replace": (Path, "replace"), "fsync": (os, "fsync"), "rmdir": (Path, "rmdir")}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Killed()])
@pytest.mark.parametrize("step", STEPS)
def test_any_interruption_can_be_resumed(tmp_path, monkeypatch, step, error):
    """Calls that change the disk fail, one in each run; going on ends in the same tree."""
    whole = tmp_path / "whole"
    config = lay_out(whole).config
    monkeypatch.chdir(whole / "run")
    withdraw(config)
    expected = tree()
    owner, name = STEPS[step]
    real = getattr(owner, name)
    for failing in [*range(1, 6), *range(6, 90, 4)]:
        folder = tmp_path / str(failing)
        config = lay_out(folder).config
        monkeypatch.chdir(folder / "run")
        before = tree()
        calls = 0

        def fails(*arguments, failing=failing, **keywords):
            nonlocal calls
            calls += 1
            if calls == failing:
                raise error
            return real(*arguments, **keywords)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fails)
            with contextlib.suppress(InputError, OSError, Killed):
                withdraw(config)
        _assert_honest(config, before)
        if withdrawals(config).journal.exists():
            finish(config, edit_inputs=True)
        elif not epoch(config):
            withdraw(config)
        after = tree()
        for content in (after, expected):
            content.pop("withdrawals/certificate_1.json", None)  # counts of an interrupted run may be lower
        assert after == expected
        shutil.rmtree(folder)
        if calls < failing:
            assert failing > 1
            return
    raise AssertionError("the last step was not reached")


def _assert_honest(config, before):
    """Either nothing was deleted, or the journal says that work is under way, or the work is done."""
    state = withdrawals(config)
    certificate = state.folder / "certificate_1.json"
    done = certificate.exists() and json.loads(certificate.read_text())["status"] == "complete"
    if done:
        assert scan_folder(Path(), PERSON) == []
    gone = set(before) - set(tree())
    if gone:
        assert read_tombstones(state.tombstones)
        assert done or state.journal.exists()
    if state.journal.exists():
        with pytest.raises(InputError, match="unfinished"):
            load_libraries(config)


@pytest.mark.parametrize("failing", [1, 4, 12, 25])
def test_a_killed_process_leaves_a_state_to_resume(tmp_path, monkeypatch, failing):
    config = lay_out(tmp_path).config
    monkeypatch.chdir(tmp_path / "run")
    Path(tmp_path / "config.json").write_text(json.dumps(config))
    program = f"""
import json, os, signal, pathlib
from immunosep.withdraw import begin, finish
config = json.loads(pathlib.Path({str(tmp_path / "config.json")!r}).read_text())
real, calls = pathlib.Path.unlink, 0
def unlink(self, *arguments, **keywords):
    global calls
    calls += 1
    if calls == {failing}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *arguments, **keywords)
pathlib.Path.unlink = unlink
begin(config, {SITE!r}, {CODE!r}, {SECRET!r})
finish(config, edit_inputs=True)
"""
    before = tree()
    killed = subprocess.run([sys.executable, "-c", program], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    _assert_honest(config, before)
    begin(config, SITE, CODE, SECRET)
    assert finish(config, edit_inputs=True)["status"] == "complete"
    assert scan_folder(Path(), PERSON) == []


@pytest.mark.parametrize(
    ("before", "after", "ids"),
    [
        (
            f"site\tday\tsample_code\n{SITE}\t1\t{CODE}\nDE01\t1\t{CODE}\n",
            f"site\tday\tsample_code\nDE01\t1\t{CODE}\n",
            (),
        ),
        ("SampleID;NPX\r\nS-17;1\r\nS-18;2\r\n", "SampleID;NPX\r\nS-18;2\r\n", ("S-17",)),
        ("gene,S-17,S-18\nA,1,2\n", "gene,S-18\nA,2\n", ("S-17",)),
        (f'x\ty\n"{NAME}_D01"\t1\n', "x\ty\n", ()),
        ("x\ty\n1\t2\n", "x\ty\n1\t2\n", ("S-17",)),
        (f"\ufeffsite;day;sample_code\n{SITE};1;{CODE}\n", "\ufeffsite;day;sample_code\n", ()),
        (f"sep=;\n\nsite;day;sample_code\n{SITE};1;{CODE}\n", "sep=;\n\nsite;day;sample_code\n", ()),
        (
            f'site,note,"a;b",sample_code\n{SITE},"thawed, twice",x,{CODE}\nDE01,"a, b",x,{CODE}\n',
            f'site,note,"a;b",sample_code\nDE01,"a, b",x,{CODE}\n',
            (),
        ),
        (f"site,ph,sample_code\n{SITE},7,4,{CODE}\n", "site,ph,sample_code\n", ()),
        ('note,S-17,S-18\n"one, two",1,2\n', 'note,S-18\n"one, two",2\n', ("S-17",)),
    ],
)
@pytest.mark.parametrize(
    ("pack", "unpack"),
    [
        (str.encode, bytes.decode),
        (lambda text: gzip.compress(text.encode(), mtime=0), lambda data: gzip.decompress(data).decode()),
        (lambda text: text.encode("utf-16"), lambda data: data.decode("utf-16")),
    ],
)
def test_rows_and_columns_are_taken_out(trial, before, after, ids, pack, unpack):
    trial.folder, trial.sealed = Path("cohort"), Path("cohort-sealed")
    trial.participants.append(trial.participants[1] | {"site": "DE01", "participant_code": CODE})
    trial.write_tables()
    person = find_person(trial.config, SITE, CODE)
    assert person.shared == (CODE,)
    table, taken = without_person(pack(before), person, ids)
    assert unpack(table) == after
    assert bool(taken) is (before != after)


def test_workbooks_and_matrices_lose_their_rows(trial, tmp_path):
    person = find_person(trial.config, SITE, CODE)
    book = Workbook()
    rows = [
        (None, None, None),
        ("site", "day", "sample_code"),
        (SITE, "1\t", TUBE),
        (SECOND["site"], 1, SECOND["participant_code"]),
        (SITE, 1, "1"),
    ]
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "manifest.xlsx")
    content, taken = edited(tmp_path / "manifest.xlsx", replace(person, shared=person.codes))
    assert taken == 1
    left = load_workbook(io.BytesIO(content)).active
    assert list(left.iter_rows(values_only=True)) == [*rows[:2], *rows[3:]]

    data = anndata.AnnData(np.arange(6.0).reshape(3, 2))
    data.obs_names = [f"{OTHER}-D01", f"{NAME}-D01", "control"]
    data.obs["participant"] = [OTHER, NAME, ""]
    data.write_h5ad(tmp_path / "rna.h5ad")
    content, taken = edited(tmp_path / "rna.h5ad", person)
    assert taken == 1
    (tmp_path / "rna.h5ad").write_bytes(content)
    assert anndata.read_h5ad(tmp_path / "rna.h5ad").X.tolist() == [[0, 1], [4, 5]]
    assert edited(tmp_path / "rna.h5ad", person) == (b"", 0)
    assert scan_folder(tmp_path / "rna.h5ad", PERSON) == []


def test_the_secret_is_made_once_and_kept_apart(tmp_path, caplog):
    path = tmp_path / "settings/secret.key"
    with pytest.raises(InputError, match="not at"):
        load_secret(path)
    first = load_secret(path, create=True)
    assert str(path) in caplog.text
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_secret(path, create=True) == first
    with pytest.raises(InputError, match="lies inside"):
        load_secret(path, outside=[tmp_path])
    path.chmod(0o640)
    with pytest.raises(InputError, match="0600"):
        load_secret(path)
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(InputError, match="shorter"):
        load_secret(path)
