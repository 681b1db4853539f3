"""Tests of the reader, on a small profile that `Writer` makes, and on an archive of the vectors."""

import hashlib
import hmac
import random
import re
import struct
import tempfile
import unittest
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import payloads
from archive import Archive
from journal import Profile, derive, passphrase_key, sha256
from payloads import LIMIT_RECORD, PRIMITIVES, TYPES, Input, Undecodable, decode
from read_journal import line_of, read
from vectors import parse_vector, run_vectors

SPEC = (Path(__file__).parent / "../SPEC.md").read_text(encoding="utf-8")
PASSPHRASE = b"correct horse"
LOGIN = b"\x01\x00"
# All of a state's fields are zero, empty or none, and each takes one byte.
STATE = bytes(37)


def varint(value: int) -> bytes:
    for limit, first, size in ((251, b"", 1), (1 << 16, b"\xfb", 2), (1 << 32, b"\xfc", 4)):
        if value < limit:
            return first + value.to_bytes(size, "little")
    return b"\xfd" + value.to_bytes(8, "little")


class Writer:
    """Makes a profile's files by the specification. Its random bytes are the same each time."""

    def __init__(self, cost: tuple[int, int, int] = (8, 1, 1)) -> None:
        self.random = random.Random(1)
        self.account = self.random.randbytes(32)
        self.cost = cost
        self.entries: list[bytes] = []
        self.files: dict[str, bytes] = {}
        self.seq, self.chain, self.stamp = 1, bytes(32), 1_700_000_000_000
        self.name = ""

    def new_key(self, kind: int, ident: bytes) -> bytes:
        key, nonce = self.random.randbytes(32), self.random.randbytes(12)
        head = ident + struct.pack("<I", kind)
        wrapping = derive(self.account, b"thicket.journal-wrap.v1")
        self.entries.append(head + nonce + AESGCM(wrapping).encrypt(nonce, key, head))
        return key

    def keys(self, version: int = 1) -> None:
        head = b"THICKKEY" + struct.pack("<HHIII", version, 1, *self.cost) + self.random.randbytes(32)
        nonce = self.random.randbytes(12)
        key = bytes(32) if self.cost[0] < 8 * self.cost[2] else passphrase_key(PASSPHRASE, head[24:40], *self.cost)
        head += nonce + AESGCM(key).encrypt(nonce, self.account, head)
        head += sha256(head) + struct.pack("<I", len(self.entries)) + b"".join(self.entries)
        self.files["keys"] = head + hmac.digest(derive(self.account, b"thicket.keys-mac.v1"), head, "sha256")

    def segment(self, rules: int = 1) -> None:
        ident = self.random.randbytes(16)
        self.key = self.new_key(1, ident)
        self.name = f"journal/{self.seq:016x}-{ident.hex()}.seg"
        head = b"THICKSEG" + struct.pack("<HHIQQ", 1, 1, rules, self.seq, self.stamp) + self.chain + ident + bytes(16)
        self.files[self.name] = head + sha256(head)
        self.chain, self.index = sha256(head + sha256(head)), 0

    def block(
        self, *records: bytes, count: int | None = None, seq: int | None = None, index: int | None = None
    ) -> None:
        plain = b"".join(records)
        nonce = self.random.randbytes(12)
        head = b"TBLK" + struct.pack(
            "<IQII",
            len(records) if count is None else count,
            self.seq if seq is None else seq,
            len(plain) + 16,
            self.index if index is None else index,
        )
        head += nonce + bytes(12)
        head += sha256(head)[:16]
        block = head + AESGCM(self.key).encrypt(nonce, plain, head + self.chain)
        self.files[self.name] += block
        self.seq, self.index, self.chain = self.seq + len(records), self.index + 1, sha256(self.chain, block)

    def record(self, payload: bytes = LOGIN, tag: int = 3, version: int = 1) -> bytes:
        return struct.pack("<HHIQ", tag, version, len(payload), self.stamp) + payload

    def snapshot(self, payload: bytes = b"\0" + STATE, version: int = 1, rules: int = 1, keyed: bool = True) -> str:
        ident, nonce = self.random.randbytes(16), self.random.randbytes(12)
        key = self.new_key(2, ident) if keyed else bytes(32)
        head = b"THICKSNP" + struct.pack("<HHIQQ", version, 1, rules, self.seq - 1, self.stamp) + self.chain
        head += ident + nonce + struct.pack("<I", len(payload) + 16)
        head += sha256(head)
        name = f"snapshots/{self.seq - 1:016x}.snap"
        self.files[name] = head + AESGCM(key).encrypt(nonce, payload, head)
        return name


