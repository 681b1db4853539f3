"""A profile's files (SPEC §3 to 8), and the walk through its journal (SPEC §10). Nothing here writes."""

import hashlib
import hmac
import re
import struct
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from payloads import LIMIT_RECORD, LIMIT_STATE, Undecodable, decode

TAG, HEADER, BLOCK_HEADER, RECORD_HEAD = 16, 128, 64, struct.Struct("<HHIQ")
RECORDS_MAX, PAYLOAD_MAX, ENTRIES_MAX = 512, 131_072, 16_384
SEALED_MAX = 1_048_576 + PAYLOAD_MAX + RECORD_HEAD.size + TAG
RULES_KNOWN = {1}
SEGMENT, SNAPSHOT = 1, 2
RECORDS = {(1, 1): "Requested", (2, 1): "Arrived", (3, 1): "Elapsed", (4, 1): "Resolved"}
SEGMENT_NAME = re.compile("journal/[0-9a-f]{16}-[0-9a-f]{32}[.]seg")
SNAPSHOT_NAME = re.compile("snapshots/[0-9a-f]{16}[.]snap")

Snapshot = NamedTuple("Snapshot", [("seq", int), ("chain", bytes)])
Segment = namedtuple("Segment", "name rules first chain ident key")
BlockHeader = namedtuple("BlockHeader", "count first sealed index nonce")
Record = NamedTuple("Record", [("seq", int), ("stamp", int), ("event", dict[str, Any])])
Block = NamedTuple("Block", [("end", int), ("chain", bytes), ("records", list[Any])])


class Stop(Exception):
    """Why the reading of a profile ends: a result that is neither ok nor torn."""

    def __init__(self, result: str, why: str, file: str = "", byte: int = 0) -> None:
        super().__init__(why)
        self.result, self.why, self.file, self.byte = result, why, file, byte


class Broken(Exception):
    """A header, a block or a snapshot fails a check. What that means depends on where it stands."""


class MaybeTorn(Broken):
    """A block fails a check that the end of a write which was cut short fails too."""


def need(holds: bool, why: str, kind: type[Broken] = Broken) -> None:
    if not holds:
        raise kind(why)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, purpose).derive(key)


