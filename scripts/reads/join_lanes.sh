#!/usr/bin/env bash
# Join the FASTQ files of a library's lanes into one gzip file; a single gzip file is only linked.
# Arguments: target, then the files in the order of the lanes.
set -euo pipefail

target=$1
shift
if [ $# -eq 1 ] && [[ $1 == *.gz ]]; then
    ln -s "$(realpath "$1")" "$target"
    exit
fi
for lane; do
    case $lane in
        *.gz) cat "$lane" ;;
        *) gzip -1c "$lane" ;;
    esac
done > "$target"
