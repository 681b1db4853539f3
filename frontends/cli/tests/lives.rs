//! Whole lives of the program: the demo, what every command prints for programs, and the journal looked at. Each takes its time,
//! waiting mostly; in one binary they wait beside each other.

mod world;

#[path = "lives/demo.rs"]
mod demo;
#[path = "lives/journal.rs"]
mod journal;
#[path = "lives/json_document.rs"]
mod json_document;
