//! Colours, where they are wanted.

/// When to colour what is printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// Never.
    Never,
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
}

impl Colour {
    /// What that comes to for a stream.
    pub fn paint(self, is_terminal: bool) -> Paint {
        Paint(match self {
            Colour::Never => false,
            Colour::Always => true,
            Colour::Auto => is_terminal && obeys_escapes() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        })
    }
}

/// Whether the terminal, if there is one, can be told to move its cursor.
pub fn obeys_escapes() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty())
}

/// Colours text, or leaves it.
#[derive(Clone, Copy)]
pub struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Whether it colours.
    pub fn colours(self) -> bool {
        self.0
    }

    /// What need not catch the eye.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What a camera reads: black on white, whatever the terminal's own colours are.
    pub fn paper(self, text: &str) -> String {
        self.with("30;107", text)
    }

    /// What should.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What is well.
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What is to be known.
    pub fn warning(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What must not be overlooked.
    pub fn loud(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// What is wrong.
    pub fn bad(self, text: &str) -> String {
        self.with("31", text)
    }
}
