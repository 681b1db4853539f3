//! Whole lives of the program: the demo, what every command prints for programs, and the journal looked at.

mod demo;
mod journal;
mod json_document;
