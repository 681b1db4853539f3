"""Payloads (SPEC §9): the tables of §9.4 to 9.7, and a decoder that goes by them.

A value decodes to what `json` can write: an id or byte string to lower-case hex, a struct to an object, or to a list if
none of its fields has a name; a variant as SPEC's tables name it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
LIMIT_RECORD, LIMIT_STATE = 524_288, 268_435_456

# Types: `?T` option, `*T` sequence, `{T}` set, `{K: V}` map, `[n]` an id of n bytes, `(…)` a struct; a field of it is
# `name Type` or a type alone. `A B = T` names a type twice; `A: 0 X | 1 Y (…)` is an enum. A space goes on with a line.
TABLES = """
IntentId MessageId BodyRef MailboxId SegmentId GroupId = [16]
Fingerprint = [20]
FrameId RelayKey ConversationId = [32]
Seq Stamp Deadline ClaimedTime = u64
EffectId = (seq Seq; index u32; segment SegmentId)
Lane: 0 Named | 1 Anonymous
MessageState: 0 Queued | 1 Sent | 2 Stored | 3 Delivered | 4 Read | 5 Failed | 6 Unreadable
Published: 0 MailboxKey | 1 KeyPackages

Requested = (id IntentId; intent Intent)
Intent: 0 Register (relay RelayAddress; key ?RelayKey; token ?RegistrationToken) | 1 Connect | 2 AddContact (name Name)
 | 3 AcceptContact (contact Fingerprint) | 4 Send (contact Fingerprint; body BodyRef; len u32)
 | 5 DeclineContact (contact Fingerprint) | 6 BlockContact (contact Fingerprint; blocked bool)
 | 7 RemoveContact (contact Fingerprint) | 8 VerifyContact (contact Fingerprint; verified bool)
 | 9 AcceptIdentity (contact Fingerprint) | 10 UpdateKeys (contact Fingerprint)
 | 11 MarkRead (contact Fingerprint; message MessageId) | 12 SetReadMarks (on bool)
 | 13 RetryMessage (contact Fingerprint; message MessageId) | 14 CancelMessage (message MessageId)
 | 15 ForgetMessage (contact Fingerprint; message MessageId; sent bool)
 | 16 ChangeRelay (relay RelayAddress; key ?RelayKey; token ?RegistrationToken) | 17 TakeOver | 18 Rejoin | 19 Restore
Arrived = (frame FrameId; lane Lane; content Content)
Content: 0 Answer (answer bytes) | 1 Envelope (cursor u64; sender Fingerprint; sealed bytes) | 2 Repeat (cursor u64)
 | 3 Unsealable (cursor u64; cause Code)
Elapsed = (timer TimerId; fault bool)
TimerId: 0 Retry (FrameId) | 1 Login | 2 Fetch | 3 Acknowledge | 4 Receipts (Fingerprint) | 5 Advance (Fingerprint)
 | 6 Tidy | 7 Grant | 8 Resume
Resolved = (effect EffectId; outcome Outcome; vault_count u64)
Outcome: 0 Handed | 1 Unreachable | 2 Framed (frame FrameId; bytes bytes) | 3 Done
 | 4 Pinned (contact Fingerprint; mailbox MailboxId; name Name; contradicts ?Fingerprint; anew bool)
 | 5 Begun (again *MessageId) | 6 Opened (Opened) | 7 Refused (Code) | 8 Fault (Code) | 9 Followed (Followed)
Opened: 0 Message (contact Fingerprint; name Name; conversation ConversationId; message MessageId; claimed
 ClaimedTime; moved bool)
 | 1 Receipt (contact Fingerprint; delivered *MessageId; moved bool)
 | 2 Early (contact Fingerprint; name Name; len u32) | 3 Unreadable (contact Fingerprint; name Name; cause Code)
 | 4 ReadMark (contact Fingerprint; moved bool) | 5 Committed (contact Fingerprint; owed bool; moved bool)
 | 6 Known (contact Fingerprint; message MessageId; moved bool) | 7 Offer (contact Fingerprint; name Name; anew bool)
 | 8 Invited (contact Fingerprint; name Name; group GroupId)
 | 9 Welcomed (contact Fingerprint; group GroupId; title Title; members u32)
Followed = (group GroupId; upto u64; last u64; messages *(Fingerprint; MessageId); unreadable *Code; own Own;
 became ?Became)
Own: 0 Open | 1 Stands | 2 Lost
Became = (title Title; members u32; out bool)

