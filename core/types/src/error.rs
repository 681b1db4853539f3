//! The one numbered table of errors. docs/ERRORS.md is generated from it; numbers are never reused.

use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whose doing an error is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// The other side sent what it must not.
    Peer,
    /// The caller asked for what can't be.
    Caller,
    /// The device: its disk, clock or network.
    Device,
    /// Us: a fault of the program.
    Us,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $code:literal $name:ident $blame:ident $what:literal, $hint:literal;)*) => {
        /// A numbered error: an expected no, or a broken world. Its number is stable for ever.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All errors, by number.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The number.
            pub fn number(self) -> u32 {
                match self { $(Code::$name => $code,)* }
            }

            /// The error of a number.
            pub fn from_number(number: u32) -> Option<Code> {
                match number { $($code => Some(Code::$name),)* _ => None }
            }

            /// The name, as in docs/ERRORS.md.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => stringify!($name),)* }
            }

            /// Whose doing it is.
            pub fn blame(self) -> Blame {
                match self { $(Code::$name => Blame::$blame,)* }
            }

            /// What happened.
            pub fn what(self) -> &'static str {
                match self { $(Code::$name => $what,)* }
            }

            /// What to do.
            pub fn hint(self) -> &'static str {
                match self { $(Code::$name => $hint,)* }
            }
        }
    };
}

