"""Archives (SPEC §12). Of one that fails a check nothing is given."""

import struct
from collections.abc import Iterator
from hashlib import sha1
from typing import Any, NamedTuple

from journal import HEADER, SEGMENT, Broken, Keys, Stop, check_rules, need, read_block, segment_header, sha256, split
from payloads import LIMIT_RECORD, LIMIT_STATE, Undecodable, decode

KEYS_SIZE, STATE_PIECE_MAX = 264, 65_536
HEAD = struct.Struct("<HHI")
NAMES = ["Account", "Identity", "MailboxKey", "State", "Contact", "Message", "Body", "End"]

Piece = NamedTuple("Piece", [("place", int), ("piece", dict[str, Any])])


def pieces(plain: bytes, first: int, file: str) -> Iterator[Piece]:
    for place, ((tag, version, _), payload) in enumerate(split(plain, HEAD), first):
        if not 1 <= tag <= len(NAMES) or version != 1:
            raise Stop("newer", f"piece {place}: tag {tag}, version {version}", file)
        try:
            yield Piece(place, {NAMES[tag - 1]: decode_piece(NAMES[tag - 1], payload)})
        except Undecodable as e:
            raise Broken(f"piece {place}: {e}") from e


def decode_piece(name: str, payload: bytes) -> Any:
    match name:
        case "Identity":
            need(len(payload) >= 8, "an identity without a time")
            return {"created": int.from_bytes(payload[:8], "little"), "secret": payload[8:].hex()}
        case "State":
            need(len(payload) <= STATE_PIECE_MAX, "a piece of the state is too long")
            return payload.hex()
    return decode(name + "Piece", payload, LIMIT_RECORD)


def certified(key: str) -> tuple[str, str]:
    """Fingerprint and name of an OpenPGP key, public or secret. Its signatures are not looked at."""
    data = bytes.fromhex(key) + bytes(2)
    # Each packet begins with a tag and a length of one byte each; the first two are key and user id.
    user = data[2 + data[1] :] + bytes(2)
    # RFC 4880 §12.2; the public half of version 4 and algorithm 22 with Ed25519 has 51 bytes.
    fingerprint = sha1(b"\x99\x00\x33" + data[2:53]).hexdigest()
    return fingerprint, user[2 : 2 + user[1]].decode("utf-8", "replace")


class Archive:
    """A whole archive, checked in the order of §12."""

    def __init__(self, data: bytes, passphrase: bytes) -> None:
        self.data, self.passphrase = data, passphrase
        self.pieces: list[Piece] = []

    def walk(self) -> Iterator[Piece]:
        keys, at = Keys(self.data[:KEYS_SIZE], self.passphrase), KEYS_SIZE + HEADER
        self.head = segment_header(self.data[KEYS_SIZE:at], "", b"THICKARC")
        check_rules(self.head.rules, "")
        key = keys.key(SEGMENT, self.head.ident) or b""
        need(key != b"", "the keys file has another key")
        index, chain = 0, sha256(self.data[KEYS_SIZE:at])
        while at < len(self.data):
            block = read_block(self.data, at, self.head._replace(key=key), len(self.pieces) + 1, index, chain, pieces)
            self.pieces += block.records
            at, index, chain = block.end, index + 1, block.chain
        self.check()
        yield from self.pieces

    def of(self, name: str) -> list[Any]:
        return [piece[name] for _, piece in self.pieces if name in piece]

    def check(self) -> None:
        places = [NAMES.index(name) for _, piece in self.pieces for name in piece]
        need(places == sorted(places) and places[:1] == [0], "pieces are out of order")
        need([places.count(place) for place in (0, 1, 7)] == [1, 1, 1], "not one of each")
        need(2 in places, "there is no mailbox key")
        counts = [places.count(place) for place in (2, 4, 5, 6)]
        (account,), (identity,), (end,) = map(self.of, ("Account", "Identity", "End"))
        need([*end.values()] == counts, "the end counts other pieces")
        state = bytes.fromhex("".join(self.of("State")))
        told = account["state_len"], account["state"]
        need((len(state), sha256(state).hex()) == told, "the state is another")
        try:
            fresh = decode("State", state, LIMIT_STATE) == decode("State", bytes(37), LIMIT_STATE)
        except Undecodable as e:
            raise Broken(f"the state: {e}") from e
        # The state of no record is zeros.
        need(self.head.first > 1 or fresh and not any(self.head.chain), "a state of no record")
        owner = account["fingerprint"], account["name"]
        need(certified(identity["secret"]) == owner, "the identity is not the account's")
        for contact in self.of("Contact"):
            fingerprint, _ = certified(contact["certificate"])
            need(fingerprint == contact["fingerprint"], "a certificate is not its contact's")

    def result(self) -> dict[str, Any]:
        last, chain = self.head.first - 1, self.head.chain.hex()
        return {"result": "ok", "last": last, "chain": chain, "pieces": len(self.pieces)}
