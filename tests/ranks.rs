//! A run over the ranks of an MPI job gives the bytes of a run of one process, however many there are and whatever becomes of
//! them. `LEYDEN_MPIRUN` is what starts them, up to their number: `mpirun.mpich` for MPICH, say.

use leyden::output::checkpoint::Checkpoint;
use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock};
use std::thread::sleep;
use std::time::Duration;

#[path = "common/place.rs"]
mod place;
#[path = "common/results.rs"]
mod results;
use place::Place;
use results::{BLOCKS, everything, files};

const MPIRUN: &str = "mpirun --oversubscribe --allow-run-as-root --bind-to none";
/// Seconds that Open MPI leaves to ranks, before it asks them to end and again before it makes them: more than its 1.
const PATIENT: (&str, &str) = ("OMPI_MCA_odls_base_sigkill_timeout", "8");
/// Who must end within some seconds has the machine for itself, as far as these tests go.
static MACHINE: RwLock<()> = RwLock::new(());
/// A run that goes on until it is stopped.
const LONG: &str = "run blocks.toml --no-shots --trajectories 1e7";

/// What starts ranks.
fn launcher() -> Vec<String> {
    let launcher = env::var("LEYDEN_MPIRUN").unwrap_or_else(|_| MPIRUN.into());
    launcher.split_whitespace().map(str::to_owned).collect()
}

/// Whether MPICH's Hydra does. It takes all ranks with one that dies at once, without a word to them, and where it is told to end,
/// its own status does not always say that they did not succeed.
fn is_hydra() -> bool {
    let said = Command::new(&launcher()[0]).arg("--version").output().unwrap();
    String::from_utf8_lossy(&said.stdout).starts_with("HYDRA")
}

fn place() -> Place {
    let place = Place::new();
    fs::write(place.path("blocks.toml"), BLOCKS).unwrap();
    place
}

impl Place {
    /// A command that starts ranks with what stands in `arguments`, `leyden` there being the program.
    fn mpirun(&self, arguments: &str) -> Command {
        let launcher = launcher();
        let mut command = Command::new(&launcher[0]);
        let program = |word| if word == "leyden" { env!("CARGO_BIN_EXE_leyden") } else { word };
        command.current_dir(self.0.path()).args(&launcher[1..]).args(arguments.split_whitespace().map(program));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn among(&self, ranks: usize, arguments: &str) -> Output {
        self.mpirun(&format!("-n {ranks} leyden {arguments}")).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, output: &Output) -> String {
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{:?}: {messages}", output.status);
        messages
    }

    #[track_caller]
    fn alone(&self, arguments: &str) -> BTreeMap<String, Vec<u8>> {
        let output = self.leyden(&format!("{arguments} --out alone")).output().unwrap();
        self.succeeds(&output);
        files(&self.path("alone"))
    }

    /// A run under way.
    fn begins_among(&self, ranks: usize, arguments: &str) -> Child {
        let mut command = self.mpirun(&format!("-n {ranks} leyden {arguments}"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The same, of 3 ranks that have been sampling for a while.
    fn samples(&self, arguments: &str, variable: Option<(&str, &str)>) -> Child {
        let mut command = self.mpirun(&format!("-n 3 leyden {arguments}"));
        let mut child = command.envs(variable).stdout(Stdio::null()).spawn().unwrap();
        let messages = BufReader::new(child.stderr.as_mut().unwrap());
        assert!(messages.lines().any(|line| line.unwrap().contains("on 3 MPI ranks")));
        sleep(Duration::from_secs(4));
        child
    }

    /// A run that was stopped, and goes on to a little more than it had, is as if it had never been stopped.
    fn goes_on(&self, out: &str, so_far: u64, ranks: usize) {
        assert!(0 < so_far && so_far < 10_000_000, "{so_far}");
        let run = format!("run blocks.toml --no-shots --trajectories {}", so_far + 1000);
        let output = match ranks {
            1 => self.leyden(&format!("{run} --resume --out {out}")).output().unwrap(),
            ranks => self.among(ranks, &format!("{run} --resume --out {out}")),
        };
        let messages = self.succeeds(&output);
        assert!(messages.contains("goes on after"), "{messages}");
        assert!(files(&self.path(out)) == self.alone(&format!("{run} --force")), "{out}");
    }

    fn checkpointed(&self, out: &str) -> u64 {
        Checkpoint::read(&self.path(&format!("{out}.checkpoint"))).unwrap().batches.trajectories()
    }

    /// The process of a rank, once it is there; `None` when the run has ended before.
    fn process(&self, rank: usize, run: &mut Child) -> Option<u32> {
        let of_rank = [format!("OMPI_COMM_WORLD_RANK={rank}"), format!("PMI_RANK={rank}")];
        let here = fs::canonicalize(self.0.path()).unwrap();
        let is_it = |process: &Path| {
            let variables = fs::read(process.join("environ")).unwrap_or_default();
            let program = fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with("leyden"));
            program
                && fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == here)
                && variables.split(|byte| *byte == 0).any(|found| of_rank.iter().any(|of| of.as_bytes() == found))
        };
        while run.try_wait().unwrap().is_none() {
            let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
            let found = all.map(|entry| entry.path()).find(|process| is_it(process));
            if let Some(process) = found {
                return process.file_name()?.to_str()?.parse().ok();
            }
            sleep(Duration::from_millis(5));
        }
        None
    }

    fn manifest(&self, folder: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(folder).join("manifest.json")).unwrap()).unwrap()
    }
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// Messages longer than one piece, records, density matrices, and the branch without jumps.
#[test]
fn ranks_change_no_byte() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let place = place();
    fs::write(place.path("star.toml"), include_str!("../examples/star.toml")).unwrap();
    for (number, arguments) in [
        "run blocks.toml --states",
        "run aging.toml -p N=40 -p cycles=4 -p samples=2 --trajectories 20000 --counting --paths 2 --format netcdf",
        "run star.toml -p N=60 --trajectories 300 --states --distributions energy_B",
        "run aging.toml -p N=4 -p cycles=1 --trajectories 3",
    ]
    .iter()
    .enumerate()
    {
        let alone = place.alone(&format!("{arguments} --force"));
        for (ranks, threads) in [(1, ""), (3, ""), (4, "--threads 2")] {
            let out = format!("among-{number}-{ranks}");
            let output = place.among(ranks, &format!("{arguments} {threads} --out {out}"));
            let messages = place.succeeds(&output);
            assert!(files(&place.path(&out)) == alone, "{arguments} on {ranks} ranks: {messages}");
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said.matches("numbers are value(").count(), 1, "{said}");
            assert_eq!(messages.matches(" representation, ").count(), 1, "{messages}");
            let environment = &place.manifest(&out)["environment"];
            assert_eq!(environment.get("ranks").and_then(Value::as_u64), (ranks > 1).then_some(ranks as u64));
            assert!(!place.path(&format!("{out}.checkpoint")).exists());
        }
    }
}