errors! {
    100 WrongPassphrase Caller "the passphrase is wrong", "try again; a forgotten passphrase cannot be recovered";
    101 ProfileExists Caller "there is a profile in this folder already", "choose another folder";
    102 ProfileMissing Caller "there is no profile in this folder", "name its folder with --home; to make one: thicket account create NAME";
    103 ProfileInUse Caller "another process has this profile open", "close it; a program that asks for many things in one process uses thicket listen";
    104 ProfileNewer Caller "this profile or file was written by a newer version", "update Thicket; nothing was changed";
    105 MalformedName Caller "a name is 1 to 64 of A-Z a-z 0-9 _ -, with a letter or digit, and not 'server'", "spell it so; an account keeps its name, so that another one is another profile: thicket --home DIR account create NAME";
    106 AlreadyRegistered Caller "this account is registered already", "nothing needs doing; to use another relay: thicket relay change ADDRESS";
    107 NotRegistered Caller "this account is not registered with a relay", "register first: thicket register --relay ADDRESS";
    108 UnknownContact Caller "there is no such contact", "add the contact by name first: thicket contact add NAME";
    109 EmptyMessage Caller "a message needs at least one byte", "write something";
    110 MessageTooLong Caller "a message holds at most 64 KiB", "send it in parts";
    111 OutboxFull Caller "too many messages wait to be stored by the relay", "wait until the relay is reached";
    112 TooManyContacts Caller "this account has as many contacts as it can hold", "remove some";
    113 UnknownBody Caller "the body that this message names is not in the vault", "stage it again";
    114 OwnName Caller "that is this account's own name", "name someone else";
    115 ContactHeld Peer "this contact's identity is not the one that was pinned; sending is held", "ask them whether they have a new identity; if so: thicket contact trust NAME, then compare safety numbers";
    116 ProfileClosed Caller "this profile is closed", "open it again";
    117 TooBusy Caller "too many requests wait for an answer", "wait until the relay answers";
    118 ContactBlocked Caller "this contact is blocked", "unblock them first: thicket contact unblock NAME";
    119 ContactBusy Caller "messages to this contact are under way", "try again when they are stored, or have failed";
    120 UnknownMessage Caller "there is no such message", "name one that thicket read --json shows";
    121 MessageUnderWay Caller "the message is on its way already: it cannot be called back", "wait until it is stored, or has failed";
    122 Cancelled Caller "the message was cancelled before it was sent", "send it again, if you like";
    123 NothingToRetry Caller "there is nothing to send again: the message is on its way, has arrived, or is not yours", "nothing needs doing";
    124 SameRelay Caller "that is the relay that this account uses", "nothing needs doing";
    125 NotCopied Caller "no other device has taken this account over", "nothing needs doing";
    126 Usage Caller "the command line asks for what cannot be", "see thicket --help, and the --help of the command";
    127 Interrupted Caller "the command was interrupted", "what was asked for and is durable goes on at the next command";
    128 FolderNotEmpty Caller "this folder holds other files, or a profile without its keys file", "choose a folder that is empty or not there; if a keys file was moved away, put it back";
    129 RelayInUse Caller "another relay runs on this home", "stop it first, or give this one a home of its own";
    130 StoreMissing Caller "there is no relay's store in this home", "name the home of a relay that has run";
    131 FileExists Caller "there is such a file already", "choose another name; nothing was written over";
    132 StoreNewer Caller "this relay's store was written by a newer version", "update thicket-relayd; nothing was changed";
    133 NotAsking Caller "this contact does not wait to be accepted", "to have them gone, with all messages: thicket contact remove NAME";
    134 NotHeld Caller "the directory shows no other identity for this contact than the one you know", "nothing needs doing";
    135 PastRecall Caller "the relay has the message: it cannot be called back", "to delete your own copy: thicket message forget ID";
    136 DemoInterrupted Caller "the demo was interrupted", "run it again: it begins anew, and nothing of it goes on";
    137 FileTooLarge Caller "a file or a stream holds more than is read from it", "name the right one: a key, a passphrase or a token is far smaller";
    139 BeginningGone Caller "the oldest records of this journal have retired, and no snapshot holds what they came to", "nothing was written; to show what it is made of, without names: thicket journal stats";
    140 CapsuleDamaged Caller "this file is no capsule, or not a whole one, or one that costs too much to fold", "name the right one, or have it copied once more; nobody's journal costs that much";
    141 TooMuchForCapsule Caller "so much is under way in this journal that nobody would open its capsule", "nothing was written; to show what it is made of, without names: thicket journal stats";
    143 UnknownGroup Caller "there is no such group here", "name one that you are in";
    144 AlreadyMember Caller "somebody who was named is a member already", "name the others alone";
    145 NotAllowed Caller "your role in the group does not allow that", "ask an admin or an owner of it";
    146 GroupFull Caller "the group has as many members as it can have", "remove somebody first, or begin another group";
    147 OrderOpen Caller "somebody is being removed from the group, and nothing else goes before that", "it goes by itself once that is done";
    148 NoMember Caller "you are no member of this group any more", "what you have of it stays; to come back, ask a member";

    200 NameTaken Peer "the name is taken", "an account keeps its name: make another profile, with thicket --home DIR account create NAME";
    201 UnknownName Peer "the relay knows nobody of that name", "check the spelling";
    202 BadSignature Peer "the relay could not verify the signature", "try again; if it stays, the account's key is not the registered one";
    203 ChallengeExpired Peer "the relay's challenge was answered too late", "try again";
    204 ChallengeUnknown Peer "the relay never gave that challenge, or it was used before", "try again";
    205 NotLoggedIn Peer "the relay does not know this connection", "log in again";
    206 MalformedRequest Peer "the relay could not read the request", "update Thicket, or the relay";
    207 UnknownVersion Peer "the relay speaks another version of the protocol", "update the older of the two";
    208 TooLarge Peer "the relay takes no frame of that size", "send less at once";
    209 MailboxFull Peer "the recipient's mailbox is full", "try again after they were online";
    210 UnknownMailbox Peer "the relay has no such mailbox", "look the contact up again";
    211 NoKeyPackage Peer "the relay has no key package of this contact", "they must come online once";
    212 RelayBusy Peer "the relay has no room for this now", "try again later";
    213 BadCertificate Peer "the certificate is malformed or not of the kind that Thicket uses", "make a new account";
    214 ProfileCopied Peer "the relay has met another copy of this profile since", "use the newest copy alone; if this is the one to go on with: thicket account take-over";
    215 StampNeeded Peer "the relay asks a stranger for work first", "nothing; it is being done";
    216 RegistrationClosed Peer "the relay takes no new accounts", "choose another relay";
    217 BadToken Peer "the relay takes new accounts by token only, and not by this one", "ask the relay's operator for a token, and give it with --token-file FILE";
    218 QuotaReached Peer "the recipient's relay holds as many messages of this sender as it may", "try again after they were online";
    219 RequestBoxFull Peer "the recipient's box for strangers is full", "try again after they were online";
    220 NameLost Peer "this relay gives your name to somebody else now: it lost your account, and they took the name meanwhile", "use another relay: thicket relay change ADDRESS; what waits is kept and goes from there";
    221 UnknownLog Peer "the relay has no such group", "nothing can be sent there; leave the group, or ask whoever runs the relay";
    222 NoRightToPost Peer "the relay knows no right to post by what was shown", "catch up with the group first; who was removed can't";
    223 NoRightToRead Peer "the relay knows no right to read by what was shown", "catch up with the group first; who was removed can't";
    224 LogTaken Peer "the relay has another group under that id", "make the group again";

    300 RelayUnreachable Device "the relay cannot be reached or does not answer", "check the network; what was asked is kept and tried again";
    301 DiskFull Device "the disk is full", "make room; nothing that was acknowledged is lost";
    302 DiskFailed Device "the disk refused a read or a write", "check the disk; nothing that was acknowledged is lost";
    303 JournalDamaged Device "the journal is damaged", "keep the folder as it is, and restore a backup";
    304 VaultDamaged Device "the vault is damaged, or not there", "keep the folder as it is, and restore a backup";
    305 RolledBack Device "journal and vault are not of the same time: one was restored or copied", "put the newest copy back whole; if this is all there is: thicket account take-over";
    306 KeysDamaged Device "the keys file is damaged", "keep the folder as it is, and restore a backup";
    307 ClockWrong Device "this device's clock and the relay's are minutes apart or more", "set this clock if it is the wrong one; messages go all the same, under wrong times";
    308 FileFailed Device "a file or a stream cannot be read or written", "see that it is there, and who may use it";
    309 StoreDamaged Device "the relay's store is damaged, or is none", "keep the file as it is, and put a backup in its place";
    310 RelayKeyDamaged Device "the relay's keys file is damaged", "put your copy of it back: with new keys it is another relay to its clients";
    311 CannotListen Device "the relay cannot listen there", "see that the address is this machine's, and that no other program listens there";
    312 NotThatRelay Peer "something answers at this address, and does not prove to be the relay that it names", "see that the address is right, its KEY too; a relay that has no room for another connection hangs up likewise";
    313 StoreGone Device "the relay's keys are here, and its store is not, or is empty", "put the store back, or a backup of it: without it nobody has an account";
    314 RelayKeyGone Device "the relay's store is here, and its keys file is not", "put your copy of it back: with new keys it is another relay to its clients";
    315 AccountUnknown Peer "the relay does not know this account, which it had: it was restored from an older copy, or lost its store", "ask its operator, or register again at the same address: thicket register --relay ADDRESS";
    316 StillUnderWay Device "not everything was done in time", "the rest is kept and goes on at the next command; --timeout gives it more time";
    317 BadConfiguration Caller "the relay's configuration, or its command line, asks for what cannot be", "mend it: docs/RELAY.md lists the keys and what each may be, and thicket-relayd --check-config tries them";
    318 ArchiveDamaged Device "the backup is damaged, cut short, or is none", "use another copy of it";

    400 ForgedAnswer Peer "an answer does not bear the relay's signature", "do not trust this relay or the way to it";
    401 ForgedEntry Peer "the relay gave an entry that its owner did not sign", "do not trust this relay";
    402 ForgedLeaf Peer "a key is not certified by the identity it names", "the message was not accepted; tell your contact";
    403 ForgedSender Peer "the sender of an envelope is not the one who wrote the message", "the message was not accepted";
    404 Unsealable Peer "an envelope was not sealed to this account", "nothing; it was dropped";
    405 NoMatchingKeyPackage Peer "a Welcome names a key package that is used up or unknown", "ask the sender to begin again";
    406 MalformedEnvelope Peer "an envelope cannot be read", "nothing; it was dropped";
    407 TooOld Peer "the message came too late: its key is gone", "ask the sender to send it again";
    408 NoConversation Peer "the message belongs to a conversation that never arrived", "ask the sender to send it again";
    409 Undecryptable Peer "the message cannot be decrypted", "ask the sender to send it again";
    410 BadKeyPackage Peer "the contact's key package is malformed or not theirs", "try again later";
    411 Repeated Peer "the message was here before, in the same bytes", "nothing; it was dropped";
    412 FromBlocked Peer "a blocked contact sent something", "nothing; it was dropped unread";
    413 BadCommit Peer "a commit does what nobody may do in a conversation of two", "it was not followed; tell your contact";
    414 BadOffer Peer "an offer to begin anew is not by the one it names, or not for this account", "nothing; it was dropped";
    415 LogBroken Peer "the relay's log of a group has a gap, or is not the one that it was", "nothing of it was taken; ask whoever runs the relay";

    500 FoldPanicked Us "the program failed while folding an event; the event was set aside", "report it, with what you did last; a newer version may take it";
    501 EffectMismatch Us "the vault was asked twice under one id for two things", "report it, with the place of the record that thicket journal ls shows";
    502 Inconsistent Us "the program met a state that it holds impossible", "report it, with the place of the record that thicket journal ls shows";
    503 DemoStopped Us "the demo did not come to its end", "run it again; if it stops again, report it with what it says";
}

/// As its number: an error that is added later moves none that stands in a journal.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.number())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        Code::from_number(number).ok_or(serde::de::Error::custom("an error of a newer version"))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}: {}; {}", self.number(), self.what(), self.hint())
    }
}

impl core::error::Error for Code {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_grow_and_lead_back() {
        let mut last = 0;
        for code in Code::ALL {
            assert!(code.number() > last, "{code:?}");
            last = code.number();
            assert_eq!(Code::from_number(last), Some(*code));
        }
        assert_eq!(Code::from_number(0), None);
    }
}
