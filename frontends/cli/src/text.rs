//! Text from others, made harmless for a terminal.

/// Replaces what could move the cursor, change colours or turn the reading direction by its code point in angle brackets.
/// A line break stays; the lines after it are indented by `indent`, so that no line can pose as another message.
pub fn harmless(text: &str, indent: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => {
                shown.push('\n');
                shown.push_str(indent);
            }
            '\t' => shown.push(' '),
            other if other.is_control() || turns(other) => shown.push_str(&format!("<{:04X}>", u32::from(other))),
            other => shown.push(other),
        }
    }
    shown
}

/// Bidi controls (UAX #9), joiners and separators that hide or turn what is shown.
fn turns(char: char) -> bool {
    matches!(char, '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for text in ["grüße, мир, 世界, שלום", "👩‍👩‍👧 ok"] {
            assert_eq!(harmless(text, ""), text);
        }
    }
}
