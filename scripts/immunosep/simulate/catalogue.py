"""What the synthetic molecules are called: gene symbols by chromosome, Olink assays, genera and their home."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path

GENE_SETS = Path(__file__).resolve().parents[3] / "resources" / "gene_sets.tsv"


def words(text: str) -> tuple[str, ...]:
    """Split a list written as one text."""
    return tuple(text.split())


X_GENES = words("XIST BTK ALAS2 ZBTB33 DDX3X KDM6A ZFX RPS4X PGK1 CYBB IL2RG CD40LG FOXP3 CXCR3 TIMP1 WAS TLR7")
Y_GENES = words("RPS4Y1 DDX3Y UTY KDM5D EIF1AY USP9Y ZFY NLGN4Y TMSB4Y")
MITOCHONDRIAL_GENES = words("MT-ND1 MT-ND2 MT-CO1 MT-CO2 MT-ATP6 MT-CO3 MT-ND4 MT-ND5 MT-CYB MT-ND6")
OTHER_GENES = words(
    "ACTB GAPDH B2M EEF1A1 RPLP0 TPT1 PTPRC LYZ CST3 CSTA FCN1 VCAN CD14 ITGAM ITGAX CSF3R FCGR3B CXCR2 CXCR1 SELL MPO "
    "ELANE PRTN3 BPI MMP8 MMP9 CD177 S100A4 S100A6 TYROBP FCER1G LST1 AIF1 NCF2 CYBA TLR2 TLR4 MYD88 IRAK3 NLRP3 IL1B "
    "IL10 TNF CXCL8 IL6R IL7R CCR7 LEF1 TCF7 CD8A CD8B CD4 GZMB PRF1 NKG7 GNLY MS4A1 CD79A CD79B JCHAIN MX1 IFIT1 "
    "IFI44L ISG15 OAS1 IFITM3 CD274 PDCD1 LAG3 TIGIT HAVCR2 CX3CR1 CXCL11"
)
GENES_IN_TOTAL = 300

# Olink assay: UniProt accession. Symbols repeated over panels carry one OlinkID per panel.
PROTEINS = dict(
    pair.split(":")
    for pair in words(
        "IL6:P05231 CXCL8:P10145 TNF:P01375 IL1RN:P18510 IFNG:P01579 CXCL9:Q07325 CXCL10:P02778 CXCL11:O14625 "
        "IL18:Q14116 IL18BP:O95998 CD163:Q86VB7 FTH1:P02794 IL2RA:P01589 IL10:P22301 CCL2:P13500 CCL3:P10147 "
        "CCL4:P13236 CCL7:P80098 CCL8:P80075 CCL11:P51671 CCL13:Q99616 CCL17:Q92583 CCL19:Q99731 CCL20:P78556 "
        "CCL23:P55773 CCL25:O15444 CCL28:Q9NRJ3 CXCL1:P09341 CXCL5:P42830 "
        "CXCL6:P80162 CX3CL1:P78423 CSF1:P09603 CSF2:P04141 "
        "CSF3:P09919 IL1A:P01583 IL1B:P01584 IL2:P60568 IL4:P05112 IL5:P05113 IL7:P13232 IL12B:P29460 IL13:P35225 "
        "IL15:P40933 IL15RA:Q13261 IL17A:Q16552 IL17C:Q9P0M4 IL20:Q9NYY1 IL22:Q9GZX6 IL24:Q13007 IL33:O95760 "
        "IL10RA:Q13651 IL10RB:Q08334 IL18R1:Q13478 IL22RA1:Q8N6P7 LIF:P15018 LIFR:P42702 OSM:P13725 TNFSF10:P50591 "
        "TNFSF11:O14788 TNFSF12:O43508 TNFSF14:O43557 TNFRSF9:Q07011 TNFRSF11B:O00300 TGFA:P01135 TGFB1:P01137 "
        "TSLP:Q969D9 VEGFA:P15692 HGF:P14210 FGF19:O95750 FGF21:Q9NSA1 FGF23:Q9GZV9 FLT3LG:P49771 KITLG:P21583 "
        "GDNF:P39905 NGF:P01138 NTF3:P20783 BDNF:P23560 MMP1:P03956 MMP10:P09238 PLAU:P00749 CD274:Q9NZQ7 CD5:P06127 "
        "CD6:P30203 CD8A:P01732 CD40:P25942 CD244:Q9BZW8 CDCP1:Q9H5V8 CASP8:Q14790 CST5:P28325 EIF4EBP1:Q13541 "
        "ADA:P00813 AXIN1:O15169 SIRT2:Q8IXJ6 S100A12:P80511 LCN2:P80188 MPO:P05164 ANGPT2:O15123 CALCA:P01258 "
        "PLAUR:Q03405 TREM1:Q9NP99 CD14:P08571 GZMB:P10144"
    )
)
REPEATED_PROTEINS = {
    "IL6": ("Cardiometabolic", "Oncology"),
    "CXCL8": ("Cardiometabolic", "Oncology"),
    "TNF": ("Cardiometabolic", "Oncology"),
}

# Genus: lineage and mean share (percent) in nares, mouth and rectum.
_FIRMICUTES, _PROTEO, _ACTINO, _GAMMA = "Firmicutes", "Proteobacteria", "Actinobacteriota", "Gammaproteobacteria"
GENERA: dict[str, tuple[tuple[str, str, str, str], tuple[float, float, float]]] = {
    "Corynebacterium": ((_ACTINO, "Actinobacteria", "Corynebacteriales", "Corynebacteriaceae"), (32, 0.5, 0.3)),
    "Staphylococcus": ((_FIRMICUTES, "Bacilli", "Staphylococcales", "Staphylococcaceae"), (28, 0.8, 0.8)),
    "Dolosigranulum": ((_FIRMICUTES, "Bacilli", "Lactobacillales", "Carnobacteriaceae"), (12, 0.1, 0)),
    "Cutibacterium": ((_ACTINO, "Actinobacteria", "Propionibacteriales", "Propionibacteriaceae"), (10, 0.1, 0)),
    "Moraxella": ((_PROTEO, _GAMMA, "Pseudomonadales", "Moraxellaceae"), (8, 0.2, 0)),
    "Streptococcus": ((_FIRMICUTES, "Bacilli", "Lactobacillales", "Streptococcaceae"), (5, 34, 1.5)),
    "Veillonella": ((_FIRMICUTES, "Negativicutes", "Veillonellales-Selenomonadales", "Veillonellaceae"), (0.5, 15, 1)),
    "Prevotella": (("Bacteroidota", "Bacteroidia", "Bacteroidales", "Prevotellaceae"), (0.5, 13, 4)),
    "Rothia": ((_ACTINO, "Actinobacteria", "Micrococcales", "Micrococcaceae"), (0.5, 9, 0)),
    "Haemophilus": ((_PROTEO, _GAMMA, "Pasteurellales", "Pasteurellaceae"), (1, 7, 0)),
    "Neisseria": ((_PROTEO, _GAMMA, "Burkholderiales", "Neisseriaceae"), (0.5, 7, 0)),
    "Fusobacterium": (("Fusobacteriota", "Fusobacteriia", "Fusobacteriales", "Fusobacteriaceae"), (0, 6, 0.3)),
    "Gemella": ((_FIRMICUTES, "Bacilli", "Staphylococcales", "Gemellaceae"), (0.5, 4, 0)),
    "Bacteroides": (("Bacteroidota", "Bacteroidia", "Bacteroidales", "Bacteroidaceae"), (0, 0.1, 22)),
    "Enterococcus": ((_FIRMICUTES, "Bacilli", "Lactobacillales", "Enterococcaceae"), (0.2, 1.5, 18)),
    "Escherichia-Shigella": ((_PROTEO, _GAMMA, "Enterobacterales", "Enterobacteriaceae"), (0.2, 0.5, 13)),
    "Klebsiella": ((_PROTEO, _GAMMA, "Enterobacterales", "Enterobacteriaceae"), (0.3, 1, 7)),
    "Faecalibacterium": ((_FIRMICUTES, "Clostridia", "Oscillospirales", "Ruminococcaceae"), (0, 0, 8)),
    "Blautia": ((_FIRMICUTES, "Clostridia", "Lachnospirales", "Lachnospiraceae"), (0, 0, 7)),
    "Bifidobacterium": ((_ACTINO, "Actinobacteria", "Bifidobacteriales", "Bifidobacteriaceae"), (0, 0.3, 5)),
    "Akkermansia": (("Verrucomicrobiota", "Verrucomicrobiae", "Verrucomicrobiales", "Akkermansiaceae"), (0, 0, 4)),
    "Lactobacillus": ((_FIRMICUTES, "Bacilli", "Lactobacillales", "Lactobacillaceae"), (0.1, 0.6, 3)),
    "Roseburia": ((_FIRMICUTES, "Clostridia", "Lachnospirales", "Lachnospiraceae"), (0, 0, 3)),
    "Finegoldia": ((_FIRMICUTES, "Clostridia", "Peptostreptococcales-Tissierellales", "Peptoniphilaceae"), (1, 0, 2)),
    # Not part of any body site: kit contaminants, and two that only the mock community holds.
    "Ralstonia": ((_PROTEO, _GAMMA, "Burkholderiales", "Burkholderiaceae"), (0, 0, 0)),
    "Bradyrhizobium": ((_PROTEO, "Alphaproteobacteria", "Rhizobiales", "Xanthobacteraceae"), (0, 0, 0)),
    "Listeria": ((_FIRMICUTES, "Bacilli", "Lactobacillales", "Listeriaceae"), (0, 0, 0)),
    "Pseudomonas": ((_PROTEO, _GAMMA, "Pseudomonadales", "Pseudomonadaceae"), (0.2, 0.2, 0.2)),
}  # fmt: skip
BODY_SITE_ORDER = ("nares", "oral", "rectum")
CONTAMINANTS = ("Ralstonia", "Bradyrhizobium", "Cutibacterium")
MOCK = (
    "Listeria",
    "Pseudomonas",
    "Staphylococcus",
    "Enterococcus",
    "Lactobacillus",
    "Escherichia-Shigella",
    "Bacteroides",
    "Streptococcus",
)
RECTAL_ENDOTYPE_TAXA = {
    "Enterococcus": 1.8,
    "Faecalibacterium": -1.8,
    "Blautia": -1.4,
    "Klebsiella": 1.5,
    "Bifidobacterium": -1.5,
}


@cache
def gene_sets() -> dict[str, tuple[str, ...]]:
    """Read the tracked gene sets: name to symbols, in the order of the file."""
    sets: dict[str, list[str]] = {}
    with GENE_SETS.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            sets.setdefault(row["gene_set"], []).append(row["symbol"])
    return {name: tuple(symbols) for name, symbols in sets.items()}


def members(*names: str) -> list[str]:
    """Return the symbols of the named gene sets, each once, in order."""
    return list(dict.fromkeys(symbol for name in names for symbol in gene_sets()[name]))


def genes_by_chromosome() -> dict[str, tuple[str, ...]]:
    """Place all gene symbols: X, Y and mitochondrial genes where they belong, the rest over chr1 to chr5 in blocks.

    The MHC class II genes stay together on one chromosome.
    """
    elsewhere = {*X_GENES, *Y_GENES, *MITOCHONDRIAL_GENES}
    signature = [symbol for symbol in _unique(gene_sets().values()) if symbol not in elsewhere]
    mhc = [symbol for symbol in signature if symbol.startswith("HLA-")]
    rest = [symbol for symbol in signature if symbol not in mhc]
    room = GENES_IN_TOTAL - len(elsewhere) - len(signature)
    fillers = [symbol for symbol in OTHER_GENES if symbol not in signature and symbol not in elsewhere][:room]
    autosomal = [*rest, *fillers, *mhc]
    size = -(-len(autosomal) // 5)
    placed = {f"chr{k + 1}": tuple(autosomal[k * size : (k + 1) * size]) for k in range(5)}
    return placed | {"chrX": X_GENES, "chrY": Y_GENES, "chrM": MITOCHONDRIAL_GENES}


def _unique(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(symbol for group in groups for symbol in group))
