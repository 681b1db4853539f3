//! What people say, take back and read, and what each of them is owed for it.

use crate::vault::fingerprint;
use crate::world::World;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, IntentId, MessageId};
use thicket_types::intent::{Answer, Intent};
use thicket_types::name::{Name, RelayAddress};

/// A text that someone asked to be sent, under an id that is used again until it is answered.
#[derive(Clone, Debug)]
pub struct Said {
    /// The Intent's id.
    pub id: IntentId,
    /// To whom.
    pub to: Fingerprint,
    /// The text: unique in the world.
    pub text: String,
    /// Whether an Ok was seen, or it is not to be asked for any more.
    pub acknowledged: bool,
    /// Whether it was refused.
    pub refused: bool,
    /// Whether it was taken back.
    pub cancel: Cancel,
    /// Set if a copy of the profile knew of it that is lost.
    pub lost: bool,
    /// Set if its sender went on from a backup since: a receipt for it may be lost with the other copy.
    pub untold: bool,
}

/// How far the taking back of a message came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancel {
    /// Nobody asked for it, or it was too late.
    No,
    /// It was asked for, and not answered.
    Asked(IntentId),
    /// It was taken back.
    Done,
    /// It was taken back, and asked to be sent again all the same.
    Retried(IntentId),
}

/// How often a text is to arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owed {
    /// Once.
    Once,
    /// Nobody can say whether, but not twice.
    AtMostOnce,
    /// Not at all.
    Never,
}

impl Said {
    /// The message's name.
    pub fn message(&self) -> MessageId {
        MessageId(self.id.0)
    }

    /// How often it is to arrive.
    pub fn owed(&self) -> Owed {
        match self.cancel {
            Cancel::No if self.lost => Owed::AtMostOnce,
            Cancel::No if self.refused => Owed::Never,
            Cancel::No => Owed::Once,
            Cancel::Asked(_) | Cancel::Retried(_) => Owed::AtMostOnce,
            // What the lost copy took back may have gone out before that copy was made.
            Cancel::Done if self.lost => Owed::AtMostOnce,
            Cancel::Done => Owed::Never,
        }
    }

    /// A copy of the profile knew of it that is lost: nobody asks for it any more.
    pub(crate) fn known_to_a_lost_copy(self) -> Said {
        Said { acknowledged: true, lost: true, ..self }
    }

    pub(crate) fn answered(&mut self, id: IntentId, answer: &Result<Answer, Code>) {
        let Ok(answer) = answer else {
            return;
        };
        if self.id == id {
            self.acknowledged |= matches!(answer, Answer::Queued(_));
            self.refused |= matches!(answer, Answer::Refused(_));
        }
        let refused = matches!(answer, Answer::Refused(_));
        self.cancel = match self.cancel {
            Cancel::Asked(asked) if asked == id && refused => Cancel::No,
            Cancel::Asked(asked) if asked == id => Cancel::Done,
            Cancel::Retried(asked) if asked == id && refused => Cancel::Done,
            Cancel::Retried(asked) if asked == id => Cancel::No,
            as_it_was => as_it_was,
        };
    }
}

impl World {
    /// Registers with the relay.
    pub fn register(&mut self, who: usize) {
        let relay = RelayAddress::parse(self.meeting.address()).expect("a loopback's address");
        self.ask(who, Intent::Register { relay, key: None, token: None });
    }

    /// Looks a person up.
    pub fn add(&mut self, who: usize, name: &str) {
        let name = Name::parse(name).expect("a name of the simulation");
        self.ask(who, Intent::AddContact { name });
    }

    /// Everybody switches read marks on.
    pub fn switch_read_marks_on(&mut self) {
        self.read_marks = true;
        for who in 0..self.people.len() {
            self.ask(who, Intent::SetReadMarks { on: true });
        }
    }

    /// Whether a person knows anybody.
    pub fn knows(&self, who: usize) -> bool {
        !self.view(who).contacts.is_empty()
    }

    /// Says something to somebody. It is asked again, under the same id, until an Ok was seen.
    pub fn say(&mut self, who: usize, to: usize) {
        let id = self.intent();
        let number: String = id.hex().chars().take(8).collect();
        let text = format!("{} to {}, {number}", self.people[who].name, self.people[to].name);
        let to = fingerprint(self.people[to].name);
        let said = Said { id, to, text, acknowledged: false, refused: false, cancel: Cancel::No, lost: false, untold: false };
        self.people[who].said.push(said);
        self.ask_again(who);
    }

    /// Asks again for all that was said and not acknowledged.
    pub fn ask_again(&mut self, who: usize) {
        let person = &mut self.people[who];
        let Some(pump) = &mut person.pump else {
            return;
        };
        for said in person.said.iter().filter(|said| !said.acknowledged && !said.refused && said.cancel == Cancel::No) {
            // A vault that just died stages nothing; the next process asks again.
            if let Ok(body) = pump.stage(said.text.as_bytes()) {
                let len = u32::try_from(said.text.len()).expect("a short text");
                pump.submit(said.id, Intent::Send { contact: said.to, body, len });
            }
        }
    }

    /// Takes back what was said `ago` texts before the last, if the process runs.
    pub fn cancel(&mut self, who: usize, ago: usize) {
        let id = self.intent();
        let person = &mut self.people[who];
        let said = person.said.iter_mut().rev().filter(|said| said.cancel == Cancel::No && !said.lost).nth(ago);
        if let (Some(said), Some(pump)) = (said, &mut person.pump) {
            said.cancel = Cancel::Asked(id);
            pump.submit(id, Intent::CancelMessage { message: said.message() });
        }
    }

    /// Has what was taken back last sent all the same, if the process runs.
    pub fn retry(&mut self, who: usize) {
        let id = self.intent();
        let person = &mut self.people[who];
        let said = person.said.iter_mut().rev().find(|said| said.cancel == Cancel::Done && !said.lost);
        if let (Some(said), Some(pump)) = (said, &mut person.pump) {
            said.cancel = Cancel::Retried(id);
            pump.submit(id, Intent::RetryMessage { contact: said.to, message: said.message() });
        }
    }

    /// Renews a person's keys with another.
    pub fn update_keys(&mut self, who: usize, with: usize) {
        let contact = fingerprint(self.people[with].name);
        self.ask(who, Intent::UpdateKeys { contact });
    }

    /// Reads up to the message that came last.
    pub fn read(&mut self, who: usize) {
        let data = self.people[who].vault.data();
        if let Some(row) = data.rows.iter().rev().find(|row| !row.outgoing && row.text.is_some()) {
            self.ask(who, Intent::MarkRead { contact: row.contact, message: row.message });
        }
    }

    /// Everybody reads all that came, in the order in which it was written.
    pub(crate) fn read_all(&mut self) {
        for who in 0..self.people.len() {
            let own = fingerprint(self.people[who].name);
            let data = self.people[who].vault.data();
            let lasts: Vec<(Fingerprint, MessageId)> = (0..self.people.len())
                .filter_map(|from| {
                    let contact = fingerprint(self.people[from].name);
                    let came = |message| data.rows.iter().any(|row| !row.outgoing && row.contact == contact && row.message == message);
                    let theirs = self.people[from].vault.data().rows;
                    let mut wrote = theirs.iter().rev().filter(|row| row.outgoing && row.contact == own);
                    wrote.find(|row| came(row.message)).map(|row| (contact, row.message))
                })
                .collect();
            for (contact, message) in lasts {
                self.ask(who, Intent::MarkRead { contact, message });
            }
        }
    }
}
