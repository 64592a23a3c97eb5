//! A run over the ranks of an MPI job: rank 0 hands out numbers of batches and adds up what comes back, in the order of the
//! numbers; all ranks make batches.
//!
//! To rank 0 the others are some more hands: it does everything else as a run of one process does, so that not a byte
//! depends on their number. Each rank's main thread alone talks to MPI. It asks whether a message has come and sleeps
//! between two such questions, for MPI itself waits by spinning, on a core that has better things to do.

use super::merger::{Batches, Merger};
use super::queue::{Alarm, MOMENT, Maker, Next, Queue};
use super::{BATCH_WORK, MOST_DENSITY_BYTES, RunOptions, batch_bytes, batch_size};
use crate::error::RunError;
use crate::problem::Problem;
use crate::stop::Stop;
use crate::unravel::Unraveling;
use mpi::Threading;
use mpi::environment::Universe;
use mpi::request;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, MatchedReceiveVec, Source};
use rayon::ThreadPool;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of one message, at most: MPI counts them in 32 bits, and what is longer goes in pieces.
const CHUNK: usize = 1 << 20;
/// Tags of the beginning of what is said, with its length, and of the rest.
const TAGS: [i32; 2] = [1, 2];
/// Largest number of batches that are given to a rank, and come back, together; and how much their sums may take.
const MOST_TOGETHER: (u64, f64) = (256, 6.4e7);
/// How long rank 0 waits for the others to say goodbye.
const PARTING: Duration = Duration::from_secs(10);

/// What another rank tells rank 0.
#[derive(Serialize, Deserialize)]
enum Report {
    /// What its run is, or why it cannot take part, and how many threads it has.
    Ready(Result<String, String>, u64),
    /// What came of these batches.
    Made(Range<u64>, Box<Result<Batches, Failure>>),
    /// It was asked to stop.
    Stopped,
    /// Nothing more will come.
    Goodbye,
}

/// What rank 0 tells another one.
#[derive(Serialize, Deserialize)]
enum Order {
    /// The run begins, or goes on, with this batch.
    Begin(u64),
    /// Make these batches.
    Make(Range<u64>),
    /// There is nothing more to do.
    End,
}

/// An error on its way to rank 0.
#[derive(Serialize, Deserialize)]
enum Failure {
    TooLarge { what: String, needed: String, limit: String, advice: String },
    Other(String),
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::TooLarge { what, needed, limit, advice } => Self::TooLarge { what, needed, limit, advice },
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooLarge { what, needed, limit, advice } => Self::TooLarge { what, needed, limit, advice },
            Failure::Other(text) => Self::Request(text),
        }
    }
}

/// The ranks of an MPI job, as one of them sees it.
pub struct Ranks {
    /// Ends MPI when it is dropped.
    universe: Option<Universe>,
    world: SimpleCommunicator,
    /// The number of threads of each rank, 0 before it is known.
    hands: Vec<u64>,
    /// Whether a rank has said goodbye.
    gone: Vec<bool>,
}

impl Ranks {
    /// Begin MPI. Only the thread that calls this may use what it returns.
    ///
    /// # Errors
    /// When MPI has begun already, or does not allow for threads.
    pub fn join() -> Result<Self, RunError> {
        let refused = |text: &str| RunError::Request(text.into());
        let (universe, threading) = mpi::initialize_with_threading(Threading::Funneled)
            .ok_or_else(|| refused("MPI has been initialised before"))?;
        if threading < Threading::Funneled {
            return Err(refused("this MPI library allows for no threads beside the one that uses it"));
        }
        let world = universe.world();
        let size = world.size() as usize;
        Ok(Self { universe: Some(universe), world, hands: vec![0; size], gone: vec![false; size] })
    }

    /// The number of this rank.
    pub fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    /// How many ranks there are.
    pub fn count(&self) -> usize {
        self.hands.len()
    }

    /// On rank 0: wait for all others, and let `judge` see, in their order, what each says of its run, or why it cannot take
    /// part in it.
    ///
    /// # Errors
    /// The first of `judge`; [`RunError::Interrupted`] once `stop` has been raised.
    pub fn meet(
        &mut self,
        stop: &Stop,
        judge: impl Fn(usize, Result<String, String>) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let mut all = Vec::new();
        while all.len() + 1 < self.count() {
            stop.check()?;
            match self.receive::<Report>() {
                Some((rank, Some(Report::Ready(about, threads)))) => {
                    self.hands[rank] = threads.max(1);
                    all.push((rank, about));
                }
                Some((rank, None)) => all.push((rank, Err("it is another program".into()))),
                Some(_) => stop.request(),
                None => thread::sleep(MOMENT),
            }
        }
        all.sort_by_key(|(rank, _)| *rank);
        all.into_iter().try_for_each(|(rank, about)| judge(rank, about))
    }