def one_record_each() -> list[tuple[int, bytes]]:
    connect = bytes(16) + b"\x01"
    answer = bytes(32) + b"\x00\x00" + b"\x03abc"
    envelope = bytes(32) + b"\x01\x01" + varint(70_000) + bytes(20) + b"\x02hi"
    framed = b"\x05\x01" + bytes(16) + b"\x02" + bytes(32) + b"\x01x" + b"\x07"
    return [(1, connect), (2, answer), (2, envelope), (3, b"\x00" + bytes(32) + b"\x01"), (4, framed)]


def small() -> Writer:
    """Two segments and two snapshots: Seq 1 to 3, 4 to 6; 7 to 8, 9, 10."""
    w = Writer()
    kinds = [w.record(payload, tag) for tag, payload in one_record_each()]
    w.segment()
    w.block(*kinds[:3])
    w.snapshot()
    w.block(*kinds[3:], w.record())
    w.segment()
    w.block(w.record(), w.record())
    w.snapshot(b"\x01\x02\x02hi" + STATE)
    w.block(w.record())
    w.block(w.record())
    w.keys()
    return w


def run(files: dict[str, bytes], remembered: tuple[int, bytes] | None = None, **more: Any) -> dict[str, Any]:
    return read(Profile(files, PASSPHRASE, remembered, **more), line_of)


class Varints(unittest.TestCase):
    def test_each_form_is_read_where_its_type_has_room(self) -> None:
        forms = {"FA": 250, "FBFB00": 251, "FBFFFF": 65_535, "FC00000100": 65_536, "FB0100": 1, "FC01000000": 1}
        forms |= {"FD0100000000000000": 1, "FDFFFFFFFFFFFFFFFF": 2**64 - 1, "00": 0}
        for width, longest in (("u16", 3), ("u32", 5), ("u64", 9)):
            for form, value in forms.items():
                data = bytes.fromhex(form)
                with self.subTest(width=width, form=form):
                    if len(data) <= longest:
                        self.assertEqual(PRIMITIVES[width](Input(data, 99)), value)
                    else:
                        with self.assertRaises(Undecodable):
                            PRIMITIVES[width](Input(data, 99))

    def test_what_is_cut_short_and_what_begins_with_254_or_255_is_refused(self) -> None:
        for form in ("", "FB", "FB00", "FC000000", "FD00000000000000", "FE", "FF" * 20, "FE" * 20):
            with self.subTest(form=form), self.assertRaises(Undecodable):
                PRIMITIVES["u64"](Input(bytes.fromhex(form), 99))

    def test_zigzag(self) -> None:
        for byte, value in enumerate((0, -1, 1, -2, 2)):
            self.assertEqual(PRIMITIVES["i64"](Input(bytes([byte]), 99)), value)
        self.assertEqual(PRIMITIVES["i64"](Input(b"\xfd" + b"\xff" * 8, 99)), -(2**63))

    def test_only_0_and_1_are_a_bool(self) -> None:
        for byte in range(2, 256):
            with self.assertRaises(Undecodable):
                decode("Elapsed", bytes([1, byte]), LIMIT_RECORD)


