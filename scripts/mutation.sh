#!/usr/bin/env bash
# Does `leyden verify` notice an error of 1 %? Put one into a copy and require that it says so (exit status 1).
#
#     scripts/mutation.sh [TARGET_DIR]     TARGET_DIR keeps the build for next time; the program left there is wrong
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

target=${1:-$copy/target}
mkdir -p "$target"
CARGO_TARGET_DIR=$(cd "$target" && pwd)
export CARGO_TARGET_DIR
if [[ $CARGO_TARGET_DIR == "$root/target" ]]; then
    echo "mutation.sh: choose another folder than this tree's own target, a wrong program will be left in it" >&2
    exit 2
fi
mkdir "$copy/leyden"
tar -C "$root" -c --exclude=./target --exclude=./.git --exclude=./runs --exclude=./results . | tar -x -C "$copy/leyden"
cd "$copy/leyden"

# The weight of J -> J-1, (N/2+J+1)/(2J(2J+1)), 1 % too large.
file=src/space/angular.rs
right='two_j => (self.singlets + two_j + 1.0) / (two_j * (two_j + 1.0)),'
wrong='two_j => 1.01 * (self.singlets + two_j + 1.0) / (two_j * (two_j + 1.0)),'
if [[ $(grep -cF "$right" "$file") != 1 ]]; then
    echo "mutation.sh: $file no longer holds the line to change: $right" >&2
    exit 2
fi
sed -i.bak "s|$(printf '%s' "$right" | sed 's/[][\.*^$]/\\&/g')|$wrong|" "$file"
grep -qF "$wrong" "$file"

# This crate is compiled quickly: the program runs once.
cargo build --release --bin leyden --config 'profile.release.package.leyden.opt-level=1'
status=0
"$CARGO_TARGET_DIR/release/leyden" verify examples/aging.toml -p N=20 --trajectories 200000 --out "$copy/verified" || status=$?
if [[ $status != 1 ]]; then
    echo "mutation.sh: a weight that is 1 % wrong gave exit status $status, expected 1" >&2
    exit 1
fi
echo "mutation.sh: verify noticed the weight that is 1 % wrong"
