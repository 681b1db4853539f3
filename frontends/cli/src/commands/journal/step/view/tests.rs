use super::*;
use insta::{Settings, assert_snapshot};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

fn row(seq: u64, kind: &'static str, what: &str, cause: Option<u32>) -> Row {
    Row { seq, stamp_ms: 1_790_000_000_000 + seq * 137, kind, what: what.to_owned(), cause }
}

/// A journal of so many records.
fn records(count: u64) -> Vec<Row> {
    let record = |seq| match seq % 6 {
        0 => row(seq, "Requested", "Send", None),
        1 => row(seq, "Resolved", &format!("{}.0 a frame of 1584 bytes", seq - 1), None),
        2 => row(seq, "Resolved", &format!("{}.0 handed to the transport", seq - 1), None),
        3 => row(seq, "Arrived", "an answer, 96 bytes", None),
        4 => row(seq, "Elapsed", "receipts for a1a1a1a1…", None),
        _ => row(seq, "Arrived", "refused: the relay knows nobody of that name", Some(201)),
    };
    (1..=count).map(record).collect()
}

fn line(indent: usize, sign: Option<char>, text: &str, tone: Tone) -> Said {
    Said { indent, sign, text: text.to_owned(), tone }
}

fn deeds() -> Vec<Said> {
    vec![
        line(0, None, "Requested: Send", Tone::Plain),
        line(0, None, "", Tone::Plain),
        line(0, None, "asked for", Tone::Head),
        line(2, None, "42.0 seal message (vault)", Tone::Plain),
        line(4, None, "at 43 after 4 ms: a frame of 1584 bytes", Tone::Good),
        line(2, None, "42.1 answered (told)", Tone::Plain),
        line(0, None, "", Tone::Plain),
        line(0, None, "changed", Tone::Head),
        line(2, None, "outbox", Tone::Plain),
        line(
            4,
            Some('+'),
            "05050505… {contact b0b0b0b0…, body 01010101…, again false, astray false, state Queued, at 2026-09-21 14:13:25.754}",
            Tone::Good,
        ),
        line(2, None, "session", Tone::Plain),
        line(4, Some('~'), "waiting 3 → 2", Tone::Warning),
        line(2, Some('-'), "timers Resume 2026-09-21 14:13:25.754", Tone::Bad),
    ]
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

fn press(view: &mut View, keys: &str) {
    for char in keys.chars() {
        let code = if char == '\n' { KeyCode::Enter } else { KeyCode::Char(char) };
        assert_eq!(view.press(key(code)), Then::Stay);
    }
}

fn place(view: &View) -> u64 {
    view.row().expect("a record").seq
}

fn drawn(view: &mut View, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a screen");
    view.resize(columns, rows);
    terminal.draw(|frame| view.draw(frame)).expect("room");
    let cells = terminal.backend().buffer();
    let line = |y| (0..columns).map(|x| cells[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..rows).map(line).collect::<Vec<_>>().join("\n")
}

/// A view at record 42 of 200.
fn view() -> View {
    let mut view = View::new(records(200), 42, true);
    view.show(deeds());
    view
}

#[test]
fn the_screen_shows_records_and_what_one_did() {
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        assert_snapshot!("step_80x24", drawn(&mut view(), 80, 24));
        assert_snapshot!("step_120x40", drawn(&mut view(), 120, 40));
        assert_snapshot!("step_60x15", drawn(&mut view(), 60, 15));
        let mut helped = view();
        press(&mut helped, "?");
        assert_snapshot!("step_help", drawn(&mut helped, 80, 24));
    });
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    for (columns, rows) in [(59, 15), (60, 14), (1, 1), (10, 3)] {
        let shown = drawn(&mut view(), columns, rows);
        assert!(!shown.contains("records"), "{shown}");
        assert!(columns < 59 || shown.contains("60 columns and 15 rows are needed"), "{shown}");
    }
}