class Written(unittest.TestCase):
    def test_a_type_has_one_table_and_variants_have_their_numbers_in_order(self) -> None:
        lines = [line for line in payloads.TABLES.replace("\n ", " ").split("\n") if line]
        names = [name for line in lines for name in re.split("[:=]", line)[0].split()]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(set(names) | PRIMITIVES.keys(), TYPES.keys())
        for line in filter(re.compile(r"\w+: ").match, lines):
            numbers = [int(variant.split()[0]) for variant in line.partition(": ")[2].split(" | ")]
            self.assertEqual(numbers, list(range(len(numbers))), line)


class Limits(unittest.TestCase):
    def test_the_limit_counts_what_is_decoded(self) -> None:
        cases = [("u16", b"\1", 2), ("u32", b"\1", 4), ("u64", b"\1", 8), ("i64", b"\1", 8), ("bool", b"\1", 1),
                 ("bytes", b"\3abc", 11), ("Name", b"\3abc", 11), ("Fingerprint", bytes(20), 20), ("TimerId", b"\1", 4),
                 ("TimerId", bytes(33), 36), ("Code", b"\x64", 4)]  # fmt: skip
        for name, data, size in cases:
            with self.subTest(name=name):
                TYPES[name](Input(data, size))
                with self.assertRaises(Undecodable):
                    TYPES[name](Input(data, size - 1))

    def test_a_length_past_the_bytes_or_the_limit_takes_no_memory(self) -> None:
        for length in ("FDFFFFFFFFFFFFFFFF", "FC00000010", "FBFFFF"):
            with self.assertRaises(Undecodable):
                decode("Arrived", bytes(34) + bytes.fromhex(length), LIMIT_RECORD)

    def test_a_name_has_its_characters_and_is_not_server(self) -> None:
        for value in (b"bob", b"_1", b"A" * 64, b"servers"):
            self.assertEqual(TYPES["Name"](Input(bytes([len(value)]) + value, 999)), value.decode())
        for value in (b"", b"A" * 65, b"SerVer", b"_-_", b"a b", "é".encode(), b"\xff", b"a\n", b"a.b"):
            with self.subTest(value=value), self.assertRaises(Undecodable):
                TYPES["Name"](Input(bytes([len(value)]) + value, 999))

    def test_a_title_is_utf_8_without_control_characters(self) -> None:
        for value in ("x", "Lesekreis für alle", "ä" * 64, "\ufffd"):
            data = value.encode()
            self.assertEqual(TYPES["Title"](Input(bytes([len(data)]) + data, 999)), value)
        for data in (b"", b"a\nb", b"\x7f", "\x85".encode(), b"\xff", b"\xed\xb2\x80", "ä".encode() * 64 + b"x"):
            with self.subTest(data=data), self.assertRaises(Undecodable):
                TYPES["Title"](Input(bytes([len(data)]) + data, 999))

    def test_a_code_is_one_of_the_table(self) -> None:
        table = SPEC.partition("| numbers | errors |\n|---|---|\n")[2].partition("\n\n")[0]
        rows = re.findall(r"^\| (\d+)(?: to (\d+))? \|", table, re.MULTILINE)
        listed = [code for first, last in rows for code in range(int(first), int(last or first) + 1)]
        self.assertEqual([code for code in range(1_000) if self.decodes("Code", varint(code))], listed)

    def decodes(self, name: str, data: bytes) -> bool:
        try:
            TYPES[name](Input(data, 999))
        except Undecodable:
            return False
        return True

    def test_keys_of_a_map_have_any_order(self) -> None:
        for second, first in (b"\x02\x01", b"\x01\x02", b"\x01\x01"):
            pairs = bytes([2, first, 0, second, 0])
            self.assertTrue(self.decodes("Snapshot", pairs + STATE))

    def test_no_purpose_holds_another_without_end(self) -> None:
        self.assertTrue(self.decodes("Why", b"\x15\x04" + bytes(20) + b"\x01\x00"))
        self.assertFalse(self.decodes("Why", b"\x15" * 200))


