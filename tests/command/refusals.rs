//! What is refused, with nothing left behind.

use super::SMALL;
use super::place::{AGING, Place};
use super::results::everything;
use predicates::prelude::*;
use std::fs;
use std::path::Path;

#[test]
fn bad_numbers_are_shown_where_they_stand() {
    let place = Place::new();
    for (option, says) in [
        ("N=0", &["the number of spins of B is 0"][..]),
        ("N=2.5", &["2.5", "a whole number"]),
        ("gamma=-1", &["the rate of channel loss is -1"]),
        ("gamma=nan", &["not a finite number"]),
        ("gamma=0/0", &["NaN"]),
        ("gamma=1e999", &["finite"]),
        ("tau_s=-1", &["the duration of step storage is -1"]),
        ("cycles=0", &["the number of cycles is 0"]),
        ("samples=0", &["the number of samples is 0"]),
        ("gama=1", &["unknown parameter `gama`", "did you mean `gamma`?"]),
        ("gamma=1+", &["expected"]),
        ("gamma=tau_s -p tau_s=gamma", &["parameters depend on each other"]),
    ] {
        place.refuses(&format!("run aging.toml --out run -p {option}"), says);
    }
}

#[test]
fn mistakes_in_the_file_are_shown_where_they_stand() {
    let place = Place::new();
    let edits: [(&str, &str, &[&str]); 9] = [
        ("trajectories = 10000", "trajectorys = 10000", &["unknown key `trajectorys`", "did you mean `trajectories`?"]),
        ("[channels]", "[chanels]", &["edited.toml", "chanels", "did you mean `channels`?"]),
        (
            "evolve = \"tau_s\",",
            "evolve = \"tau_s\", channels = [\"los\"],",
            &["unknown channel `los`", "did you mean `loss`?"],
        ),
        ("only = [\"discharge\"]", "only = [\"discarge\"]", &["unknown step `discarge`", "did you mean `discharge`?"]),
        ("\"1600*gamma\"", "\"1600*gama\"", &["unknown parameter `gama`", "edited.toml:7:"]),
        ("gamma = 1.0 ", "gamma = \"Gamma/1600\" ", &["parameters depend on each other", "Gamma"]),
        ("rate = \"gamma\"", "rate = \"0*ln(0)\"", &["edited.toml:29:", "this is -inf"]),
        ("sm(B)", "sm(C)", &["`C`"]),
        ("N = 140", "N = [", &["edited.toml:"]),
    ];
    for (from, to, says) in edits {
        place.refuses_edit(from, to, says);
    }
    place.refuses("run nowhere.toml --out run", &["nowhere.toml", "cannot be read"]);
    fs::write(place.path("bytes.toml"), [0x66, 0xff, 0xfe]).unwrap();
    place.refuses("run bytes.toml --out run", &["UTF-8"]);
}

