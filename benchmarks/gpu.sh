#!/usr/bin/env bash
# Measures ganbench on a GPU in one command and under nine minutes; see benchmarks/README.md.
#
#   OUT=FOLDER bash benchmarks/gpu.sh [--device cuda|cpu] [--smoke] [--wheels FOLDER]
#
# Leaves gpu.json and gpu.md in the folder that OUT names. PYTHON names the interpreter that has PyTorch.
set -u
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd) || exit 2
exec "${PYTHON:-python3}" "$here/gpu.py" "$@"
