//! The engine for a problem: its smallest representation, or the one asked for, ready to make trajectories.

use super::banded::{self, BandedJump};
use super::block_jump::BlockJump;
use super::ladder_jump::LadderJump;
use crate::error::CompileError;
use crate::problem::Problem;
use crate::repr::blocks::{Blocks, Style};
use crate::repr::choose::{Representation, choose};
use crate::repr::ladder::Ladder;

/// Quantum jumps in one of the representations.
#[derive(Debug)]
pub enum Engine {
    /// On the ladder |J, M⟩.
    Ladder(Box<LadderJump>),
    /// On stored blocks.
    Blocks(Box<BlockJump>),
    /// On blocks that are not stored.
    Banded(Box<BandedJump>),
}

impl Engine {
    /// Compile `problem` for the representation `requested`, or for the smallest exact one.
    ///
    /// # Errors
    /// The reason why that representation, or every one, cannot carry the problem.
    pub fn new(problem: &Problem, requested: Option<Representation>) -> Result<(Representation, Self), CompileError> {
        let blocks = |style: Style| {
            let mut compiled = Blocks::compile(problem, style)?;
            if banded::pays(&compiled) {
                match BandedJump::new(compiled) {
                    Ok(engine) => return Ok(Self::Banded(Box::new(engine))),
                    Err(back) => compiled = *back,
                }
            }
            Ok(Self::Blocks(Box::new(BlockJump::new(compiled))))
        };
        let compile = |representation: Representation| match representation.style() {
            None => Ok(Self::Ladder(Box::new(LadderJump::new(Ladder::compile(problem)?)))),
            Some(style) => blocks(style),
        };
        if let Some(representation) = requested {
            return Ok((representation, compile(representation)?));
        }
        for representation in Representation::ALL {
            if let Ok(engine) = compile(representation) {
                return Ok((representation, engine));
            }
        }
        let reasons = choose(problem).verdicts.into_iter().filter_map(|(r, v)| Some(format!("{r}: {}", v.err()?)));
        Err(CompileError { representation: "smallest", reason: reasons.collect::<Vec<_>>().join("; ") })
    }
}

/// Do the same with whichever engine it is.
#[macro_export]
macro_rules! with_engine {
    ($engine:expr, $name:ident => $body:expr) => {
        match $engine {
            $crate::unravel::engine::Engine::Ladder($name) => $body,
            $crate::unravel::engine::Engine::Blocks($name) => $body,
            $crate::unravel::engine::Engine::Banded($name) => $body,
        }
    };
}
