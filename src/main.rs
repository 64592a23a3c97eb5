//! The `leyden` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    leyden::cli::main()
}
