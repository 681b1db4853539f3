#!/usr/bin/env python3
"""Reads a Thicket profile's journal, or an archive, by the format's specification, `../SPEC.md`.

It prints a JSON object a line: each record or piece, and at last what came of it. It never writes.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from argon2.exceptions import HashingError

from archive import Archive, Piece
from journal import Broken, Profile, Record, Stop


def read_folder(root: Path) -> dict[str, bytes]:
    paths = [root / "keys", *(root / "journal").glob("*.seg"), *(root / "snapshots").glob("*.snap")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def line_of(item: Record | Piece) -> str:
    return compact(item._asdict())


def read(subject: Profile | Archive, line: Callable[[Any], None]) -> dict[str, Any]:
    """Reads a profile or an archive, whatever its bytes are, and says what came of it."""
    damaged = "archive-damaged" if isinstance(subject, Archive) else "keys-damaged"
    try:
        for item in subject.walk():
            line(item)
        return subject.result()
    except Stop as e:
        result = damaged if e.result == "keys-damaged" else e.result
        return {"result": result, "why": e.why} | ({"file": e.file, "byte": e.byte} if e.file else {})
    except Broken as e:
        # Of a profile's parts the keys file alone: the walk says what another one means.
        return {"result": damaged, "why": str(e)}
    except (MemoryError, HashingError) as e:
        # Not damage: Argon2id may ask for more memory than there is.
        return {"result": "no-memory", "why": str(e) or type(e).__name__}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="a profile's folder, or an archive")
    parser.add_argument("--passphrase-file", type=Path, help="its first line; else THICKET_PASSPHRASE is taken")
    parser.add_argument("--remembered", nargs=2, metavar=("SEQ", "CHAIN"), help="the block that the vault remembers")
    parser.add_argument("--whole", action="store_true", help="walk from the oldest segment, not from the snapshot's")
    args = parser.parse_args()
    hasattr(signal, "SIGPIPE") and signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        remembered = args.remembered and (int(args.remembered[0]), bytes.fromhex(args.remembered[1]))
        if args.passphrase_file:
            passphrase = args.passphrase_file.read_bytes().split(b"\n")[0].removesuffix(b"\r")
        else:
            passphrase = os.fsencode(os.environ["THICKET_PASSPHRASE"])
        if args.path.is_file():
            subject: Profile | Archive = Archive(args.path.read_bytes(), passphrase)
        else:
            subject = Profile(read_folder(args.path), passphrase, remembered, args.whole)
    except (OSError, KeyError, ValueError) as e:
        parser.error(f"the passphrase, the files or --remembered: {e!r}")
    result = read(subject, lambda item: print(line_of(item)))
    print(compact(result))
    return 0 if "chain" in result else 1


if __name__ == "__main__":
    sys.exit(main())
