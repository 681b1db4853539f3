//! Text from others, made harmless for a terminal.

/// Replaces what could move the cursor, change colours, turn the reading direction or hide by its code point in angle brackets.
/// A line break stays; the lines after it are indented by `indent`, so that no line can pose as another message.
///
/// Joiners and the selectors of an emoji's look stay where they have something to join or to select: behind a character that is
/// shown.
pub fn harmless(text: &str, indent: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = ' ';
    for char in text.chars() {
        match char {
            '\n' => {
                shown.push('\n');
                shown.push_str(indent);
            }
            '\t' => shown.push(' '),
            other if acts(other) || (serves(other) && !is_served(before, other)) => {
                shown.push_str(&format!("<{:04X}>", u32::from(other)));
            }
            other => shown.push(other),
        }
        before = char;
    }
    shown
}

/// Whether a terminal obeys a character instead of showing it, or shows nothing of it; not what serves the one before it.
pub fn acts(char: char) -> bool {
    char.is_control() || turns(char) || hides(char)
}

/// Bidi controls (UAX #9), and separators of lines.
fn turns(char: char) -> bool {
    matches!(char, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

/// What nothing is shown of: Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt), but for what serves, and the
/// marks of annotations. A language that writes with one of them reads its code point here; texts hide nothing by them.
fn hides(char: char) -> bool {
    let ignorable = matches!(
        u32::from(char),
        0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E
            | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3
            | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF
    );
    ignorable && !serves(char)
}

/// The joiners, which emoji and several scripts are written with, and the selectors of an emoji's look.
fn serves(char: char) -> bool {
    is_joiner(char) || is_selector(char)
}

fn is_joiner(char: char) -> bool {
    matches!(char, '\u{200C}' | '\u{200D}')
}

fn is_selector(char: char) -> bool {
    matches!(char, '\u{FE0E}' | '\u{FE0F}')
}

/// Whether there is something before a joiner or a selector that it can serve: rows of them would hide a text.
fn is_served(before: char, char: char) -> bool {
    let shown = !before.is_whitespace() && !acts(before) && !serves(before);
    shown || (is_joiner(char) && is_selector(before))
}

/// Columns that a text takes on a terminal: none for marks that combine, two for wide scripts and emoji.
///
/// An estimate after UAX #11: terminals differ, and nothing but the look depends on it.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(char: char) -> usize {
    match u32::from(char) {
        0x0300..=0x036F | 0x0483..=0x0489 | 0x0591..=0x05BD | 0x064B..=0x065F | 0x200C..=0x200D | 0x20D0..=0x20FF | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 => 2,
        0x1F300..=0x1FAFF | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// The begin of a text that fits into so many columns; what was cut is marked with `…`.
pub fn fit(text: &str, columns_max: usize) -> String {
    if columns(text) <= columns_max {
        return text.to_owned();
    }
    let mut fitted = String::new();
    let mut left = columns_max.saturating_sub(1);
    for char in text.chars() {
        let Some(rest) = left.checked_sub(columns_of(char)) else {
            break;
        };
        left = rest;
        fitted.push(char);
    }
    fitted.push('…');
    fitted
}

/// A text in rows of at most so many columns: cut at its line breaks, and broken at its words where a row is full. What goes on
/// stands as far in as `indent`, which later lines of the text bear already, or half a row if that is less. A word that is longer
/// than a row is cut.
pub fn rows(text: &str, indent: usize, columns_max: usize) -> Vec<String> {
    let (borne, below) = (" ".repeat(indent), " ".repeat(indent.min(columns_max / 2)));
    let mut rows = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        let begin = if number == 0 { "" } else { &below };
        let line = if number == 0 { line } else { line.strip_prefix(&borne).unwrap_or(line) };
        let mut row = Row { text: begin.to_owned(), taken: begin.len(), words: 0 };
        for word in line.split(' ') {
            let width = columns(word);
            let gap = usize::from(row.words > 0);
            row.words += 1;
            if row.taken + gap + width > columns_max {
                if width == 0 {
                    // A blank that nobody would see.
                    continue;
                }
                if below.len() + width <= columns_max {
                    rows.push(row.go_on(&below));
                } else if gap > 0 {
                    row.put(' ', columns_max, &below, &mut rows);
                }
            } else if gap > 0 {
                row.put(' ', columns_max, &below, &mut rows);
            }
            word.chars().for_each(|char| row.put(char, columns_max, &below, &mut rows));
        }
        rows.push(row.text);
    }
    rows
}

/// A row that is being filled.
struct Row {
    text: String,
    /// Its columns.
    taken: usize,
    /// The words of its line so far.
    words: usize,
}

impl Row {
    /// Gives the row, and begins the next below it.
    fn go_on(&mut self, below: &str) -> String {
        self.taken = below.len();
        std::mem::replace(&mut self.text, below.to_owned())
    }

    fn put(&mut self, char: char, columns_max: usize, below: &str, rows: &mut Vec<String>) {
        let columns = columns_of(char);
        // What does not fit into an empty row either stands in it.
        if self.taken + columns > columns_max && self.taken > below.len() {
            rows.push(self.go_on(below));
        }
        self.text.push(char);
        self.taken += columns;
    }
}

/// A text that begins in a column: broken at its words where a line of so many columns ends, and going on below its begin. A word
/// that is longer, such as an address, stays whole.
pub fn beside(text: &str, begin: usize, columns_max: usize) -> String {
    let (mut lines, mut column) = (String::new(), begin);
    for word in text.split(' ') {
        let width = columns(word);
        if column > begin && column + 1 + width > columns_max {
            lines.push('\n');
            lines.push_str(&" ".repeat(begin));
            column = begin;
        } else if column > begin {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

/// Words in lines of at most so many columns, each of their lines by itself. A command to be typed, in a line of its own or at the
/// end of one that is broken, stays whole.
pub fn broken(words: &str, columns_max: usize) -> String {
    words.split('\n').map(|line| broken_beside(line, 0, columns_max)).collect::<Vec<_>>().join("\n")
}

/// The same of one line, which begins in a column.
pub fn broken_beside(line: &str, begin: usize, columns_max: usize) -> String {
    const GOES_ON: [&str; 3] = [", ", "; ", ". "];
    let is_long = begin + columns(line) > columns_max;
    match line.rsplit_once(": thicket ").filter(|_| is_long) {
        Some((words, command)) if GOES_ON.iter().all(|more| !command.contains(more)) => {
            let words = beside(&format!("{words}:"), begin, columns_max);
            format!("{words}\n{:begin$}thicket {}", "", command.trim_end_matches('.'))
        }
        _ if line.starts_with("thicket ") => line.to_owned(),
        _ => beside(line, begin, columns_max),
    }
}

/// So many of a thing: "1 message", "2 messages".
pub fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A path as a shell takes it for one word.
pub fn quoted(path: &str) -> String {
    let plain = path.chars().all(|char| char.is_alphanumeric() || "/._-+:".contains(char));
    if plain { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_columns_and_not_to_characters() {
        assert_eq!(columns("grüße"), 5);
        assert_eq!(columns("世界"), 4);
        assert_eq!(columns("e\u{301}"), 1);
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("longer", 5), "long…");
        assert_eq!(fit("世界世界", 5), "世界…");
    }

    #[test]
    fn rows_end_where_a_line_ends_or_is_full() {
        assert_eq!(rows("abcdef\ngh", 0, 4), ["abcd", "ef", "gh"]);
        assert_eq!(rows("", 0, 4), [""]);
        assert_eq!(rows("世界世", 0, 5), ["世界", "世"]);
        assert_eq!(rows("世", 0, 1), ["世"], "what does not fit stands alone");
    }

    #[test]
    fn rows_break_at_words_and_go_on_as_far_in_as_the_text_began() {
        assert_eq!(rows("bob: one two three", 5, 13), ["bob: one two", "     three"]);
        assert_eq!(rows("bob: one\n     two and three", 5, 13), ["bob: one", "     two and", "     three"]);
        assert_eq!(rows("bob: a  b   ", 5, 9), ["bob: a  b"], "blanks at a row's end are nobody's loss");
        assert_eq!(rows("bob: abcdefghij", 5, 10), ["bob: abcde", "     fghij"]);
        assert_eq!(rows("someone: hi there", 9, 10), ["someone:", "     hi", "     there"], "half a row is for the text");
        for columns_max in 5..40 {
            let said = "2026-09-21 14:13  bob: 世界 and a longword-that-fits-nowhere,\n                       e\u{301} twice";
            let rows = rows(said, 23, columns_max);
            assert!(rows.iter().all(|row| columns(row) <= columns_max), "{columns_max}: {rows:?}");
            let letters = |text: &str| text.chars().filter(|char| !char.is_whitespace()).collect::<String>();
            assert_eq!(letters(&rows.concat()), letters(said), "{columns_max}");
        }
    }

    #[test]
    fn a_long_line_goes_on_below_its_begin() {
        assert_eq!(beside("short enough", 2, 80), "short enough");
        let long = beside(&"seven77 ".repeat(12), 4, 80);
        assert!(long.lines().all(|line| line.len() <= 80) && long.contains("seven77\n    seven77"), "{long}");
        assert_eq!(beside(&format!("at {}", "x".repeat(90)), 4, 80), format!("at\n    {}", "x".repeat(90)), "an address is not broken");
    }

    #[test]
    fn a_command_is_a_line_that_nothing_breaks() {
        assert_eq!(broken("one two\nthicket one two", 5), "one\ntwo\nthicket one two");
        assert_eq!(broken("one two: thicket one two.", 9), "one two:\nthicket one two");
        assert_eq!(broken("one two: thicket one two.", 80), "one two: thicket one two.");
        assert_eq!(broken("one: thicket two, then three", 12), "one: thicket\ntwo, then\nthree", "it does not end with the command");
        assert_eq!(broken_beside("one two: thicket one two.", 2, 12), "one two:\n  thicket one two");
    }

    #[test]
    fn one_thing_and_several() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "message")), ["0 messages", "1 message", "2 messages"]);
    }

    #[test]
    fn a_path_is_one_word_to_a_shell() {
        assert_eq!(quoted("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
        assert_eq!(quoted("/tmp/it's here"), r"'/tmp/it'\''s here'");
    }

    #[test]
    fn escapes_and_bidi_overrides_are_shown_and_not_obeyed() {
        assert_eq!(harmless("a\u{1b}[31mred\u{7}", ""), "a<001B>[31mred<0007>");
        assert_eq!(harmless("\u{202E}evil", ""), "<202E>evil");
        assert_eq!(harmless("\u{9b}2J", ""), "<009B>2J");
    }

    #[test]
    fn a_second_line_cannot_pose_as_another_message() {
        assert_eq!(harmless("hi\n10:00 bob: forged\r\n", "  "), "hi\n  10:00 bob: forged<000D>\n  ");
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        // A family, a heart on fire, a keycap; Persian and Malayalam with joiners.
        for text in ["grüße, мир, 世界, שלום", "👩‍👩‍👧 ok", "❤\u{FE0F}\u{200D}🔥 1\u{FE0F}\u{20E3}", "می\u{200C}خواهم", "ന\u{0D4D}\u{200D}"]
        {
            assert_eq!(harmless(text, ""), text);
        }
    }

    #[test]
    fn what_nothing_is_shown_of_is_shown_as_its_code_point() {
        let hidden = [
            0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180E, 0x180F, 0x200B, 0x2060, 0x2064, 0x206F, 0x3164, 0xFE00,
            0xFEFF, 0xFFA0, 0xFFF0, 0xFFF9, 0xFFFB, 0x1BCA0, 0x1D173, 0x1D17A, 0xE0001, 0xE0041, 0xE0100, 0xE0FFF,
        ];
        for point in hidden {
            let char = char::from_u32(point).expect("a character");
            assert!(acts(char), "{point:04X}");
            assert_eq!(harmless(&format!("a{char}b"), ""), format!("a<{point:04X}>b"));
        }
        for shown in ['\u{00AC}', '\u{1161}', '\u{3163}', '\u{FE10}', '\u{2070}', '\u{FFFC}', '\u{10FFFD}'] {
            assert!(!acts(shown), "{shown:?}");
        }
    }

    #[test]
    fn joiners_that_join_nothing_are_shown() {
        assert_eq!(harmless("\u{200D}a", ""), "<200D>a");
        assert_eq!(harmless("a\u{200D}\u{200D}\u{FE0F}", ""), "a\u{200D}<200D><FE0F>");
        assert_eq!(harmless("a \u{200C}b\n\u{FE0F}", ""), "a <200C>b\n<FE0F>");
        assert_eq!(harmless("❤\u{FE0F}\u{FE0F}", ""), "❤\u{FE0F}<FE0F>");
    }
}
