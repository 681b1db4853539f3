#!/usr/bin/env python3
"""Reads the journal of a Thicket profile by the format's specification, `../SPEC.md`. It never writes."""

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from argon2.exceptions import HashingError

from journal import Profile, Record, Stop


def read_folder(root: Path) -> dict[str, bytes]:
    paths = [root / "keys", *(root / "journal").glob("*.seg"), *(root / "snapshots").glob("*.snap")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def record_json(record: Record) -> str:
    return compact(record._asdict())


def record_text(record: Record) -> str:
    try:
        time = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=record.stamp)).isoformat(" ", "milliseconds")
    except OverflowError:
        time = f"{record.stamp} ms"
    ((kind, value),) = record.event.items()
    return f"{record.seq:>6}  {time.removesuffix('+00:00')}  {kind:9}  {short(value)}"


def short(value: Any) -> str:
    """A value in few words: long ids and bytes are cut."""
    match value:
        case dict():
            return " ".join(f"{name}={short(inner)}" for name, inner in value.items())
        case list():
            return f"({', '.join(map(short, value))})"
        case str() if len(value) > 20:
            return value[:12] + "…"
    return "none" if value is None else str(value)


def read(profile: Profile, line: Callable[[Record], None], walk: bool = True) -> dict[str, Any]:
    """Reads a profile, whatever its bytes are, and says what came of it."""
    try:
        profile.open()
        for record in profile.walk() if walk else ():
            line(record)
    except Stop as e:
        return {"result": e.result, "why": e.why} | ({"file": e.file, "byte": e.byte} if e.file else {})
    except (MemoryError, HashingError) as e:
        # Not damage: Argon2id may ask for more memory than there is.
        return {"result": "no-memory", "why": str(e) or type(e).__name__}
    found: dict[str, Any] = {"first": profile.first, "last": profile.last, "chain": profile.chain.hex()}
    found["snapshot"] = profile.snapshot.seq if profile.snapshot else None
    found["passed_over"] = [{"file": file, "why": why} for file, why in profile.passed_over]
    found["cut"] = [{"file": file, "byte": byte} for file, byte in profile.cuts]
    return {"result": "torn" if profile.cuts else "ok"} | {name: it for name, it in found.items() if it != []}


def result_text(result: dict[str, Any]) -> str:
    match result:
        case {"first": first, "last": last, "chain": chain, "snapshot": snapshot}:
            notes = [f"{p['file']} passed over, {p['why']}" for p in result.get("passed_over", [])]
            notes += [f"cut {c['file']} at byte {c['byte']}" if c["byte"] else f"remove {c['file']}"
                      for c in result.get("cut", [])]  # fmt: skip
            span = f"Seq {first} to {last}" if last else "no record"
            return f"{'; '.join([result['result'], *notes])}: {span}, chain {chain}, snapshot {snapshot or 'none'}"
        case {"file": file, "byte": byte}:
            return f"{result['result']}: {file} at byte {byte}: {result['why']}"
    return f"{result['result']}: {result['why']}"


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
    seq, _, chain = facts.get("remembered", "0 ").partition(" ")
    listing = hashlib.sha256()
    profile = Profile(files, facts["passphrase"].encode(), (int(seq), bytes.fromhex(chain)))

    def list_record(record: Record) -> None:
        if not profile.snapshot or record.seq > profile.snapshot.seq:
            listing.update(record_json(record).encode() + b"\n")

    result = read(profile, list_record)
    got = {name: str(value) for name, value in result.items()} | {"expect": result["result"]}
    got["snapshot"] = str(result.get("snapshot") or "none")
    got["listing"] = listing.hexdigest()
    places = result.get("cut") or ([result] if "file" in result else [])
    got["at"] = ", ".join(f"{place['file']} {place['byte']}" for place in places)
    wanted = {"at", "last", "chain", "snapshot", "listing"} & facts.keys() | {"expect"}
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", type=Path, nargs="?")
    parser.add_argument("--passphrase-file", type=Path, help="its first line; else THICKET_PASSPHRASE is taken")
    parser.add_argument("--remembered", nargs=2, metavar=("SEQ", "CHAIN"), help="the block that the vault remembers")
    parser.add_argument("--whole", action="store_true", help="walk from the oldest segment, not from the snapshot's")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--state", action="store_true", help="print the state in the snapshot, and its digest")
    parser.add_argument("--vectors", type=Path, metavar="FOLDER", help="run every vector in a folder")
    args = parser.parse_args()
    hasattr(signal, "SIGPIPE") and signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if args.vectors:
        return run_vectors(args.vectors)
    if not args.profile:
        parser.error("a profile or --vectors is needed")
    try:
        remembered = args.remembered and (int(args.remembered[0]), bytes.fromhex(args.remembered[1]))
        if args.passphrase_file:
            passphrase = args.passphrase_file.read_bytes().split(b"\n")[0].removesuffix(b"\r")
        else:
            passphrase = os.fsencode(os.environ["THICKET_PASSPHRASE"])
        profile = Profile(read_folder(args.profile), passphrase, remembered, args.whole)
    except (OSError, KeyError, ValueError) as e:
        parser.error(f"the passphrase, the profile's files or --remembered: {e!r}")
    result = read(profile, lambda record: print((record_json if args.json else record_text)(record)), walk=not args.state)
    if args.state and (snapshot := profile.snapshot):
        shown = {"snapshot": snapshot.seq, "digest": snapshot.digest.hex(), "carried": snapshot.carried}
        print(json.dumps(shown | {"state": snapshot.state}, indent=None if args.json else 1))
    elif args.state and "first" in result:
        print(compact({"snapshot": None}) if args.json else "no snapshot passes")
    if not args.state or "first" not in result:
        print(compact(result) if args.json else result_text(result))
    return 0 if "first" in result else 1


if __name__ == "__main__":
    sys.exit(main())
