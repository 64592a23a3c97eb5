//! A folder of its own with `aging.toml` in it, where the command runs.

use assert_cmd::Command;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use tempfile::TempDir;

pub const AGING: &str = include_str!("../../examples/aging.toml");

pub struct Place(pub TempDir);

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("aging.toml"), AGING).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `leyden` with the words of `arguments`, run in the folder.
    pub fn leyden(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leyden"));
        command.current_dir(self.0.path()).args(arguments.split_whitespace());
        command
    }

    /// The same under way, its messages to be read.
    #[allow(dead_code)] // not by every test file
    pub fn begins(&self, arguments: &str) -> Child {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_leyden"));
        command.current_dir(self.0.path()).args(arguments.split_whitespace());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }
}
