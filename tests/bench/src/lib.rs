//! Measures: what is measured, and how it is judged. The benchmarks stand in `benches/`.
//!
//! ```text
//!   rounds    interleaved rounds, medians, intervals        life      the defined life, made by the real rules
//!   machine   what it was measured on                       counted   fixed work whose instructions are counted
//!   document  docs/PERFORMANCE.md, written by the benches
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// Measured numbers are floats, and a benchmark that fails says so and ends.
#![allow(clippy::expect_used)]

pub mod counted;
pub mod document;
pub mod life;
pub mod machine;
pub mod rounds;