/// A decision after a batch is taken after the same one.
#[test]
fn an_error_that_is_small_enough_ends_a_run_where_it_would() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let place = place();
    for (arguments, ranks) in [
        ("run blocks.toml --trajectories 50000 --target-error energy=0.006", 3),
        ("run aging.toml -p N=6 -p cycles=2 --trajectories 1e6 --no-shots --target-error M=0.02", 4),
    ] {
        let alone = place.alone(&format!("{arguments} --force"));
        place.succeeds(&place.among(ranks, &format!("{arguments} --out among --force")));
        let made = place.manifest("among")["trajectories"].as_u64().unwrap();
        assert!(1000 < made && made < 50_000, "{made}");
        assert!(files(&place.path("among")) == alone, "{arguments}");
    }
    let output =
        place.among(3, "run blocks.toml --trajectories 1e7 --no-shots --max-time 1s --checkpoint 1h --out time");
    let messages = place.succeeds(&output);
    assert!(messages.contains("stopped after 1 s"), "{messages}");
    let more = place.manifest("time")["trajectories"].as_u64().unwrap() + 1000;
    place.succeeds(&place.among(2, &format!("run blocks.toml --trajectories {more} --no-shots --resume --out time")));
    let alone = place.alone(&format!("run blocks.toml --trajectories {more} --no-shots --force"));
    assert!(files(&place.path("time")) == alone);
}

/// The line of `messages` that says what is wrong, and the exit status.
fn refusal(output: &Output) -> (Option<i32>, String) {
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors: Vec<&str> = messages.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{messages}");
    (output.status.code(), errors[0].to_owned())
}