#[test]
fn the_marked_record_is_always_among_those_listed_and_no_page_is_half_empty() {
    let mut view = view();
    let codes =
        [KeyCode::PageDown, KeyCode::Down, KeyCode::End, KeyCode::Up, KeyCode::PageUp, KeyCode::Home, KeyCode::Right, KeyCode::Left];
    for step in 0..400 {
        view.press(key(codes[step * step % codes.len()]));
        let (columns, rows) = [(80, 24), (120, 40), (60, 15)][step % 3];
        view.resize(columns, rows);
        let height = view.height();
        assert!(view.top <= view.at && view.at < view.top + height && view.top + height <= 200, "{} {} {height}", view.top, view.at);
    }
}

#[test]
fn keys_go_to_records_by_one_by_page_by_place_and_by_word() {
    let mut view = view();
    view.resize(80, 24);
    for (code, expected) in [
        (KeyCode::Down, 43),
        (KeyCode::Right, 44),
        (KeyCode::Up, 43),
        (KeyCode::Left, 42),
        (KeyCode::PageDown, 62),
        (KeyCode::PageUp, 42),
        (KeyCode::End, 200),
        (KeyCode::Down, 200),
        (KeyCode::Home, 1),
        (KeyCode::Left, 1),
    ] {
        assert_eq!(view.press(key(code)), Then::Stay);
        assert_eq!(place(&view), expected, "{code:?}");
    }
    press(&mut view, "g117\n");
    assert_eq!(place(&view), 117);
    press(&mut view, "g201\n");
    assert_eq!((place(&view), view.notice.as_deref()), (117, Some("there are records from 1 to 200")));
    press(&mut view, "g99");
    view.press(key(KeyCode::Esc));
    assert_eq!(place(&view), 117);
    press(&mut view, "/requested\n");
    assert_eq!(place(&view), 120);
    press(&mut view, "n");
    assert_eq!(place(&view), 126);
    // From the end on from the beginning.
    press(&mut view, "g200\n/SEND\n");
    assert_eq!(place(&view), 6);
    press(&mut view, "/nowhere\n");
    assert_eq!((place(&view), view.notice.as_deref()), (6, Some("no record holds nowhere")));
    // What it said goes first, and then it leaves.
    assert_eq!((view.press(key(KeyCode::Esc)), view.notice.as_deref()), (Then::Stay, None));
    assert_eq!(view.press(key(KeyCode::Esc)), Then::Leave);
    // Any other key does what it is for.
    press(&mut view, "n");
    assert!(view.notice.is_some());
    assert_eq!(view.press(key(KeyCode::Char('q'))), Then::Leave);
}

#[test]
fn tab_leads_to_what_the_record_did_and_the_arrows_scroll_it() {
    let mut view = view();
    view.show((0..100).map(|number| line(0, None, &format!("line {number}"), Tone::Plain)).collect());
    view.resize(80, 24);
    view.press(key(KeyCode::Tab));
    view.press(key(KeyCode::Down));
    assert_eq!((place(&view), view.scrolled), (42, 1));
    view.press(key(KeyCode::End));
    assert_eq!(view.scrolled, 100 - 21);
    view.press(key(KeyCode::Right));
    assert_eq!(place(&view), 43, "the record moves from there too");
    view.press(key(KeyCode::Home));
    view.press(key(KeyCode::Tab));
    view.press(key(KeyCode::Up));
    assert_eq!((place(&view), view.scrolled), (42, 0));
}

#[test]
fn q_escape_and_ctrl_c_leave_and_nothing_that_is_typed_does() {
    for code in [KeyCode::Char('q'), KeyCode::Esc] {
        assert_eq!(view().press(key(code)), Then::Leave);
    }
    let mut finding = view();
    press(&mut finding, "/quit?");
    assert_eq!(finding.mode, Mode::Finding("quit?".to_owned()));
    assert_eq!(finding.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Then::Interrupt);
    assert_eq!(finding.press(key(KeyCode::Esc)), Then::Stay);
    let mut helped = view();
    press(&mut helped, "?q");
    assert_eq!(helped.mode, Mode::Looking);
}

#[test]
fn an_empty_journal_has_no_record_and_no_key_panics() {
    let mut view = View::new(Vec::new(), 1, false);
    for code in [KeyCode::Down, KeyCode::End, KeyCode::PageUp, KeyCode::Tab, KeyCode::Down, KeyCode::End] {
        view.press(key(code));
    }
    press(&mut view, "g1\n/a\nn");
    assert!(view.row().is_none() && !drawn(&mut view, 80, 24).is_empty());
}