def unseal(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes | None:
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        return None


def check_version(data: bytes, file: str) -> None:
    if struct.unpack_from("<HH", data, 8) != (1, 1):
        raise Stop("newer", "another format version or suite", file)


def check_rules(rules: int, name: str) -> None:
    if rules not in RULES_KNOWN:
        raise Stop("newer", f"rules version {rules}", name)


@lru_cache(maxsize=64)
def passphrase_key(passphrase: bytes, salt: bytes, memory: int, passes: int, lanes: int) -> bytes:
    return hash_secret_raw(passphrase, salt, passes, memory, lanes, 32, Type.ID, 0x13)


class Keys:
    """The `keys` file, opened (SPEC §4)."""

    def __init__(self, data: bytes, passphrase: bytes) -> None:
        need(len(data) >= 12 and data[:8] == b"THICKKEY", "no keys file")
        check_version(data, "keys")
        need(len(data) >= 148 and sha256(data[:116]) == data[116:148], "its first bytes are damaged")
        memory, passes, lanes = struct.unpack_from("<III", data, 12)
        need(8 <= memory <= 1_048_576 and 1 <= passes <= 64 and 1 <= lanes <= 16, "the cost is out of bounds")
        # RFC 9106 §3.1: Argon2 is not defined for less.
        need(memory >= 8 * lanes, "too little memory for so many lanes")
        key = passphrase_key(passphrase, data[24:40], memory, passes, lanes)
        account = unseal(key, data[56:68], data[68:116], data[:56])
        if account is None:
            raise Stop("wrong-passphrase", "the account key does not open", "keys")
        mac = hmac.digest(derive(account, b"thicket.keys-mac.v1"), data[:-32], "sha256")
        need(len(data) >= 184 and hmac.compare_digest(mac, data[-32:]), "the HMAC is another")
        (count,) = struct.unpack_from("<I", data, 148)
        need(count <= ENTRIES_MAX and 152 + 80 * count + 32 <= len(data), "too many entries")
        self.wrapping = derive(account, b"thicket.journal-wrap.v1")
        self.entries: dict[tuple[int, bytes], bytes] = {}
        for at in range(152, 152 + 80 * count, 80):
            (kind,) = struct.unpack_from("<I", data, at + 16)
            if kind not in (SEGMENT, SNAPSHOT):
                raise Stop("newer", "an entry of an unknown kind", "keys")
            self.entries[kind, data[at : at + 16]] = data[at : at + 80]
        need(152 + 80 * count + 32 == len(data), "bytes between the entries and the HMAC")

    def key(self, kind: int, ident: bytes) -> bytes | None:
        if (entry := self.entries.get((kind, ident))) is None:
            return None
        if (key := unseal(self.wrapping, entry[20:32], entry[32:], entry[:20])) is None:
            raise Stop("keys-damaged", "an entry does not open", "keys")
        return key


def open_snapshot(data: bytes, name: str, keys: Keys) -> Snapshot:
    holds = len(data) >= HEADER and data[:8] == b"THICKSNP" and sha256(data[:96]) == data[96:128]
    need(holds, "the header is damaged")
    check_version(data, name)
    rules, seq, _, chain, ident, nonce, sealed = struct.unpack_from("<IQQ32s16s12sI", data, 12)
    need(rules > 0 and seq > 0, "rules version 0, or Seq 0")
    check_rules(rules, name)
    if (key := keys.key(SNAPSHOT, ident)) is None:
        raise Broken("there is no key")
    need(sealed == len(data) - HEADER and TAG <= sealed <= LIMIT_STATE + TAG, "the length is another")
    if (payload := unseal(key, nonce, data[HEADER:], data[:HEADER])) is None:
        raise Broken("the seal does not open")
    try:
        decode("Snapshot", payload, LIMIT_STATE)
    except Undecodable as e:
        raise Broken(str(e)) from e
    return Snapshot(seq, chain)


def segment_header(data: bytes, name: str, magic: bytes = b"THICKSEG") -> Segment:
    need(len(data) >= 12 and data[:8] == magic, "no header")
    check_version(data, name)
    need(len(data) >= HEADER, "the header is cut short")
    rules, first, _, chain, ident, zeros = struct.unpack_from("<IQQ32s16s16s", data, 12)
    holds = not any(zeros) and sha256(data[:96]) == data[96:128] and 0 not in (first, rules)
    need(holds, "the header is damaged")
    return Segment(name, rules, first, chain, ident, b"")


def block_header(header: bytes) -> BlockHeader:
    need(len(header) == BLOCK_HEADER, "the header is cut short", MaybeTorn)
    magic, *values, zeros, check = struct.unpack("<4sIQII12s12s16s", header)
    block = BlockHeader(*values)
    holds = magic == b"TBLK" and not any(zeros) and check == sha256(header[:48])[:16]
    need(holds, "the header is damaged", MaybeTorn)
    holds = 1 <= block.count <= RECORDS_MAX and TAG <= block.sealed <= SEALED_MAX
    need(holds, "the header is out of bounds", MaybeTorn)
    return block


def later_block(data: bytes, at: int, expected: int) -> bool:
    """Whether an intact block header with a Seq after the expected one stands at `at` or behind it."""
    while (at := data.find(b"TBLK", at)) >= 0:
        try:
            if block_header(data[at : at + BLOCK_HEADER]).first > expected:
                return True
        except Broken:
            pass
        at += 1
    return False


def split(plain: bytes, head: struct.Struct) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """The heads and payloads that fill a block. The third number of a head is the payload's length."""
    at = 0
    while at < len(plain):
        need(len(plain) - at >= head.size, "a record's head is cut short")
        numbers = head.unpack_from(plain, at)
        at, size = at + head.size + numbers[2], numbers[2]
        need(size <= PAYLOAD_MAX and at <= len(plain), "a record's length is out of bounds")
        yield numbers, plain[at - size : at]


def records(plain: bytes, first: int, name: str) -> Iterator[Record]:
    for seq, ((tag, version, _, stamp), payload) in enumerate(split(plain, RECORD_HEAD), first):
        if (kind := RECORDS.get((tag, version))) is None:
            raise Stop("newer", f"record {seq}: tag {tag}, version {version}", name)
        try:
            yield Record(seq, stamp, {kind: decode(kind, payload, LIMIT_RECORD)})
        except Undecodable as e:
            raise Broken(f"record {seq}: {e}") from e


def read_block(data: bytes, at: int, segment: Segment, seq: int, index: int, chain: bytes,
               read: Callable[[bytes, int, str], Iterator[Any]] = records) -> Block:  # fmt: skip
    header = data[at : at + BLOCK_HEADER]
    block = block_header(header)
    need((block.first, block.index) == (seq, index), f"it is not block {index} with Seq {seq}")
    end = at + BLOCK_HEADER + block.sealed
    need(end <= len(data), "it is cut short", MaybeTorn)
    if (plain := unseal(segment.key, block.nonce, data[at + BLOCK_HEADER : end], header + chain)) is None:
        raise MaybeTorn("the seal does not open")
    found = list(read(plain, seq, segment.name))
    need(len(found) == block.count, f"it has {len(found)} records, not {block.count}")
    return Block(end, sha256(chain, data[at:end]), found)


@dataclass
class Profile:
    """A profile that is read once. After the walk the fields below say what came of it."""

    files: Mapping[str, bytes]
    passphrase: bytes
    # The block that the vault remembers: its last Seq, and the chain after it.
    remembered: tuple[int, bytes] | None = None
    # Begin at the oldest segment, though a snapshot would let the walk begin later.
    whole: bool = False
    snapshot: Snapshot | None = None
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    # What a writer would cut, and from which byte on. From byte 0 on: it would remove the file.
    cuts: list[tuple[str, int]] = field(default_factory=list)
    # Ids of segments that somebody took away: the key is there, and the file is not.
    taken: list[str] = field(default_factory=list)
    first: int = 0
    last: int = 0
    chain: bytes = bytes(32)

    def open(self) -> None:
        """Opens the keys and takes a snapshot: the beginning of §10."""
        if "keys" not in self.files:
            raise Stop("no-profile", "there is no keys file")
        self.keys = Keys(self.files["keys"], self.passphrase)
        for name in sorted(filter(SNAPSHOT_NAME.fullmatch, self.files), reverse=True):
            try:
                self.snapshot = open_snapshot(self.files[name], name, self.keys)
                return
            except Broken as e:
                self.passed_over.append((name, str(e)))

    def segments(self) -> list[Segment]:
        """Which segments there are."""
        names = sorted(filter(SEGMENT_NAME.fullmatch, self.files))
        found: list[Segment] = []
        for name in names:
            try:
                found.append(segment_header(self.files[name], name))
            except Broken as e:
                followed = any(len(self.files[later]) > HEADER for later in names if later > name)
                if followed or later_block(self.files[name], 0, 0):
                    raise Stop("journal-damaged", str(e), name, 0) from e
                self.cuts.append((name, 0))
        there = {segment.ident for segment in found} | {bytes.fromhex(name[-36:-4]) for name, _ in self.cuts}
        self.taken = [ident.hex() for kind, ident in sorted(self.keys.entries) if kind == SEGMENT and ident not in there]
        held = [(SEGMENT, segment.ident) in self.keys.entries for segment in found]
        if self.snapshot and any(held):
            while not held[0] and len(found) > 1 and found[1].first <= self.snapshot.seq + 1:
                del found[0], held[0]
        # One with nothing behind its header is none: what took its place stands behind it, and counts.
        found.sort(key=lambda segment: (segment.first, len(self.files[segment.name]) > HEADER))
        return [s for s in found if len(self.files[s.name]) > HEADER or s is found[-1]]

    def walk(self) -> Iterator[Record]:
        """Gives each record, by §10."""
        self.open()
        segments = self.segments()
        if not self.snapshot and segments and (segments[0].first != 1 or any(segments[0].chain)):
            raise Stop("journal-damaged", "no snapshot, and no first segment", segments[0].name, 0)
        if self.snapshot and not self.whole:
            covered = sum(s.first <= self.snapshot.seq for s in segments)
            segments = segments[max(covered - 1, 0) :]
        marks = {"the vault": self.remembered} if self.remembered and self.remembered[0] else {}
        if self.snapshot:
            marks["the snapshot"] = (self.snapshot.seq, self.snapshot.chain)
        beyond = max((seq for seq, _ in marks.values()), default=0)
        seq, self.chain = (segments[0].first, segments[0].chain) if segments else (1, self.chain)
        if self.snapshot and segments and seq > self.snapshot.seq:
            # What was before has retired, or there was nothing.
            seq, self.chain, beyond = self.snapshot.seq + 1, self.snapshot.chain, max(beyond, self.snapshot.seq + 1)
        begin, before, ends = seq, self.chain, {}
        for segment in segments:
            if (segment.first, segment.chain) != (seq, self.chain):
                raise Stop("journal-damaged", "it does not continue the segment before", segment.name, 0)
            if (key := self.keys.key(SEGMENT, segment.ident)) is None and len(self.files[segment.name]) > HEADER:
                raise Stop("journal-damaged", "there is no key", segment.name, 0)
            for block in self.blocks(segment._replace(key=key or b""), segment is segments[-1], beyond):
                if not self.snapshot or seq + len(block.records) - 1 > self.snapshot.seq:
                    check_rules(segment.rules, segment.name)
                yield from block.records
                ends.setdefault(begin - 1, before)
                seq += len(block.records)
                self.chain = block.chain
                if any(seq - 1 == at for at, _ in marks.values()):
                    ends[seq - 1] = block.chain
                self.first, self.last = begin, seq - 1
        for who, (at, chain) in marks.items():
            if seq - 1 < at:
                raise Stop("rolled-back", f"{who} names Seq {at}, and the journal ends at {seq - 1}")
            # The vault may remember a block from before the snapshot: nothing is said of that.
            if (not self.snapshot or at >= self.snapshot.seq) and ends.get(at) != chain:
                raise Stop("rolled-back", f"the chain at Seq {at} is not the one that {who} names")

    def result(self) -> dict[str, Any]:
        result, snapshot = "torn" if self.cuts else "ok", self.snapshot and self.snapshot.seq
        where = {"first": self.first, "last": self.last, "chain": self.chain.hex(), "snapshot": snapshot}
        found = {"passed_over": self.passed_over, "cut": sorted(self.cuts), "taken": self.taken}
        return {"result": result} | where | found

    def blocks(self, segment: Segment, newest: bool, beyond: int) -> Iterator[Block]:
        data = self.files[segment.name]
        seq, chain, at, index = segment.first, sha256(data[:HEADER]), HEADER, 0
        while at < len(data):
            try:
                block = read_block(data, at, segment, seq, index, chain)
            except Broken as e:
                may_be_torn = newest and isinstance(e, MaybeTorn) and seq > beyond
                if not may_be_torn or later_block(data, at + 1, seq):
                    raise Stop("journal-damaged", str(e), segment.name, at) from e
                self.cuts.append((segment.name, at if index else 0))
                return
            yield block
            seq, chain, at, index = seq + len(block.records), block.chain, block.end, index + 1
        # Without a whole block it is none (§5): the next one took its place, or a writer removes it.
        if not index and newest:
            self.cuts.append((segment.name, 0))
