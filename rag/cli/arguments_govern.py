"""What can be typed to govern a home: keys, the audit, erasure, `rag doctor` and its proof."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from rag.access import Audience, ChannelKind
from rag.bots.platforms import PLATFORMS
from rag.cli.argument_values import days
from rag.credentials.identified import PERSONAL


def keys(action: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """`rag keys`: the actions beside the list."""
    add = action("add", "Make a key; it is shown once.")
    add.add_argument("name", metavar="NAME", help="what it is called; without --user also whom it speaks for")
    add.add_argument("--user", metavar="USER", help="the person it speaks for, with that person's groups and rights")
    add.add_argument(
        "--scope",
        action="append",
        choices=(*PERSONAL, "all"),
        help="what it is good for (search, ask and documents); may be repeated",
    )
    add.add_argument("--source", action="append", metavar="NAME", help="only this source; may be repeated")
    channels = [kind.value for kind in ChannelKind if kind is not ChannelKind.LOOPBACK]
    add.add_argument("--channel", choices=channels, default="intranet", help="where its answers are shown (intranet)")
    audiences = [audience.value for audience in Audience]
    add.add_argument("--audience", choices=audiences, default="direct", help="who else sees them there (direct)")
    add.add_argument("--bot", choices=tuple(PLATFORMS), default="", help="for a bot there, and for nothing else")
    add.add_argument("--expires", type=days, default=365, metavar="DAYS", help="good for so many days, or never (365)")
    revoke = action("revoke", "End a key at once; answers it asked for end too.")
    revoke.add_argument("id", metavar="ID|NAME", help="as `rag keys list` shows it; a name that one key has")
    release = action("release", "Let keys of a restored backup be good again.")
    release.add_argument("ids", nargs="*", metavar="ID|NAME", help="as `rag keys list` shows it")
    release.add_argument("--all", action="store_true", help="all that are held")
    suspend = action("suspend", "Shut a person out at once, whatever they show: keys, sign-in, proxy.")
    suspend.add_argument("user", metavar="USER")
    action("resume", "Let a person in again.").add_argument("user", metavar="USER")


def auditing(command: argparse.ArgumentParser, every: argparse.ArgumentParser) -> None:
    """`rag audit`."""
    below = command.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, about: str) -> argparse.ArgumentParser:
        return below.add_parser(name, help=about, description=about, parents=[every])

    show = action("show", "The records; that they were looked at is recorded too.")
    show.add_argument("--document", metavar="DOCUMENT", help="what was shown of it: an id, or its key once it is gone")
    show.add_argument("--user", metavar="USER", help="what this person was shown")
    show.add_argument("--since", metavar="DAY", help="from this day on (UTC): 2026-11-26")
    show.add_argument("--receipt", metavar="RECEIPT", help="one answer")
    verify = action("verify", "Whether every record is there, unchanged and in order.")
    verify.add_argument(
        "--anchor", metavar="ANCHOR|FILE", help="what `rag audit head` printed: nothing since is cut off"
    )
    action("head", "Print the anchor: keep it elsewhere.")
    export = action("export", "Write every record, as it is, into a new file, a line each.")
    export.add_argument("file", type=Path, metavar="FILE")
    action("purge", "Drop what is older than [retention] says; the service does it daily.")
    keys = action("keys", "Make the two keys of works-council mode, each for one person.")
    keys.add_argument("files", nargs=2, type=Path, metavar="FILE")
    who = action("reidentify", "Whom a pseudonym stands for, with both keys and a reason (audited).")
    who.add_argument("pseudonym", metavar="PSEUDONYM")
    who.add_argument("--key", action="append", dest="keys", type=Path, required=True, metavar="FILE", help="twice")
    who.add_argument("--reason", required=True, metavar="TEXT")


def erasing(command: argparse.ArgumentParser) -> None:
    """`rag erase`."""
    command.add_argument("documents", nargs="*", metavar="DOCUMENT", help="ids or keys, as `rag documents` lists them")
    command.add_argument("--person", metavar="NAME", help="every document that names this person")
    command.add_argument("--alias", action="append", metavar="NAME", help="another way the name is written")
    command.add_argument("--yes", action="store_true", help="do it; without it only what would be erased is shown")
    command.add_argument("--allow", action="store_true", help="let these be read again once their files have changed")
    command.add_argument("--verify", type=Path, metavar="FILE", help="check that this home wrote the certificate so")
    command.add_argument("--language", choices=("de", "en"), help="of the certificate's page (the terminal's)")


def examining(command: argparse.ArgumentParser) -> None:
    """`rag doctor`."""
    proof = command.add_argument_group("the offline proof", "Exit code 0: proven, 1: something left, 2: not run.")
    proof.add_argument(
        "--prove-offline", action="store_true", help="run the real stack in a network that ends here, and certify it"
    )
    proof.add_argument("--without-switches", action="store_true", help="with every switch unset: the kernel alone")
    proof.add_argument("--quick", action="store_true", help="no sample, few questions, no idle time")
    proof.add_argument("--idle", type=float, metavar="S", help="seconds of idle time at the end (15)")
    proof.add_argument("--sample", type=Path, default=Path("data/sample"), help="folder that is read too (data/sample)")
    proof.add_argument("--out", type=Path, metavar="DIR", help="write the certificate: JSON, and one page of text")
    proof.add_argument("--language", choices=("de", "en"), default="en", help="of the page (en)")
    proof.add_argument("--check-proof", type=Path, metavar="FILE", help="is this certificate as this home wrote it?")
