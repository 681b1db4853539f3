//! The program, as a person and another program meet it. One binary: it is linked once, and what waits waits beside all the others.

mod bad_input;
mod commands;
mod conversations;
mod lives;
mod screens;
mod terminal;
mod world;
