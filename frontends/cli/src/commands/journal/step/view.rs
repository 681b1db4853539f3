//! What the screen of `journal step` is: a model, what a key makes of it, and how it is drawn. It reads nothing and writes nothing.
//!
//! ```text
//!   key ─▶ press ─▶ View ─▶ draw ─▶ frame
//!                    ▲
//!            show    │ what the record it stands at did
//! ```

use crate::output::time_exact;
use crate::text::{columns, fit, rows};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

/// The smallest screen that both panes fit on.
const SMALLEST: (u16, u16) = (60, 15);
/// Columns of the list at most: what is left is for what a record did.
const LIST_COLUMNS_MAX: u16 = 56;
/// Columns from which the list has room for the kinds in words.
const WORDY_COLUMNS: u16 = 50;
/// Characters that a place or a word to be found may have.
const TYPED_MAX: usize = 40;

/// A record in the list.
pub struct Row {
    pub seq: u64,
    pub stamp_ms: u64,
    pub kind: &'static str,
    pub what: String,
    /// The number of the error that it names.
    pub cause: Option<u32>,
}

/// A line of what a record did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Columns that it stands in.
    pub indent: usize,
    /// `+`, `-` or `~` before it.
    pub sign: Option<char>,
    pub text: String,
    pub tone: Tone,
}

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Plain,
    Head,
    Dim,
    Good,
    Warning,
    Bad,
}

/// What a key asks of whoever runs the view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    Stay,
    Leave,
    /// The same by Ctrl-C.
    Interrupt,
}

/// What keys are for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Mode {
    Looking,
    /// A place is being typed.
    Going(String),
    /// A word is being typed.
    Finding(String),
    Help,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pane {
    Records,
    Deeds,
}

/// The screen.
pub struct View {
    rows: Vec<Row>,
    /// The record that it stands at, and the first that is listed.
    at: usize,
    top: usize,
    pane: Pane,
    mode: Mode,
    said: Vec<Said>,
    /// The first line shown of that, once it is broken into rows.
    scrolled: usize,
    word: String,
    notice: Option<String>,
    size: (u16, u16),
    colours: bool,
}

impl View {
    /// Stands at the record of a place, or at the one nearest before it.
    pub fn new(rows: Vec<Row>, place: u64, colours: bool) -> View {
        let mut view = View {
            rows,
            at: 0,
            top: 0,
            pane: Pane::Records,
            mode: Mode::Looking,
            said: Vec::new(),
            scrolled: 0,
            word: String::new(),
            notice: None,
            size: SMALLEST,
            colours,
        };
        view.go(view.index_of(place));
        view
    }

    /// The record that it stands at.
    pub fn row(&self) -> Option<&Row> {
        self.rows.get(self.at)
    }

    /// A record by its place in the list.
    pub fn row_at(&self, index: usize) -> Option<&Row> {
        self.rows.get(index)
    }

    /// Says something in the last row, until a key is pressed.
    pub fn tell(&mut self, notice: String) {
        self.notice = Some(notice);
    }

    /// Takes what the record did.
    pub fn show(&mut self, said: Vec<Said>) {
        self.said = said;
        self.scrolled = 0;
    }

