//! What the tests of several crates share. A crate has it among its `dev-dependencies`.
//!
//! # Layout
//!
//! - [`noise`]: random numbers that a seed repeats, and changes that a fuzzer makes.
//! - [`fuzz`]: rounds of a fuzz test, their seeds, and what a failure prints.
//! - [`heap`]: an allocator that counts.
//! - [`cases`]: cases that are kept in files.
//! - [`statistics`]: what a few measured values say. The measurements have it as a dependency of their own.
#![warn(unreachable_pub, reason = "`pub` says that other crates can use it")]

pub mod cases;
pub mod fuzz;
pub mod heap;
pub mod noise;
pub mod statistics;

pub use noise::Noise;