class Reading(unittest.TestCase):
    def setUp(self) -> None:
        self.w = small()
        self.files = self.w.files
        self.older, self.newest = sorted(name for name in self.files if name.startswith("journal/"))

    def expect(self, result: str, file: str = "", byte: int = 0, **more: Any) -> dict[str, Any]:
        found = run(self.files, **more)
        self.assertEqual(found["result"], result, found)
        if file and result == "torn":
            self.assertEqual(found["cut"], [(file, byte)])
        elif file:
            self.assertEqual((found["file"], found["byte"]), (file, byte), found)
        return found

    def flip(self, name: str, at: int) -> None:
        data = bytearray(self.files[name])
        data[at] ^= 1
        self.files[name] = bytes(data)

    def test_a_whole_profile_is_ok(self) -> None:
        found = self.expect("ok")
        chain = self.w.chain.hex()
        whole = {"result": "ok", "first": 7, "last": 10, "chain": chain, "snapshot": 8}
        self.assertEqual(found, whole | {"passed_over": [], "cut": [], "taken": []})
        self.assertEqual(self.expect("ok", whole=True)["first"], 1)

    def test_without_snapshots_it_is_read_from_the_first_record(self) -> None:
        self.files = {name: data for name, data in self.files.items() if "snap" not in name}
        found = self.expect("ok")
        self.assertEqual((found["first"], found["last"], found["snapshot"]), (1, 10, None))
        del self.files[self.older]
        self.expect("journal-damaged", self.newest, 0)

    def test_a_segment_that_somebody_took_away_is_told_by_its_key(self) -> None:
        del self.files[self.older]
        self.assertEqual(self.expect("ok")["taken"], [self.older[-36:-4]])
        self.assertEqual(self.expect("ok", whole=True)["taken"], [self.older[-36:-4]])

    def test_an_empty_profile_is_ok(self) -> None:
        w = Writer()
        w.keys()
        self.files = w.files
        self.assertEqual((self.expect("ok")["first"], self.expect("ok")["last"]), (0, 0))
        self.expect("rolled-back", remembered=(1, bytes(32)))
        self.files = {}
        self.expect("no-profile")

    def test_the_end_of_the_newest_segment_may_be_torn(self) -> None:
        blocks = [at for at in range(len(self.files[self.newest])) if self.files[self.newest][at:].startswith(b"TBLK")]
        whole = self.files[self.newest]
        for size in range(blocks[2] + 1, len(whole)):
            self.files[self.newest] = whole[:size]
            self.assertEqual(self.expect("torn", self.newest, blocks[2])["last"], 9)
        self.files[self.newest] = whole + b"x"
        self.assertEqual(self.expect("torn", self.newest, len(whole))["last"], 10)
        # A block before the last one was acknowledged, and so was what a snapshot or the vault names.
        for at, remembered in ((blocks[1], None), (blocks[0], None), (blocks[2], (10, self.w.chain))):
            self.files[self.newest] = whole
            self.flip(self.newest, at + 70)
            self.expect("journal-damaged", self.newest, at, remembered=remembered)

    def test_a_creation_that_was_cut_short_is_removed(self) -> None:
        self.w.segment()
        name, header = self.w.name, self.files[self.w.name]
        self.assertEqual(self.expect("torn", name, 0)["last"], 10, "there is no key yet")
        self.w.keys()
        for size in range(len(header) + 1):
            self.files[name] = header[:size]
            self.assertEqual(self.expect("torn", name, 0)["last"], 10)
        self.w.block(self.w.record())
        whole = self.files[name]
        for size in range(len(header), len(whole)):
            self.files[name] = whole[:size]
            self.assertEqual(self.expect("torn", name, 0)["last"], 10)
        self.files[name] = b"x" + whole[1:]
        self.expect("journal-damaged", name, 0)

    def test_both_of_a_creation_and_of_the_block_before_it_may_be_torn(self) -> None:
        self.files[self.newest] = self.files[self.newest][:-1]
        at = self.files[self.newest].rindex(b"TBLK")
        self.w.segment()
        self.files[self.w.name] = self.files[self.w.name][:60]
        self.w.keys()
        found = self.expect("torn")
        self.assertEqual((found["cut"], found["last"]), ([(self.newest, at), (self.w.name, 0)], 9))
        # A later version's header may be shorter than this one's.
        self.files[self.w.name] = b"THICKSEG\x02\x00\x01\x00"
        self.expect("newer")

    def test_a_segment_without_a_block_leaves_its_place_to_the_next(self) -> None:
        chain = self.w.chain
        self.w.segment()
        empty, self.w.chain = self.w.name, chain
        self.w.segment()
        self.w.block(self.w.record())
        self.w.keys()
        # Both begin at one Seq. Neither the names' order nor a key decides which of them is one.
        self.assertEqual(self.expect("ok")["last"], 11)
        self.files[f"journal/{11:016x}-{'f' * 32}.seg"] = self.files.pop(empty)
        self.assertEqual(self.expect("ok")["last"], 11)
        del self.w.entries[-2]
        self.w.keys()
        self.assertEqual(self.expect("ok")["last"], 11)

    def test_a_header_is_torn_also_before_a_segment_without_a_block(self) -> None:
        chain = self.w.chain
        self.w.segment()
        empty, self.w.chain = self.w.name, chain
        self.w.segment()
        self.w.keys()
        begun, behind = self.w.name, f"journal/{11:016x}-{'f' * 32}.seg"
        self.files[behind] = self.files.pop(empty)
        self.files[begun] = self.files[begun][:60]
        found = self.expect("torn")
        self.assertEqual((found["cut"], found["last"], found["taken"]), ([(begun, 0), (behind, 0)], 10, []))
        self.files[behind] += b"\0"
        self.expect("journal-damaged", begun, 0)

    def test_damage_is_named_where_it_is(self) -> None:
        for name, at in ((self.older, 20), (self.newest, 20)):
            self.setUp()
            self.flip(name, at)
            self.expect("journal-damaged", name, 0)
        self.setUp()
        self.flip(self.older, 200)
        self.expect("journal-damaged", self.older, 128, whole=True)

    def test_a_record_that_cannot_be_read_is_never_cut(self) -> None:
        for record, result in (
            (self.w.record(b"\x09\x00"), "journal-damaged"),
            (self.w.record(b"\x01\x00\x00"), "journal-damaged"),
            (self.w.record() + b"x", "journal-damaged"),
            (self.w.record() * 2, "journal-damaged"),
            (self.w.record(tag=5), "newer"),
            (self.w.record(version=2), "newer"),
        ):
            self.setUp()
            at = len(self.files[self.newest])
            self.w.block(record)
            self.expect(result, self.newest, at if result == "journal-damaged" else 0)

    def test_a_block_stands_at_its_place_alone(self) -> None:
        for wrong in ({"seq": 12}, {"index": 9}):
            self.setUp()
            at = len(self.files[self.newest])
            self.w.block(self.w.record(), **wrong)
            self.expect("journal-damaged", self.newest, at)

    def test_a_journal_that_is_set_back_is_told(self) -> None:
        self.expect("ok", remembered=(10, self.w.chain))
        self.expect("ok", remembered=(3, bytes(32)))
        self.expect("rolled-back", remembered=(11, self.w.chain))
        self.expect("rolled-back", remembered=(10, bytes(32)))
        last = self.files[self.newest].rindex(b"TBLK")
        self.files[self.newest] = self.files[self.newest][:last]
        self.expect("ok")
        self.expect("rolled-back", remembered=(10, self.w.chain))
        del self.files[self.newest]
        self.expect("rolled-back")

    def test_a_retired_segment_is_left_out(self) -> None:
        self.w.entries = self.w.entries[1:]
        self.w.keys()
        self.expect("ok")
        self.w.entries = [entry for entry in self.w.entries if entry[16] == 2]
        self.w.keys()
        self.expect("journal-damaged", self.newest, 0)
        self.expect("journal-damaged", self.older, 0, whole=True)

    def test_a_snapshot_that_fails_is_passed_over(self) -> None:
        name = "snapshots/0000000000000008.snap"
        whole = self.files[name]
        for data in (b"", whole[:-1], whole + b"x", whole[:150], b"x" + whole[1:]):
            self.files[name] = data
            self.assertEqual(self.expect("ok")["snapshot"], 3)
        for payload in (b"\0" + STATE + b"\0", STATE, b"\0", b""):
            self.setUp()
            self.w.snapshot(payload)
            self.w.keys()
            self.assertEqual(self.expect("ok")["snapshot"], 8)
        self.w.snapshot(keyed=False)
        self.assertEqual(self.expect("ok")["snapshot"], 8)

    def test_a_later_version_is_told_from_damage(self) -> None:
        for make in (
            lambda: self.w.snapshot(version=2),
            lambda: self.w.snapshot(rules=2),
            lambda: (self.w.segment(rules=2), self.w.block(self.w.record())),
            lambda: self.w.keys(version=2),
            lambda: self.w.new_key(3, bytes(16)),
        ):
            self.setUp()
            make()
            if self.files["keys"][8] == 1:
                self.w.keys()
            self.expect("newer")

    def test_the_keys_file_is_checked_in_order(self) -> None:
        self.assertEqual(read(Profile(self.files, b"wrong"), print)["result"], "wrong-passphrase")
        whole = self.files["keys"]
        for at in range(len(whole)):
            self.files["keys"] = whole
            self.flip("keys", at)
            self.expect("newer" if 8 <= at < 12 else "keys-damaged")
        for size in range(len(whole)):
            self.files["keys"] = whole[:size]
            self.expect("keys-damaged")
        for cost in ((7, 1, 1), (8, 0, 1), (8, 65, 1), (8, 1, 0), (8, 1, 17), (2**20 + 1, 1, 1), (8, 1, 2)):
            w = Writer(cost)
            if min(cost) and cost[0] < 2**20:
                w.keys()
                self.files = w.files
                self.expect("keys-damaged")


