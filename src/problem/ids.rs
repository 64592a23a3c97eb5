//! Numbers of subsystems, channels, observables and steps, each of a type of its own: none passes for another.

use super::{Channel, Initial, Named, Step, Subsystem};
use std::fmt;
use std::ops::{Index, IndexMut};

/// A number, and the lists of a problem that it is a place in.
macro_rules! ids {
    ($($(#[doc = $about:literal])+ $name:ident of $($entry:ty)+;)+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub struct $name(usize);

        impl $name {
            /// The one at this place, from 0.
            pub const fn new(index: usize) -> Self {
                Self(index)
            }

            /// Its place, from 0.
            pub const fn index(self) -> usize {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        $(
            impl Index<$name> for [$entry] {
                type Output = $entry;
                fn index(&self, id: $name) -> &$entry {
                    &self[id.0]
                }
            }

            impl Index<$name> for Vec<$entry> {
                type Output = $entry;
                fn index(&self, id: $name) -> &$entry {
                    &self[id.0]
                }
            }

            impl IndexMut<$name> for Vec<$entry> {
                fn index_mut(&mut self, id: $name) -> &mut $entry {
                    &mut self[id.0]
                }
            }
        )+
    )+};
}

ids! {
    /// A subsystem, in the order in which they were added: from
    /// [`ProblemBuilder::subsystem`](super::ProblemBuilder::subsystem), which adds it, or by its name from
    /// [`Problem::subsystem_id`](super::Problem::subsystem_id).
    SubsystemId of Subsystem Initial;
    /// A channel, in the order in which they were added: by its name from
    /// [`Problem::channel_id`](super::Problem::channel_id).
    ChannelId of Channel;
    /// An observable of the user's own, in the order in which they were added: from
    /// [`ProblemBuilder::observable`](super::ProblemBuilder::observable).
    ObservableId of Named;
    /// A step of the protocol, pulses and resets counted: a timed one by its name from
    /// [`Problem::step_id`](super::Problem::step_id).
    StepId of Step;
}
