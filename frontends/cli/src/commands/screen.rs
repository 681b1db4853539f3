//! What a person sees of a chat: lines that come stand above the line that is being typed.
//!
//! The terminal keeps what is typed until the line ends, so nobody here knows it; it need not be known. Rows are inserted
//! above it:
//!
//! ```text
//!   2026-09-21 14:13  bob: Are you there?       ← stood there before
//!   2026-09-21 14:14  bob: Hello?               ← inserted: save the cursor, make room, print, return
//!   > I am typi▁                                ← moved down, as typed
//! ```

use crate::Global;
use crate::output::{Trouble, print};
use crate::paint::{Paint, obeys_escapes};
use crate::terminal::size;
use crate::text::{columns, rows};
use std::io::IsTerminal as _;

const PROMPT: &str = "> ";

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Plain,
    /// What need not catch the eye.
    Dim,
    /// What must.
    Loud,
}

/// Standard output of a chat.
pub struct Screen {
    paint: Paint,
    /// Set where a person types: on a terminal that can be told to move its cursor.
    typing: bool,
    /// Set while the prompt, and what is typed, is the last line.
    prompted: bool,
}

impl Screen {
    pub fn new(global: &Global) -> Screen {
        let terminals = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let paint = global.color.paint(std::io::stdout().is_terminal());
        Screen { paint, typing: terminals && obeys_escapes() && !global.json, prompted: false }
    }

    /// Whether a person types.
    pub fn is_typing(&self) -> bool {
        self.typing
    }

    /// Prints a line above what is being typed. On a terminal it is broken at its words, and goes on below its text, which begins
    /// in the column `indent`.
    pub fn show(&mut self, line: &str, indent: usize, look: Look) -> Result<(), Trouble> {
        let (rows, height) = match size(std::io::stdout()) {
            Some((columns_max, height)) => (rows(line, indent, columns_max), height),
            None => (vec![line.to_owned()], 0),
        };
        let rows: Vec<String> = rows.iter().map(|row| self.painted(row, look)).collect();
        if !self.prompted {
            return print(&format!("{}\n", rows.join("\n")));
        }
        let count = rows.len();
        if count + 1 >= height {
            return print(&format!("\r\x1b[K{}\n{PROMPT}", rows.join("\n")));
        }
        // DECSC and DECRC keep the cursor's place; the line feeds scroll where there is no room below, and IL makes it above.
        let room = "\n".repeat(count);
        print(&format!("\x1b7{room}\x1b[{count}A\x1b[{count}L\r{}\x1b8\x1b[{count}B", rows.join("\r\n")))
    }

    /// Asks for a line.
    pub fn prompt(&mut self) -> Result<(), Trouble> {
        if !self.typing || self.prompted {
            return Ok(());
        }
        self.prompted = true;
        print(PROMPT)
    }

    /// A line was typed: takes it away, for it is printed as a message.
    pub fn taken(&mut self, line: &str) -> Result<(), Trouble> {
        if !std::mem::take(&mut self.prompted) {
            return Ok(());
        }
        let Some((columns_max, _)) = size(std::io::stdout()) else {
            return Ok(());
        };
        let rows = (columns(PROMPT) + columns(line)).div_ceil(columns_max).max(1);
        print(&format!("\x1b[{rows}A\r\x1b[J"))
    }

    /// Nothing is typed any more.
    pub fn end(&mut self) -> Result<(), Trouble> {
        if std::mem::take(&mut self.prompted) { print("\n") } else { Ok(()) }
    }

    fn painted(&self, line: &str, look: Look) -> String {
        match look {
            Look::Plain => line.to_owned(),
            Look::Dim => self.paint.dim(line),
            Look::Loud => self.paint.warning(line),
        }
    }
}