class Robustness(unittest.TestCase):
    RESULTS = {
        "ok",
        "torn",
        "newer",
        "wrong-passphrase",
        "keys-damaged",
        "journal-damaged",
        "rolled-back",
        "no-profile",
    }

    def check(self, files: dict[str, bytes], case: object) -> None:
        try:
            result = run(files)["result"]
        except Exception as e:
            self.fail(f"{case}: {e!r}")
        self.assertIn(result, self.RESULTS, case)

    def test_every_flipped_bit_is_seen_or_harmless(self) -> None:
        files = small().files
        for name, data in files.items():
            for at in range(len(data) * 8):
                changed = bytearray(data)
                changed[at // 8] ^= 1 << at % 8
                self.check(files | {name: bytes(changed)}, (name, at))

    def test_every_cut(self) -> None:
        files = small().files
        for name, data in files.items():
            for size in range(len(data)):
                self.check(files | {name: data[:size]}, (name, size))
            self.check({other: data for other, data in files.items() if other != name}, name)

    def test_random_bytes_in_files(self) -> None:
        chance, files = random.Random(2), small().files
        for case in range(3_000):
            name = chance.choice(sorted(files))
            data = bytearray(files[name])
            at, size = chance.randrange(len(data)), chance.randrange(1, 64)
            match case % 3:
                case 0:
                    data[at : at + size] = chance.randbytes(size)
                case 1:
                    data[at:at] = data[at : at + size]
                case _:
                    data = bytearray(data[:12] * (case & 1) + chance.randbytes(size * 8))
            self.check(files | {name: bytes(data)}, case)

    def test_random_payloads_under_a_good_seal(self) -> None:
        chance = random.Random(3)
        results = []
        for case in range(3_000):
            w = Writer()
            w.segment()
            tag, payload = chance.choice(one_record_each())
            data = bytearray(payload)
            for _ in range(chance.randrange(4)):
                data[chance.randrange(len(data))] = chance.choice(
                    (0, 1, 2, 250, 251, 252, 253, 254, chance.randrange(256))
                )
            plain = w.record(bytes(data), tag) if case % 4 else chance.randbytes(chance.randrange(200))
            w.block(plain)
            w.snapshot(bytes(chance.choice((0, 0, 0, 1, 2, 21, 251, 253)) for _ in range(chance.randrange(30, 120))))
            w.keys()
            self.check(w.files, case)
            results.append(run(w.files)["result"])
        self.assertEqual(set(results), {"ok", "journal-damaged"})


class Archives(unittest.TestCase):
    def setUp(self) -> None:
        vector = (Path(__file__).parent / "../vectors/valid-archive.vector").read_bytes()
        facts, files = parse_vector(vector)
        self.passphrase, self.data = facts["passphrase"].encode(), files["archive"]

    def result(self, data: bytes) -> tuple[str, int]:
        """What comes of it, and how many pieces were given."""
        given: list[str] = []
        return read(Archive(data, self.passphrase), lambda it: given.append(line_of(it)))["result"], len(given)

    def test_a_whole_one_is_given_and_of_another_nothing(self) -> None:
        self.assertEqual(self.result(self.data), ("ok", 12))
        for at in (*range(400), *range(400, len(self.data), 5)):
            data = bytearray(self.data)
            data[at] ^= 1 << at % 8
            versions = at in range(8, 12) or at in range(272, 276)
            self.assertEqual(self.result(bytes(data)), ("newer" if versions else "archive-damaged", 0), at)
        for size in range(0, len(self.data), 31):
            self.assertEqual(self.result(self.data[:size]), ("archive-damaged", 0), size)


class Vectors(unittest.TestCase):
    def test_a_vector_passes_or_says_what_differs(self) -> None:
        w = small()
        listing = hashlib.sha256()
        profile = Profile(w.files, PASSPHRASE)
        found = read(profile, lambda record: listing.update(line_of(record).encode() + b"\n" if record.seq > 8 else b""))
        lines = ["thicket-journal-vector 1", "comment: a whole profile", "passphrase: correct horse"]
        lines += [f"remembered: 10 {w.chain.hex()}", "expect: ok", "last: 10", f"chain: {found['chain']}"]
        head = "\n".join([*lines, "snapshot: 8", f"listing: {listing.hexdigest()}", "", ""]).encode()
        files = b"".join(f"file {name} {len(data)}\n".encode() + data + b"\n" for name, data in w.files.items())
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "good.vector").write_bytes(head + files)
            self.assertEqual(self.run_all(folder), (0, "good.vector: passed\n1 of 1 passed\n"))
            (Path(folder) / "bad.vector").write_bytes(head.replace(b"last: 10", b"last: 11") + files)
            (Path(folder) / "worse.vector").write_bytes((head + files)[:-9])
            status, printed = self.run_all(folder)
            self.assertEqual((status, printed.splitlines()[0]), (1, "bad.vector: last is 10, not 11"))
            self.assertEqual(printed.splitlines()[-1], "1 of 3 passed")

    def run_all(self, folder: str) -> tuple[int, str]:
        with redirect_stdout(StringIO()) as out:
            return run_vectors(Path(folder)), out.getvalue()


if __name__ == "__main__":
    unittest.main()