Effect: 0 Vault (VaultOp) | 1 Send (to RelayAddress; lane Lane; frame Seq) | 2 Arm (TimerId; Deadline)
 | 3 Disarm (TimerId) | 4 Notify (Change)
VaultOp: 0 Compose (Ask) | 1 SignRegistration (challenge Challenge; token ?RegistrationToken)
 | 2 SignLogin (challenge Challenge; takes_over bool)
 | 3 MakeKeyPackages (count u32; last_resort bool; replaces bool; at Stamp)
 | 4 PinContact (name Name; answer Seq; at Stamp) | 5 BeginConversation (contact Fingerprint; answer Seq; at Stamp)
 | 6 SealMessage (contact Fingerprint; mailbox MailboxId; message MessageId; body BodyRef; at Stamp)
 | 7 SealReceipt (contact Fingerprint; mailbox MailboxId; messages *MessageId; at Stamp)
 | 8 OpenEnvelope (envelope Seq; at Stamp; last bool)
 | 9 File (message MessageId; contact Fingerprint; body ?BodyRef; at Stamp; state MessageState; cause ?Code)
 | 10 Forget (contact Fingerprint) | 11 Unpin (contact Fingerprint)
 | 12 UpdateKeys (contact Fingerprint; mailbox MailboxId; at Stamp)
 | 13 MarkRead (contact Fingerprint; message MessageId; tell ?MailboxId; at Stamp)
 | 14 SealAgain (contact Fingerprint; mailbox MailboxId; message MessageId)
 | 15 SealOffer (contact Fingerprint; mailbox MailboxId; anew bool; at Stamp)
 | 16 BeginFromOffer (contact Fingerprint; at Stamp)
 | 17 ForgetMessage (contact Fingerprint; message MessageId; sent bool)
 | 18 Tidy (at Stamp) | 19 RotateMailboxKey (at Stamp)
 | 20 SetCapabilities (grant *Fingerprint; renew *Fingerprint; revoke *Fingerprint)
 | 21 Stamp (request Seq; relay RelayKey; bits u32; hour u64)
 | 22 Published (what Published; at Stamp) | 23 ShowRead (on bool) | 24 GiveUpGroups
 | 25 CreateGroup (group GroupId; title Title; public bool) | 26 LogCreated (group GroupId; answer Seq)
 | 27 KeepKeyPackage (group GroupId; contact Fingerprint; answer Seq; at Stamp)
 | 28 Commit (group GroupId; adds *Fingerprint) | 29 SealPost (group GroupId; message MessageId; body ?BodyRef; at Stamp)
 | 30 FollowLog (group GroupId; answer Seq; at Stamp) | 31 SealWelcome (group GroupId; contact Fingerprint; mailbox MailboxId)
 | 32 Join (envelope Seq; contact Fingerprint; at Stamp)
Challenge = (relay RelayKey; nonce [32]; until_ms u64)
Ask: 0 Challenge | 1 Lookup (Name) | 2 KeyPackage (Name) | 3 Fetch (items_max u32; swap bool)
 | 4 Acknowledge (cursors *u64) | 5 ReadLog (GroupId)
Change: 0 Answered (intent IntentId; answer Answer) | 1 Registered | 2 RegistrationRefused (Code) | 3 Connected
 | 4 Disconnected (Code) | 5 Contact (Fingerprint) | 6 LookupFailed (name Name; cause Code)
 | 7 IdentityChanged (Fingerprint) | 8 Received (contact Fingerprint; message MessageId)
 | 9 Unreadable (contact Fingerprint; cause Code) | 10 Message (message MessageId; state MessageState)
 | 11 Dropped (Code) | 12 Read (contact Fingerprint) | 13 KeysUpdated (Fingerprint)
 | 14 Forgotten (contact Fingerprint; message MessageId)
Answer: 0 Accepted | 1 Queued (MessageId) | 2 Refused (Code)

State = (session Session; contacts {Fingerprint: Contact}; outbox {MessageId: Queued}; seen Seen;
 early {Fingerprint: *Early}; unacknowledged {u64}; requests {FrameId: Request}; outstanding {EffectId: Outstanding};
 timers {TimerId: Deadline}; answers Answers; settings (read_marks bool); revoke {Fingerprint};
 strangers (day u64; len u64); dropped u64; vault_count u64)