#[test]
fn what_is_wrong_is_said_once() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let place = place();
    let before = everything(place.0.path());
    for arguments in [
        "run aging.toml --jumps --trajectories 1e8 --no-shots --out no",
        "run aging.toml -p gamma=-1 --out no",
        "run nowhere.toml",
    ] {
        let alone = refusal(&place.leyden(arguments).output().unwrap());
        assert_eq!(refusal(&place.among(3, arguments)), alone);
        assert_eq!(alone.0, Some(2));
    }
    for (arguments, says) in [
        ("-n 3 leyden exact aging.toml --out no", "only `run` shares its work among ranks"),
        (
            "-n 1 leyden run aging.toml --seed 1 --out no : -n 2 leyden run aging.toml --seed 2 --out no",
            "rank 1 cannot take part: on",
        ),
        (
            "-n 2 leyden run aging.toml --out no : -n 1 leyden run blocks.toml --out no",
            "it would not do the same to the last bit: ",
        ),
        (
            "-n 2 leyden run aging.toml --out no : -n 1 leyden run nowhere.toml",
            "rank 2 cannot take part: the file cannot be read",
        ),
    ] {
        let (status, error) = refusal(&place.mpirun(arguments).output().unwrap());
        assert!(status == Some(2) && error.contains(says), "{arguments}: {status:?} {error}");
    }
    assert!(everything(place.0.path()) == before, "something was left behind");
}

/// Whichever rank dies, and whether or not a checkpoint was asked for, the run goes on from where it was.
#[test]
fn a_rank_that_dies_costs_little() {
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let place = place();
    let unasked = if is_hydra() { "--checkpoint 0s" } else { "" };
    for (rank, checkpoint, variable, then) in
        [(2, "--checkpoint 0s", None, 1), (0, "--checkpoint 0s", None, 3), (1, unasked, Some(PATIENT), 2)]
    {
        let out = format!("without-{rank}");
        let mut child = place.samples(&format!("{LONG} {checkpoint} --out {out}"), variable);
        let process = place.process(rank, &mut child).expect("a run that goes on");
        while checkpoint.ends_with("0s") && !place.path(&format!("{out}.checkpoint")).exists() {
            assert!(child.try_wait().unwrap().is_none(), "it goes on until it is stopped");
            sleep(Duration::from_millis(20));
        }
        signal("-KILL", process);
        assert!(!child.wait().unwrap().success());
        place.goes_on(&out, place.checkpointed(&out), then);
    }
}

/// Asked to stop, a run keeps a result and a checkpoint, whoever of them hears it; and at least a checkpoint where it is not
/// given the time.
#[test]
fn ctrl_c_keeps_what_there_is() {
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let place = place();
    for (number, (name, rank, variable)) in
        [("-INT", None, Some(PATIENT)), ("-TERM", None, None), ("-INT", Some(0), None), ("-TERM", Some(1), None)]
            .into_iter()
            .enumerate()
    {
        let out = format!("stopped-{number}");
        let mut child = place.samples(&format!("{LONG} --out {out}"), variable);
        let process = place.process(rank.unwrap_or(0), &mut child).expect("a run that goes on");
        signal(name, rank.map_or(child.id(), |_| process));
        let status = child.wait().unwrap();
        assert!(!status.success() || (rank.is_none() && is_hydra()), "{out}");
        let so_far = place.checkpointed(&out);
        if rank.is_some() || variable.is_some() {
            let manifest = place.manifest(&out);
            assert_eq!((&manifest["interrupted"], manifest["trajectories"].as_u64()), (&true.into(), Some(so_far)));
        }
        if rank.is_some() {
            assert_eq!(status.code(), Some(130), "{out}");
        }
        place.goes_on(&out, so_far, 1 + number % 3);
    }
}