    /// The screen has so many columns and rows.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.go(self.at);
        self.scroll_to(self.scrolled);
    }

    /// What a key does.
    pub fn press(&mut self, key: KeyEvent) -> Then {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Then::Interrupt } else { Then::Stay };
        }
        let noticed = self.notice.take().is_some();
        if noticed && key.code == KeyCode::Esc && self.mode == Mode::Looking {
            // What was said is read: that is all that it leaves.
            return Then::Stay;
        }
        match std::mem::replace(&mut self.mode, Mode::Looking) {
            Mode::Looking => return self.look(key.code),
            Mode::Help => {}
            Mode::Going(typed) => match edited(typed, key.code, |char| char.is_ascii_digit()) {
                Typed::On(typed) => self.mode = Mode::Going(typed),
                Typed::Done(typed) => self.go_to(&typed),
                Typed::Dropped => {}
            },
            Mode::Finding(typed) => match edited(typed, key.code, |char| !char.is_control()) {
                Typed::On(typed) => self.mode = Mode::Finding(typed),
                Typed::Done(typed) => {
                    if !typed.is_empty() {
                        self.word = typed.to_lowercase();
                    }
                    self.find();
                }
                Typed::Dropped => {}
            },
        }
        Then::Stay
    }

    fn look(&mut self, code: KeyCode) -> Then {
        let page = self.height().saturating_sub(1).max(1);
        match (code, self.pane) {
            (KeyCode::Char('q') | KeyCode::Esc, _) => return Then::Leave,
            (KeyCode::Char('?'), _) => self.mode = Mode::Help,
            (KeyCode::Char('g'), _) => self.mode = Mode::Going(String::new()),
            (KeyCode::Char('/'), _) => self.mode = Mode::Finding(String::new()),
            (KeyCode::Char('n'), _) => self.find(),
            (KeyCode::Tab | KeyCode::BackTab, Pane::Records) => self.pane = Pane::Deeds,
            (KeyCode::Tab | KeyCode::BackTab, Pane::Deeds) => self.pane = Pane::Records,
            (KeyCode::Left, _) | (KeyCode::Up, Pane::Records) => self.go(self.at.saturating_sub(1)),
            (KeyCode::Right, _) | (KeyCode::Down, Pane::Records) => self.go(self.at.saturating_add(1)),
            (KeyCode::PageUp, Pane::Records) => self.go(self.at.saturating_sub(page)),
            (KeyCode::PageDown, Pane::Records) => self.go(self.at.saturating_add(page)),
            (KeyCode::Home, Pane::Records) => self.go(0),
            (KeyCode::End, Pane::Records) => self.go(usize::MAX),
            (KeyCode::Up, Pane::Deeds) => self.scroll_to(self.scrolled.saturating_sub(1)),
            (KeyCode::Down, Pane::Deeds) => self.scroll_to(self.scrolled.saturating_add(1)),
            (KeyCode::PageUp, Pane::Deeds) => self.scroll_to(self.scrolled.saturating_sub(page)),
            (KeyCode::PageDown, Pane::Deeds) => self.scroll_to(self.scrolled.saturating_add(page)),
            (KeyCode::Home, Pane::Deeds) => self.scroll_to(0),
            (KeyCode::End, Pane::Deeds) => self.scroll_to(usize::MAX),
            _ => {}
        }
        Then::Stay
    }

    /// The list's place of the record at a Seq, or of the one nearest before it.
    fn index_of(&self, seq: u64) -> usize {
        self.rows.partition_point(|row| row.seq <= seq).saturating_sub(1)
    }

    /// Stands at a record, which is then among those listed.
    fn go(&mut self, at: usize) {
        let height = self.height();
        self.at = at.min(self.rows.len().saturating_sub(1));
        // The last page is a full one.
        let lowest = self.at.saturating_sub(height.saturating_sub(1));
        self.top = self.top.clamp(lowest, self.at).min(self.rows.len().saturating_sub(height)).max(lowest);
    }

    fn go_to(&mut self, typed: &str) {
        let (first, last) = (self.rows.first().map_or(0, |row| row.seq), self.rows.last().map_or(0, |row| row.seq));
        match typed.parse() {
            Ok(seq) if (first..=last).contains(&seq) => self.go(self.index_of(seq)),
            _ if typed.is_empty() => {}
            _ => self.notice = Some(format!("there are records from {first} to {last}")),
        }
    }

    /// Goes to the next record whose line holds the word, from the end on from the beginning.
    fn find(&mut self) {
        if self.word.is_empty() {
            self.notice = Some("type / and a word first".to_owned());
            return;
        }
        let holds = |row: &Row| format!("{} {}", row.kind, row.what).to_lowercase().contains(&self.word);
        let (before, after) = self.rows.split_at(self.at.saturating_add(1).min(self.rows.len()));
        let later = after.iter().position(holds).map(|index| before.len() + index);
        match later.or_else(|| before.iter().position(holds)) {
            Some(found) if found == self.at => self.notice = Some(format!("only this record holds {}", self.word)),
            Some(found) => self.go(found),
            None => self.notice = Some(format!("no record holds {}", self.word)),
        }
    }

    fn scroll_to(&mut self, line: usize) {
        let lines = broken(&self.said, self.deeds_width()).len();
        self.scrolled = line.min(lines.saturating_sub(self.height()));
    }

    /// Rows of each pane.
    fn height(&self) -> usize {
        usize::from(self.size.1.saturating_sub(3)).max(1)
    }

    fn list_width(&self) -> u16 {
        (self.size.0 / 2).min(LIST_COLUMNS_MAX)
    }

    /// Columns of what a record did.
    pub fn deeds_width(&self) -> usize {
        usize::from(self.size.0.saturating_sub(self.list_width() + 3))
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let canvas = &mut Canvas { buffer: frame.buffer_mut(), colours: self.colours };
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            let (width, height) = SMALLEST;
            let words =
                format!("{width} columns and {height} rows are needed; this screen has {} and {}. q leaves.", area.width, area.height);
            for (y, line) in (0..area.height).zip(rows(&words, 0, usize::from(area.width.max(1)))) {
                canvas.put(0, y, &line, Style::new());
            }
            return;
        }
        self.draw_title(canvas, area);
        if self.mode == Mode::Help {
            draw_help(canvas, area);
        } else {
            self.draw_records(canvas);
            self.draw_deeds(canvas, area);
        }
        self.draw_foot(canvas, area);
    }

    fn draw_title(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.put(0, 0, "journal step", bold());
        if let Some(row) = self.row() {
            let last = self.rows.last().map_or(row.seq, |row| row.seq);
            let stands = format!("record {} of {last}   {}", row.seq, time_exact(row.stamp_ms));
            canvas.put_right(area.width, 0, &stands, Style::new());
        }
    }

    /// The rule over a pane, with its name; bright where the keys are.
    fn head(&self, canvas: &mut Canvas<'_>, (begin, end): (u16, u16), name: &str, pane: Pane, right: &str) {
        let rule = canvas.dim();
        (begin..end).for_each(|x| canvas.put(x, 1, "─", rule));
        let style = if self.pane == pane { canvas.tone(Tone::Head) } else { rule };
        canvas.put(begin + 1, 1, &format!(" {name} "), style);
        if !right.is_empty() && columns(right) + columns(name) + 6 <= usize::from(end - begin) {
            canvas.put_right(end.saturating_sub(1), 1, &format!(" {right} "), rule);
        }
    }

    fn draw_records(&self, canvas: &mut Canvas<'_>) {
        let width = self.list_width();
        self.head(canvas, (0, width), "records", Pane::Records, "");
        let places = self.rows.last().map_or(1, |row| row.seq.to_string().len()).max(4);
        for (y, (index, row)) in (2..).zip(self.rows.iter().enumerate().skip(self.top).take(self.height())) {
            let marked = index == self.at;
            let mark = if marked { "▸" } else { " " };
            let clock = time_exact(row.stamp_ms).split(' ').nth(1).unwrap_or_default().to_owned();
            let kind = if width >= WORDY_COLUMNS { format!("{:<9}", row.kind) } else { sign(row.kind).to_owned() };
            let begin = format!("{mark}{:>places$} {clock} ", row.seq);
            let cause = row.cause.map(|number| format!(" {number}")).unwrap_or_default();
            let used = columns(&begin) + columns(&kind) + 1 + columns(&cause);
            let what = fit(&row.what, usize::from(width).saturating_sub(used + 1)).replace(" …", "…");
            let base = if marked { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
            if marked {
                canvas.put(0, y, &" ".repeat(usize::from(width)), base);
            }
            let x = canvas.put_on(0, y, &begin, if marked { base } else { canvas.dim() });
            let kind_style = if marked { base } else { canvas.kind(row.kind) };
            let x = canvas.put_on(x, y, &kind, kind_style);
            let bad = row.cause.is_some() && !marked;
            canvas.put(x + 1, y, &what, if bad { canvas.tone(Tone::Bad) } else { base });
            canvas.put_right(width.saturating_sub(1), y, &cause, if bad { canvas.tone(Tone::Bad) } else { base });
        }
    }

    fn draw_deeds(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let (begin, width, height) = (self.list_width(), self.deeds_width(), self.height());
        let lines = broken(&self.said, width);
        let last = (self.scrolled + height).min(lines.len());
        let more = if lines.len() > height { format!("{}–{last} of {}", self.scrolled + 1, lines.len()) } else { String::new() };
        self.head(canvas, (begin + 1, area.width), "what it did", Pane::Deeds, &more);
        let rule = canvas.dim();
        canvas.put(begin, 1, "┬", rule);
        for (y, _) in (2..area.height.saturating_sub(1)).zip(0..height) {
            canvas.put(begin, y, "│", rule);
        }
        for (y, (line, tone)) in (2..).zip(lines.iter().skip(self.scrolled).take(height)) {
            let style = canvas.tone(*tone);
            canvas.put(begin + 2, y, line, style);
        }
    }

    fn draw_foot(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let y = area.height.saturating_sub(1);
        let (words, style) = match (&self.mode, &self.notice) {
            (Mode::Going(typed), _) => (format!("go to record: {typed}▏"), Style::new()),
            (Mode::Finding(typed), _) => (format!("find: {typed}▏"), Style::new()),
            (Mode::Help, _) => ("any key goes back".to_owned(), canvas.dim()),
            (Mode::Looking, Some(notice)) => (notice.clone(), canvas.tone(Tone::Warning)),
            (Mode::Looking, None) => (keys(area.width, self.pane).to_owned(), canvas.dim()),
        };
        canvas.put(0, y, &fit(&words, usize::from(area.width)), style);
    }
}