#[test]
fn what_would_not_fit_is_refused_with_its_cost() {
    let place = Place::new();
    place.refuses("run aging.toml --trajectories 1000000000 --out run", &["296.000 GB", "--no-shots"]);
    place.refuses("run aging.toml --trajectories 0 --out run", &["--trajectories"]);
    place.refuses("run aging.toml --trajectories 1.5e0 --out run", &["--trajectories", "a whole number", "1e4"]);
    place.refuses("run aging.toml --trajectories many --out run", &["--trajectories", "such as 10000 or 1e4"]);
    place.refuses("run aging.toml --threads 0 --out run", &["--threads"]);
    place.refuses("run aging.toml --target-error Q=1 --out run", &["unknown quantity `Q`"]);
    place.refuses("exact aging.toml -p N=2000 --out run", &["states", "leyden run"]);
    place.refuses("run aging.toml --representation dense --out run", &["`ladder`", "`full`"]);
    place.refuses("plot nowhere", &["no result folder"]);
    place.leyden("").assert().code(2).stderr(predicate::str::contains("Usage"));
    // A drive makes coherence, which a vector for every M would have to hold.
    fs::write(place.path("driven.toml"), AGING.replace("terms = []", "terms = [\"Sx(B)\"]\nbattery = false")).unwrap();
    place.refuses(
        "run driven.toml -p N=30000000 --out run",
        &[
            "no representation has room",
            "ladder: the Hamiltonian changes M",
            "4.8e8 bytes a vector",
            "-p N=30000000",
            "^^^",
        ],
    );
    // Whatever the command, the place in the file is shown.
    for command in ["exact", "steady", "verify"] {
        place.refuses(
            &format!("{command} driven.toml -p N=30000000 --out run"),
            &["no representation has room", "-p N=30000000", "^^^"],
        );
    }
    // What is in the way is not the size.
    let two = "[subsystems]\nB = { cells = 2, graph = \"linear\" }\n[battery]\nhamiltonian = [\"bonds(sz, sz, B)\"]\n\
               [hamiltonian]\nbattery = true\n[initial]\nB = \"ground_state\"\n[protocol]\nsteps = [{ name = \"w\", evolve = 1, samples = 1 }]\n\
               [observe]\nquantities = [\"energy\"]\n";
    fs::write(place.path("two.toml"), two).unwrap();
    for command in ["run", "exact", "steady"] {
        let says = &["no representation carries", "its lowest level has 2 states", "two.toml:8:1", "^"];
        place.refuses(&format!("{command} two.toml --out run"), says);
    }
    let chain = "[subsystems]\nB = { cells = 13, graph = \"linear\" }\n[battery]\nhamiltonian = [\"n(B) + 0.3*sx(B)\"]\nzero = \"as written\"\n\
                 [hamiltonian]\nterms = [\"0.2*sx(B)\"]\nbattery = false\n[protocol]\nsteps = [{ name = \"w\", evolve = 1, samples = 1 }]\n\
                 [observe]\nquantities = [\"energy\", \"energy(B, 0)\"]\n";
    fs::write(place.path("chain.toml"), chain).unwrap();
    place.refuses("run chain.toml --out run", &["8192 states", "more than 4096", "`--no-shots`", "`shots = false`"]);
    place.refuses("exact driven.toml -p N=30000 --out run", &["density matrix", "leyden run"]);
    let mixed = AGING
        .replace("terms = []", "terms = [\"Sx(B)\"]\nbattery = false")
        .replace("B = \"ground\"", "B = \"thermal(0.5)\"");
    fs::write(place.path("mixed.toml"), mixed).unwrap();
    place.refuses("exact mixed.toml -p N=1000000 --out run", &["initial density matrix of B", "1000000 cells"]);
}

#[test]
fn an_output_folder_that_cannot_be_used_is_left_alone() {
    let place = Place::new();
    fs::write(place.path("file"), "mine").unwrap();
    fs::create_dir(place.path("others")).unwrap();
    fs::write(place.path("others/thesis.txt"), "mine").unwrap();
    for command in ["run", "exact", "steady", "verify"] {
        let to = |out: &str| format!("{command} aging.toml {SMALL} --out {out}");
        place.refuses(&to("file"), &["is not a folder"]);
        place.refuses(&to("file/run"), &["cannot create the folder"]);
        place.refuses(&to("others"), &["no run of leyden"]);
    }
    fs::create_dir(place.path("empty")).unwrap();
    place.succeeds(&format!("run aging.toml {SMALL} --trajectories 5 --out empty"));
}

#[test]
fn a_full_disk_is_noticed_before_the_work() {
    use std::process::{Command as Process, Stdio};
    struct Mounted<'a>(&'a Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = Process::new("umount").arg(self.0).status();
        }
    }
    let place = Place::new();
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = Process::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&disk)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mount {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let _mounted = Mounted(&disk);
    place.refuses(&format!("run aging.toml {SMALL} --trajectories 10 --out disk/run"), &["cannot reserve space"]);
}

/// What was started as several MPI ranks does not do the same several times over; only the first says so.
#[test]
fn ranks_that_would_all_do_the_same_are_refused() {
    let place = Place::new();
    let before = everything(place.0.path());
    let started = |arguments: &str, rank: &str| {
        let mut command = place.leyden(arguments);
        let output = command.env("OMPI_COMM_WORLD_RANK", rank).env("OMPI_COMM_WORLD_SIZE", "4").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let run = if cfg!(feature = "mpi") { None } else { Some(("run aging.toml --out no", "built without MPI")) };
    for (arguments, says) in [("exact aging.toml --out no", "only `run` shares its work")].into_iter().chain(run) {
        let (status, message) = started(arguments, "0");
        assert!(status == Some(2) && message.contains(says) && message.contains("4 MPI ranks"), "{status:?} {message}");
        assert_eq!(started(arguments, "3"), (Some(0), String::new()));
    }
    assert_eq!(everything(place.0.path()), before, "something was left behind");
    // Tasks of Slurm are no ranks.
    let size = "run aging.toml -p N=4 -p cycles=1 --trajectories 10 --out task";
    place.leyden(size).env("SLURM_NTASKS", "4").env("SLURM_PROCID", "2").assert().code(0);
}