/// A run cut at random moments by the death of a rank, each time with other ranks and threads, and one in parts.
fn cut_at_random(times: usize) {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let place = place();
    for (n, arguments) in
        ["run blocks.toml", "run aging.toml -p N=40 -p cycles=4 -p samples=2 --trajectories 60000 --counting --paths 2"]
            .iter()
            .enumerate()
    {
        let whole = place.alone(&format!("{arguments} --force"));
        for time in 0..times {
            // Numbers spread by the golden ratio.
            let spread = |k: usize, below: f64| (below * ((time * 7 + k) as f64 * 0.618_034).fract()) as u64;
            let out = format!("cut{n}-{time}");
            for k in 1..=3 {
                let (ranks, threads) = (1 + spread(k, 4.0) as usize, 1 + spread(k + 50, 3.0));
                let goes_on = format!("{arguments} --threads {threads} --resume --checkpoint 0s --out {out}");
                let mut child = place.begins_among(ranks, &goes_on);
                let rank = spread(k + 100, ranks as f64) as usize;
                if let Some(process) = place.process(rank, &mut child) {
                    sleep(Duration::from_millis(spread(k + 150, 900.0)));
                    // It may have come to its end.
                    let _ = Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status();
                }
                child.wait().unwrap();
            }
            let ranks = 1 + time % 4;
            place.succeeds(&place.among(ranks, &format!("{arguments} --resume --checkpoint 0s --out {out}")));
            assert!(files(&place.path(&out)) == whole, "{arguments}, cut number {time}");

            let parts = 1 + (time * 5 + n) % 4;
            let mut folders = Vec::new();
            for part in (1..=parts).rev() {
                let folder = format!("part{n}-{time}-{part}");
                let sampled = format!("{arguments} --threads {} --part {part}/{parts} --out {folder}", 1 + part % 2);
                let ranks = 1 + (time + part) % 3;
                place.succeeds(&place.among(ranks, &sampled));
                folders.push(folder);
            }
            let merged = format!("merged{n}-{time}");
            let merge = format!("merge {} --out {merged}", folders.join(" "));
            place.succeeds(&place.leyden(&merge).output().unwrap());
            assert!(files(&place.path(&merged)) == whole, "{arguments} in {parts} parts");
        }
    }
}

#[test]
fn ten_cuts_change_no_byte() {
    cut_at_random(2);
}

#[test]
#[ignore = "two hundred random cuts of runs over ranks: many minutes"]
fn two_hundred_cuts_over_ranks_change_no_byte() {
    cut_at_random(30);
}

/// Two network namespaces, joined by a cable: as good as two machines to MPI.
struct Machines(String);

impl Machines {
    /// None where the system does not allow for it; says why.
    fn new() -> Result<Self, String> {
        let name = format!("leyden{}", std::process::id());
        let machines = Self(name.clone());
        for arguments in [
            format!("netns add {name}a"),
            format!("netns add {name}b"),
            format!("link add {name}u netns {name}a type veth peer name {name}v netns {name}b"),
            format!("-n {name}a address add 10.213.7.1/24 dev {name}u"),
            format!("-n {name}b address add 10.213.7.2/24 dev {name}v"),
            format!("-n {name}a link set {name}u up"),
            format!("-n {name}b link set {name}v up"),
            format!("-n {name}a link set lo up"),
            format!("-n {name}b link set lo up"),
        ] {
            let made = Command::new("ip").args(arguments.split(' ')).output();
            let made = made.map_err(|error| format!("there is no `ip`: {error}"))?;
            if !made.status.success() {
                return Err(format!("`ip {arguments}` is refused: {}", String::from_utf8_lossy(&made.stderr).trim()));
            }
        }
        Ok(machines)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for side in ["a", "b"] {
            let _ = Command::new("ip")
                .args(["netns", "delete", &format!("{}{side}", self.0)])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Ranks that see each other over a network alone, started by what takes the place of ssh.
#[test]
#[ignore = "needs the right to make network namespaces"]
fn two_machines_change_no_byte() {
    let machines = match Machines::new() {
        Ok(machines) => machines,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let (place, name) = (place(), &machines.0);
    let alone = place.alone("run blocks.toml --states");
    let agent = place.path("agent");
    // The agent is called with the name of a machine and what it is to start there.
    let script = format!("#!/bin/sh\nshift\nexec ip netns exec {name}b unshare --uts sh -c \"hostname {name}b; $*\"\n");
    fs::write(&agent, script).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let mca =
        format!("--mca plm_rsh_agent {} --mca btl tcp,self --mca btl_tcp_if_include 10.213.7.0/24", agent.display());
    let hosts = "--mca oob_tcp_if_include 10.213.7.0/24 --host 10.213.7.1:2,10.213.7.2:2";
    let mpirun = place.mpirun(&format!("{mca} {hosts} -n 4 leyden run blocks.toml --states --out among"));
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &format!("{name}a"), "unshare", "--uts", "sh", "-c"]);
    command.arg(format!("hostname {name}a; exec \"$@\"")).arg("sh").arg(mpirun.get_program()).args(mpirun.get_args());
    let output = command.current_dir(place.0.path()).env_remove("HOSTNAME").output().unwrap();
    let messages = place.succeeds(&output);
    assert!(messages.contains("on 4 MPI ranks"), "{messages}");
    assert!(files(&place.path("among")) == alone, "{messages}");
}