    /// On rank 0: have batches of the queue made by the other ranks until it is over or `stop` is raised, `singly` if a
    /// decision may follow each of them.
    pub fn help<U: Unraveling>(
        &mut self,
        queue: &Queue,
        (engine, problem, options): (&U, &Problem, RunOptions),
        singly: bool,
        stop: &Stop,
    ) {
        let together = if singly { 1 } else { together(engine, problem, options) };
        let own = if options.threads == 0 { rayon::current_num_threads() } else { options.threads } as u64;
        let all: u64 = own + self.hands.iter().sum::<u64>();
        let wanted = self.hands.iter().map(|hands| 4 * together.max(*hands)).sum::<u64>() + 4 * own;
        let fit = (MOST_DENSITY_BYTES / batch_bytes(engine, problem, options)) as u64;
        queue.limit(wanted.min(fit).max(1));
        let others = 1..self.count();
        others.clone().for_each(|rank| self.send(rank, &Order::Begin(queue.start())));
        let mut given = vec![0; self.count()];
        while !queue.is_over() && !stop.is_requested() {
            let mut idle = true;
            for rank in others.clone() {
                // Towards the end the pieces become smaller, so that all ranks end at about the same time.
                let most = (queue.left() / (2 * all)).clamp(1, together);
                let most = 1 << most.ilog2();
                if given[rank] >= 2 * most.max(self.hands[rank]) {
                    continue;
                }
                let batches = queue.take(most);
                if !batches.is_empty() {
                    idle = false;
                    given[rank] += batches.end - batches.start;
                    self.send(rank, &Order::Make(batches));
                }
            }
            match self.receive() {
                Some((rank, Some(Report::Made(batches, made)))) => {
                    given[rank] -= batches.end - batches.start;
                    queue.add(batches.start, (*made).map_err(RunError::from));
                }
                Some((_, Some(Report::Stopped))) => stop.request(),
                Some((rank, Some(Report::Goodbye))) => self.gone[rank] = true,
                Some(_) => {}
                None if idle => thread::sleep(MOMENT),
                None => {}
            }
        }
    }

    /// On any other rank: say why it cannot take part, and wait until rank 0 has said so.
    pub fn refuse(&self, reason: &str) {
        self.send(0, &Report::Ready(Err(reason.into()), 0));
        self.wait_for_the_end();
    }

    /// On any other rank: make batches of the run that `about` describes as long as rank 0 asks for some.
    pub fn serve<U: Unraveling>(
        &self,
        (engine, problem, options): (&U, &Problem, RunOptions),
        about: String,
        stop: &Stop,
    ) {
        let pool = match rayon::ThreadPoolBuilder::new().num_threads(options.threads).build() {
            Ok(pool) => pool,
            Err(error) => return self.refuse(&format!("no threads can be started: {error}")),
        };
        self.send(0, &Report::Ready(Ok(about), pool.current_num_threads() as u64));
        // Rank 0 fails as this one does, and says so.
        match self.wait() {
            Order::Begin(first) => match Maker::new(engine, problem, options, first, stop) {
                Ok(maker) => self.make(&pool, &maker, stop),
                Err(_) => self.wait_for_the_end(),
            },
            Order::End => self.send(0, &Report::Goodbye),
            Order::Make(_) => self.wait_for_the_end(),
        }
    }

