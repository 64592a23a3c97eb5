//! What is left behind: the folder of a run, and pictures.

pub mod figure;