Queued = (contact Fingerprint; body ?BodyRef; again bool; astray bool; state MessageState; at Stamp)
Seen = ({FrameId: Seq}; {Seq: (Stamp; FrameId)})
Early = (envelope Seq; len u32; at Stamp)
Request = (why Why; to RelayAddress; lane Lane; frame Seq; at Stamp; tries u32; stamps u32)
Outstanding = (effect Effect; why Why)
Answers = ({IntentId: (Seq; Answer)}; {Seq: (Stamp; IntentId)})
Session = (relay ?Relay; phase Phase; link Link; failures u32; waiting u32; looked bool; quiet u32; waited u32;
 since Stamp; token ?RegistrationToken; copied bool; takes_over bool; restock bool; skew_ms ?i64; mailbox_key_at Stamp;
 mailbox_key_made ?Stamp; before ?Relay; refill_from Stamp; last_resort_from Stamp; generation_until Stamp)
Relay = (address RelayAddress; key ?RelayKey)
Phase: 0 Unregistered | 1 Registering | 2 Registered | 3 Unknown | 4 Returning
Link: 0 Offline | 1 Asking | 2 Online
Contact = (name Name; mailbox ?MailboxId; standing Standing; proved bool; held bool; looking bool; missed u32;
 conversation Conversation; queue *MessageId; receipts *MessageId; receipts_due bool; received u64; verified bool;
 looked ?Stamp; updated Stamp; acknowledge bool; mark ?MessageId; granted ?Stamp; offered bool; offer ?bool;
 offer_at ?Stamp; asked bool; anew bool; update bool)
Standing: 0 Asking | 1 Accepted | 2 Blocked
Conversation: 0 None | 1 Beginning | 2 Open
Why: 0 Challenge | 1 Register | 2 Login | 3 Publish | 4 Fetch | 5 Acknowledge (*u64) | 6 Lookup (Name) | 7 Pin (Name)
 | 8 KeyPackage (Fingerprint) | 9 Begin (Fingerprint) | 10 Message (MessageId) | 11 Receipt (Fingerprint; *MessageId)
 | 12 Open (Seq; Stamp) | 13 File | 14 Abandoned | 15 Handing (FrameId) | 16 Update (Fingerprint)
 | 17 ReadMark (Fingerprint) | 18 Offer (Fingerprint; bool) | 19 MailboxKey | 20 Grant (*Fingerprint; *Fingerprint)
 | 21 Stamp (Stampable; u32; Stamp) | 22 Tidy
Stampable: 0 Lookup (Name) | 1 KeyPackage (Fingerprint) | 2 Message (MessageId) | 3 Receipt (Fingerprint; *MessageId)
 | 4 Update (Fingerprint) | 5 ReadMark (Fingerprint) | 6 Offer (Fingerprint; bool)

Snapshot = (carried {Seq: bytes}; state State)
AccountPiece = (name Name; fingerprint Fingerprint; at Stamp; stamp Stamp; state [32]; state_len u64)
MailboxKeyPiece = (secret [32]; public [32]; since Stamp; replaced ?Stamp)
ContactPiece = (fingerprint Fingerprint; certificate bytes; mailbox_key ?[32]; pinned bool;
 capability ?bytes; granted ?bytes; granted_before ?bytes; read_number u64; begun ?Stamp;
 offer_claimed ?Stamp; dead_until ?Stamp)
MessagePiece = (number u64; contact Fingerprint; outgoing bool; message MessageId;
 state MessageState; body ?BodyPiece; stamp Stamp; claimed u64; cause u32; marked bool)