/// What a key makes of what is being typed.
enum Typed {
    On(String),
    Done(String),
    Dropped,
}

fn edited(mut typed: String, code: KeyCode, takes: impl Fn(char) -> bool) -> Typed {
    match code {
        KeyCode::Enter => return Typed::Done(typed),
        KeyCode::Esc => return Typed::Dropped,
        KeyCode::Backspace if typed.pop().is_none() => return Typed::Dropped,
        KeyCode::Char(char) if takes(char) && typed.chars().count() < TYPED_MAX => typed.push(char),
        _ => {}
    }
    Typed::On(typed)
}

/// The keys, as many as there is room for.
fn keys(width: u16, pane: Pane) -> &'static str {
    match (width, pane) {
        (80.., Pane::Records) => "↑↓ record  PgUp PgDn page  g go to  / find  Tab other pane  ? help  q leave",
        (80.., Pane::Deeds) => "↑↓ line  ←→ record  PgUp PgDn page  Tab other pane  ? help  q leave",
        (_, Pane::Records) => "↑↓ record  g go to  / find  Tab  ? help  q leave",
        (_, Pane::Deeds) => "↑↓ line  ←→ record  Tab  ? help  q leave",
    }
}

fn draw_help(canvas: &mut Canvas<'_>, area: Rect) {
    const KEYS: [(&str, &str); 10] = [
        ("← →", "one record back, one on"),
        ("↑ ↓", "the same, or a line where Tab has led to"),
        ("PgUp PgDn", "a page"),
        ("Home End", "the first, the last"),
        ("g", "go to a record by its place"),
        ("/", "find a word in the list; n finds the next"),
        ("Tab", "scroll what the record did, or the list again"),
        ("q Esc", "leave; Esc takes a notice away first"),
        ("», «, ·, =", "asked for, arrived, a time that came, an effect's end"),
        ("+ - ~", "came, went, changed in the state"),
    ];
    for (y, (key, does)) in (2..area.height.saturating_sub(1)).zip(KEYS) {
        canvas.put(2, y, key, bold());
        canvas.put(14, y, &fit(does, usize::from(area.width.saturating_sub(14))), Style::new());
    }
}