    /// Make what rank 0 asks for on the threads of `pool`.
    fn make<U: Unraveling>(&self, pool: &ThreadPool, maker: &Maker<U>, stop: &Stop) {
        let (over, todo) = (AtomicBool::new(false), Mutex::new(VecDeque::new()));
        let next = || match todo.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            _ if over.load(Ordering::Relaxed) => Next::Nothing,
            Some(index) => Next::Batch(index),
            None => Next::Wait,
        };
        let (sender, made) = mpsc::channel();
        pool.in_place_scope(|scope| {
            for _ in 0..pool.current_num_threads() {
                let (sender, next, over) = (sender.clone(), &next, &over);
                scope.spawn(move |_| {
                    let _alarm = Alarm(over);
                    maker.work(stop, next, |index, made| sender.send((index, made)).is_ok());
                });
            }
            let mut pieces: Vec<(Range<u64>, Merger)> = Vec::new();
            let mut said = false;
            while !over.load(Ordering::Relaxed) {
                while let Some((_, order)) = self.receive::<Order>() {
                    match order {
                        Some(Order::Make(batches)) => {
                            todo.lock().unwrap_or_else(PoisonError::into_inner).extend(batches.clone());
                            let merger = Merger::new(Batches::default(), batches.start, None, None);
                            pieces.push((batches, merger));
                        }
                        Some(Order::End) => over.store(true, Ordering::Relaxed),
                        Some(Order::Begin(_)) | None => {}
                    }
                }
                if stop.is_requested() && !said {
                    said = true;
                    self.send(0, &Report::Stopped);
                }
                let Ok((index, made)) = made.recv_timeout(MOMENT) else { continue };
                let Some(at) = pieces.iter().position(|(batches, _)| batches.contains(&index)) else { continue };
                let (batches, merger) = &mut pieces[at];
                let more = merger.take(index, made);
                if !more || merger.next() >= batches.end {
                    let (batches, merger) = pieces.swap_remove(at);
                    let made = merger.end(batches.end).map_err(Failure::from);
                    self.send(0, &Report::Made(batches, Box::new(made)));
                }
            }
            // What is under way is of no use any more, also where one of the threads has panicked.
            stop.request();
            self.send(0, &Report::Goodbye);
        });
    }

    fn wait(&self) -> Order {
        loop {
            match self.receive() {
                Some((_, Some(order))) => return order,
                Some(_) => {}
                None => thread::sleep(MOMENT),
            }
        }
    }

    fn wait_for_the_end(&self) {
        while !matches!(self.wait(), Order::End) {}
        self.send(0, &Report::Goodbye);
    }

    /// On rank 0: let the others go. Whether all of them have gone.
    fn part(&mut self) -> bool {
        let (began, others) = (Instant::now(), 1..self.count());
        others.clone().for_each(|rank| self.send(rank, &Order::End));
        while !others.clone().all(|rank| self.gone[rank]) && began.elapsed() < PARTING {
            match self.receive() {
                Some((rank, Some(Report::Goodbye))) => self.gone[rank] = true,
                Some(_) => {}
                None => thread::sleep(MOMENT),
            }
        }
        others.clone().all(|rank| self.gone[rank])
    }

    /// Send a message: its length with its beginning, and the rest in pieces.
    fn send(&self, rank: usize, what: &impl Serialize) {
        // Numbers and text can always be encoded.
        let Ok(bytes) = postcard::to_stdvec(what) else { return };
        let (now, later) = bytes.split_at(bytes.len().min(CHUNK));
        let begin = [&(bytes.len() as u64).to_le_bytes(), now].concat();
        self.send_one(rank, &begin, TAGS[0]);
        later.chunks(CHUNK).for_each(|chunk| self.send_one(rank, chunk, TAGS[1]));
    }

    fn send_one(&self, rank: usize, bytes: &[u8], tag: i32) {
        request::scope(|scope| {
            let mut sent = self.world.process_at_rank(rank as i32).immediate_send_with_tag(scope, bytes, tag);
            while let Err(not_yet) = sent.test() {
                sent = not_yet;
                thread::sleep(MOMENT / 20);
            }
        });
    }

    /// A message, if one has come, and from which rank; `None` for what makes no sense, from another program.
    fn receive<T: DeserializeOwned>(&self) -> Option<(usize, Option<T>)> {
        let (begin, status) =
            self.world.any_process().immediate_matched_probe_with_tag(TAGS[0])?.matched_receive_vec::<u8>();
        let (length, begin) = begin.split_first_chunk::<8>()?;
        let (mut at, mut bytes) = (begin.len(), begin.to_vec());
        bytes.resize(u64::from_le_bytes(*length) as usize, 0);
        let source = self.world.process_at_rank(status.source_rank());
        while at < bytes.len() {
            let end = bytes.len().min(at + CHUNK);
            source.receive_into_with_tag(&mut bytes[at..end], TAGS[1]);
            at = end;
        }
        Some((status.source_rank() as usize, postcard::from_bytes(&bytes).ok()))
    }
}

impl Drop for Ranks {
    fn drop(&mut self) {
        if thread::panicking() {
            self.world.abort(101);
        }
        if self.rank() == 0 && !self.part() {
            // A rank that does not answer would be waited for in vain.
            std::mem::forget(self.universe.take());
        }
    }
}

/// How many batches a rank is given at a time: about as many as are worth a message, whose sums fit into memory.
fn together<U: Unraveling>(engine: &U, problem: &Problem, options: RunOptions) -> u64 {
    let (most, bytes) = MOST_TOGETHER;
    let worth = BATCH_WORK / (engine.work() * batch_size(engine, problem, options) as f64);
    let fit = bytes / batch_bytes(engine, problem, options);
    let number = (worth.min(fit) as u64).clamp(1, most);
    1 << number.ilog2()
}