BodyPiece = (body BodyRef; text bytes)
EndPiece = (mailbox_keys u64; contacts u64; messages u64; bodies u64)
"""

CODES = [(100, 137), (139, 141), (143, 148), (200, 224), (300, 318), (400, 415), (500, 503)]

TEXTS = {
    "Name": re.compile("(?=.*[A-Za-z0-9])[A-Za-z0-9_-]{1,64}"),
    "RelayAddress": re.compile("[!-~]{1,255}"),
    "RegistrationToken": re.compile("[!-~]{1,128}"),
    "Title": re.compile("[^\0-\x1f\x7f-\x9f\udc80-\udcff]+"),
}


class Undecodable(Exception):
    """The bytes are no payload of this type."""


class Input:
    """Bytes that are decoded, under the limit of §9.3."""

    def __init__(self, data: bytes, limit: int) -> None:
        self.data, self.at, self.room = data, 0, limit

    def claim(self, size: int) -> None:
        self.room -= size
        if self.room < 0:
            raise Undecodable("past the limit")

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise Undecodable("bytes are missing")
        self.at += size
        return self.data[self.at - size : self.at]

    def whole(self, value: T) -> T:
        if self.at != len(self.data):
            raise Undecodable("bytes are left over")
        return value

    def number(self, width: int) -> int:
        self.claim(width)
        first = self.take(1)[0]
        size = 0 if first <= 250 else {251: 2, 252: 4, 253: 8}.get(first, 99)
        if size > width:
            raise Undecodable("a varint too long for its type")
        return int.from_bytes(self.take(size), "little") if size else first

    def zigzag(self) -> int:
        twice = self.number(8)
        return -(twice + 1 >> 1) if twice & 1 else twice >> 1

    def flag(self) -> bool:
        self.claim(1)
        if (byte := self.take(1)[0]) > 1:
            raise Undecodable("neither 0 nor 1")
        return byte == 1

    def fixed(self, size: int) -> str:
        self.claim(size)
        return self.take(size).hex()

    def counted(self) -> bytes:
        self.claim(size := self.number(8))
        return self.take(size)

    def text(self, name: str) -> str:
        # What is not UTF-8 becomes what no pattern has.
        value = (data := self.counted()).decode(errors="surrogateescape")
        most = 128 if name == "Title" else 255
        if not TEXTS[name].fullmatch(value) or len(data) > most or name == "Name" and value.lower() == "server":
            raise Undecodable(f"no {name}")
        return value

    def code(self) -> int:
        value = self.number(4)
        if not any(low <= value <= high for low, high in CODES):
            raise Undecodable("no Code")
        return value


Decoder = Callable[[Input], Any]
PRIMITIVES: dict[str, Decoder] = {name: lambda i, name=name: i.text(name) for name in TEXTS} | {
    "u16": lambda i: i.number(2),
    "u32": lambda i: i.number(4),
    "u64": lambda i: i.number(8),
    "i64": Input.zigzag,
    "bool": Input.flag,
    "bytes": lambda i: i.counted().hex(),
    "Code": Input.code,
}


def enum(variants: list[tuple[str, Decoder | None]]) -> Decoder:
    def decode(i: Input) -> Any:
        if (which := i.number(4)) >= len(variants):
            raise Undecodable("no such variant")
        name, of = variants[which]
        if of is None:
            return name
        return {name: of(i)}

    return decode


class Tables:
    """Reads the tables above once, and gives a decoder for each type in them."""

    def __init__(self, tables: str) -> None:
        self.types = dict(PRIMITIVES)
        for line in filter(None, tables.replace("\n ", " ").split("\n")):
            names, mark, source = re.split("([:=])", line, maxsplit=1)
            of = self.parse(source) if mark == "=" else enum(list(self.variants(source)))
            self.types |= dict.fromkeys(names.split(), of)

    def variants(self, source: str) -> Iterator[tuple[str, Decoder | None]]:
        for variant in source.split(" | "):
            _, name, *rest = variant.split(maxsplit=2)
            yield name, self.parse(rest[0], variant=True) if rest else None

    def parse(self, source: str, variant: bool = False) -> Decoder:
        self.tokens = re.findall(r"\w+|[^\w\s]", source)[::-1]
        return self.type(variant)

    def type(self, variant: bool = False) -> Decoder:
        match token := self.tokens.pop():
            case "?":
                of = self.type()
                return lambda i: of(i) if i.flag() else None
            case "*":
                of = self.type()
                return lambda i: [of(i) for _ in range(i.number(8))]
            case "[":
                size = int(self.tokens.pop())
                self.tokens.pop()
                return lambda i: i.fixed(size)
            case "{":
                key, value = self.type(), None
                if self.tokens.pop() == ":":
                    value = self.type()
                    self.tokens.pop()
                # As a list of pairs, or of keys: which of two with one key counts is for who uses them.
                return lambda i: [[key(i), value(i)] if value else key(i) for _ in range(i.number(8))]
            case "(":
                parts: list[tuple[str | None, Decoder]] = []
                while token in "(;":
                    named = self.tokens[-1].isidentifier() and self.tokens[-2] not in ";):}"
                    parts.append((self.tokens.pop() if named else None, self.type()))
                    token = self.tokens.pop()
                if all(name for name, _ in parts):
                    return lambda i: {name: of(i) for name, of in parts}
                # A variant with one field that has no name is its value, not a list of one.
                return parts[0][1] if variant and len(parts) == 1 else lambda i: [of(i) for _, of in parts]
        # A type may stand before its own table: it is looked up when it is used.
        return lambda i: self.types[token](i)


TYPES = Tables(TABLES).types


def decode(name: str, payload: bytes, limit: int) -> Any:
    i = Input(payload, limit)
    return i.whole(TYPES[name](i))