/// A kind in one character.
fn sign(kind: &str) -> &'static str {
    match kind {
        "Requested" => "»",
        "Arrived" => "«",
        "Elapsed" => "·",
        _ => "=",
    }
}

/// Lines broken at their words; what goes on stands under its begin.
fn broken(said: &[Said], width: usize) -> Vec<(String, Tone)> {
    let mut lines = Vec::new();
    for Said { indent, sign, text, tone } in said {
        let begin = match sign {
            Some(sign) => format!("{:indent$}{sign} ", ""),
            None => " ".repeat(*indent),
        };
        let under = columns(&begin) + if sign.is_some() { 2 } else { 0 };
        lines.extend(rows(&format!("{begin}{text}"), under, width).into_iter().map(|row| (row, *tone)));
    }
    lines
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// What is drawn on: text by its cell, in colours where they are wanted.
struct Canvas<'b> {
    buffer: &'b mut Buffer,
    colours: bool,
}

impl Canvas<'_> {
    fn put(&mut self, x: u16, y: u16, text: &str, style: Style) {
        self.put_on(x, y, text, style);
    }

    /// Gives the column after the text.
    fn put_on(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        if self.buffer.area.contains((x, y).into()) { self.buffer.set_stringn(x, y, text, usize::MAX, style).0 } else { x }
    }

    fn put_right(&mut self, end: u16, y: u16, text: &str, style: Style) {
        let len = u16::try_from(columns(text)).unwrap_or(u16::MAX);
        self.put(end.saturating_sub(len), y, text, style);
    }

    fn coloured(&self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    fn dim(&self) -> Style {
        if self.colours { Style::new().add_modifier(Modifier::DIM) } else { Style::new() }
    }

    fn tone(&self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::new(),
            Tone::Head => bold(),
            Tone::Dim => self.dim(),
            Tone::Good => self.coloured(Color::Green),
            Tone::Warning => self.coloured(Color::Yellow),
            Tone::Bad => self.coloured(Color::Red),
        }
    }

    /// What a person did stands out, and what came from outside; what follows by itself does not.
    fn kind(&self, kind: &str) -> Style {
        match kind {
            "Requested" => self.coloured(Color::Cyan).add_modifier(Modifier::BOLD),
            "Arrived" => self.coloured(Color::Green),
            "Elapsed" => self.coloured(Color::Yellow),
            _ => self.dim(),
        }
    }
}

#[cfg(test)]
mod tests;
