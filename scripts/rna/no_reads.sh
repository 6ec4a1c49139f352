#!/usr/bin/env bash
# Write what salmon leaves out for a library of which no read mapped: an abundance table without rows, no strands, and
# the numbers of reads where salmon got far enough to know them. Argument: the library's folder.
set -euo pipefail

folder=$1
mkdir -p "$folder/aux_info"
printf 'Name\tLength\tEffectiveLength\tTPM\tNumReads\n' > "$folder/quant.sf"
printf '{"expected_format": ""}\n' > "$folder/lib_format_counts.json"
if ! [ -s "$folder/aux_info/meta_info.json" ]; then
    printf '{"num_processed": 0, "num_mapped": 0, "percent_mapped": 0.0, "library_types": []}\n' \
        > "$folder/aux_info/meta_info.json"
fi
echo "no read of this library mapped: its counts are all 0"
