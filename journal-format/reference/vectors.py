#!/usr/bin/env python3
"""Runs every vector in a folder (`../vectors/README.md`) through the reader."""

import hashlib
import sys
from pathlib import Path

from archive import Archive, Piece
from journal import Profile, Record
from read_journal import line_of, read


def parse_vector(data: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    head, _, rest = data.partition(b"\n\n")
    first, *lines = head.decode().split("\n")
    if first != "thicket-journal-vector 1":
        raise ValueError("not a vector")
    facts = dict(line.split(": ", 1) for line in lines)
    files = {}
    while rest:
        line, _, rest = rest.partition(b"\n")
        word, name, size = line.decode().split(" ")
        if word != "file" or rest[int(size) : int(size) + 1] != b"\n":
            raise ValueError(f"not a file: {line!r}")
        files[name], rest = rest[: int(size)], rest[int(size) + 1 :]
    return facts, files


def run_vector(data: bytes) -> list[str]:
    """What is not as the vector expects it."""
    facts, files = parse_vector(data)
    passphrase, listing = facts["passphrase"].encode(), hashlib.sha256()
    seq, _, chain = facts.get("remembered", "0 ").partition(" ")
    profile = Profile(files, passphrase, (int(seq), bytes.fromhex(chain)))
    subject = Archive(files["archive"], passphrase) if "archive" in files else profile

    def list_item(item: Record | Piece) -> None:
        if not profile.snapshot or item.seq > profile.snapshot.seq:
            listing.update(line_of(item).encode() + b"\n")

    result = read(subject, list_item)
    got = {name: str(value) for name, value in result.items()} | {"expect": result["result"]}
    got["snapshot"] = str(result.get("snapshot") or "none")
    got["listing"] = listing.hexdigest()
    places = result.get("cut") or ([(result["file"], result["byte"])] if "file" in result else [])
    got["at"] = ", ".join(f"{file} {byte}" for file, byte in places)
    got["taken"] = ", ".join(result.get("taken", []))
    facts.setdefault("taken", "")
    wanted = {"at", "last", "chain", "snapshot", "pieces", "listing", "taken"} & facts.keys() | {"expect"}
    return [f"{name} is {got.get(name)}, not {facts[name]}" for name in sorted(wanted) if got.get(name) != facts[name]]


def run_vectors(folder: Path) -> int:
    passed, paths = 0, sorted(folder.glob("*.vector"))
    for path in paths:
        try:
            wrong = run_vector(path.read_bytes())
        except (ValueError, KeyError) as e:
            wrong = [f"the vector cannot be read: {e!r}"]
        passed += not wrong
        print(f"{path.name}: {'; '.join(wrong) or 'passed'}")
    print(f"{passed} of {len(paths)} passed")
    return 0 if passed == len(paths) else 1


if __name__ == "__main__":
    sys.exit(run_vectors(Path(sys.argv[1])))
