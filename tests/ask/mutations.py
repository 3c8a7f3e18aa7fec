"""True statements made false in one place each: a changed number, date, unit, name, negation, direction,
subject, party.

Pure and without chance: the same text always gives the same mutants.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence

KINDS = ("number", "date", "unit", "name", "negation", "direction", "subject", "party")

PEOPLE = (
    "Krahl Rennecke Yildiz Strobach Mehnert Pietzsch Aktas Loh Hainbrecht Lindqvist Beyer Hartmann Okafor Whitfield "
    "Nowak Brandt Seidel Vogel Kessler Marsden"
).split()
PLACES = "Leeds Döbernitz Weilersbrunn Hamburg Stuttgart Berlin München Frankfurt Rotterdam Lyon".split()
FIRMS = "Norvang Calderbrook Pohlert Dornacher Reinlich Veltrona Haubner Kestrel".split()
_GROUPS = (PEOPLE, PLACES, FIRMS)
_PARTIES = (
    "Arbeitgeber Kunde Lieferant Betriebsrat Vorgesetzte Mieter Vermieter Patient Geschäftsführung Buchhaltung".split(),
    "employer,customer,supplier,works council,line manager,tenant,landlord,patient,apprentice,accounting".split(","),
)
_MONTHS = (
    ("Januar Februar März April Juni Juli August September Oktober November Dezember".split()),
    ("January February March April June July August September October November December".split()),
)
_NUMBER = re.compile(r"(?<![\w.,-])\d+(?:[.,]\d+)*(?![\w-]|[.,]\d)")
_WORDED = (
    "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split(),
    "two three four five six seven eight nine ten eleven twelve".split(),
)
_UNITS = (
    ("Arbeitstage", "Wochen"),
    ("Arbeitstagen", "Wochen"),
    ("Werktage", "Stunden"),
    ("Werktagen", "Stunden"),
    ("Tage", "Stunden"),
    ("Tagen", "Stunden"),
    ("Stunden", "Tage"),
    ("Wochen", "Monate"),
    ("Monate", "Jahre"),
    ("Monaten", "Jahren"),
    ("Jahre", "Monate"),
    ("Minuten", "Stunden"),
    ("Euro", "Prozent"),
    ("Prozent", "Euro"),
    ("€", "%"),
    ("%", "€"),
    ("EUR", "USD"),
    ("£", "€"),
    ("working days", "hours"),
    ("days", "hours"),
    ("hours", "days"),
    ("weeks", "months"),
    ("months", "years"),
    ("years", "months"),
    ("minutes", "hours"),
    ("euros", "per cent"),
    ("per cent", "euros"),
    ("Ncm", "Nm"),
    ("mm", "cm"),
    ("kg", "g"),
    ("MB", "GB"),
    ("km", "m"),
)
_DIRECTIONS = (
    ("mindestens", "höchstens"),
    ("höchstens", "mindestens"),
    ("Höchstens", "Mindestens"),
    ("Mindestens", "Höchstens"),
    ("bis zu", "mehr als"),
    ("mehr als", "weniger als"),
    ("weniger als", "mehr als"),
    ("länger als", "kürzer als"),
    ("vor", "nach"),
    ("nach", "vor"),
    ("unter", "über"),
    ("spätestens", "frühestens"),
    ("at least", "at most"),
    ("at most", "at least"),
    ("more than", "less than"),
    ("less than", "more than"),
    ("up to", "more than"),
    ("before", "after"),
    ("after", "before"),
    ("below", "above"),
    ("over", "under"),
)
_DENIALS = re.compile(r"\b(?:nicht|not)\s+", re.IGNORECASE)
_NONE = (("keine", "eine"), ("kein", "ein"), ("keinen", "einen"), ("Keine", "Alle"), ("no", "a"), ("never", "always"))
_VERB = re.compile(
    r"\b(?:ist|sind|wird|werden|darf|dürfen|muss|müssen|kann|können|gilt|beträgt|kostet|is|are|was|were|will|may|"
    r"must|can|has|have)\b"
)


def mutants(text: str, others: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """(kind, changed text). `others` are sentences about something else, whose figures a swapped subject borrows."""
    for kind, made in (
        ("number", _numbers(text)),
        ("date", _dates(text)),
        ("unit", _units(text)),
        ("name", _names(text)),
        ("negation", _negations(text)),
        ("direction", _directions(text)),
        ("subject", _subjects(text, others)),
        ("party", _parties(text, others)),
    ):
        for changed in made:
            if changed != text:
                yield kind, changed


def _draw(text: str, choices: Sequence[str], old: str) -> str:
    """One of the choices, the same each time for the same text."""
    left = [choice for choice in choices if choice.lower() != old.lower()]
    return left[zlib.crc32(f"{text}|{old}".encode()) % len(left)]


def _numbers(text: str) -> Iterator[str]:
    for match in _NUMBER.finditer(text):
        if re.match(r"[.)]? [A-ZÄÖÜ]", text[match.end() :]) and not text[: match.start()].strip():
            continue  # the number of a list item or heading
        figure = match[0]
        digit = zlib.crc32(f"{text}|{match.start()}".encode()) % 8 + 1
        changed = str((int(figure[0]) + digit - 1) % 9 + 1) + figure[1:]
        yield text[: match.start()] + changed + text[match.end() :]
    for words in _WORDED:
        for match in re.finditer(rf"\b(?:{'|'.join(words)})\b", text, re.IGNORECASE):
            new = _draw(text, words, match[0])
            yield text[: match.start()] + (new.capitalize() if match[0][0].isupper() else new) + text[match.end() :]


def _dates(text: str) -> Iterator[str]:
    for months in _MONTHS:
        for match in re.finditer(rf"\b(?:{'|'.join(months)})\b", text):
            yield text[: match.start()] + _draw(text, months, match[0]) + text[match.end() :]
    for match in re.finditer(r"\b(\d{1,2})\.(\d{2})\.(\d{4})\b", text):
        yield text[: match.start()] + f"{match[1]}.{int(match[2]) % 12 + 1:02}.{match[3]}" + text[match.end() :]


def _units(text: str) -> Iterator[str]:
    for old, new in _UNITS:
        word = re.escape(old)
        before, after = (r"(?<=\d )", r"(?!\w)") if old[0].isalpha() else ("", "")
        if old == "£":
            before, after = "", r"(?=\s?\d)"
        if old == "EUR":
            before, after = r"\b", r"(?=\s?\d)"
        for match in re.finditer(f"{before}{word}{after}", text):
            yield text[: match.start()] + new + text[match.end() :]
        worded = "|".join((*_WORDED[0], *_WORDED[1]))
        if old[0].isalpha():
            for match in re.finditer(rf"\b((?:{worded}) )({word})\b", text, re.IGNORECASE):
                yield text[: match.start(2)] + new + text[match.end() :]


def _names(text: str) -> Iterator[str]:
    for group in _GROUPS:
        for match in re.finditer(rf"\b(?:{'|'.join(group)})(?=s?\b)", text):
            yield text[: match.start()] + _draw(text, group, match[0]) + text[match.end() :]
    for match in re.finditer(r"\b([A-ZÄÖÜ]{2,}(?:-[A-Z]{2,})?-(?:\d{4}-)?)(\d{1,4})\b", text):
        yield text[: match.start(2)] + f"{int(match[2]) + 1:0{len(match[2])}}" + text[match.end() :]


def _negations(text: str) -> Iterator[str]:
    if match := _DENIALS.search(text):
        yield text[: match.start()] + text[match.end() :]
        return
    for old, new in _NONE:
        if match := re.search(rf"\b{old}\b", text):
            yield text[: match.start()] + new + text[match.end() :]
            return
    if match := _VERB.search(text):
        no = "not" if match[0] in "is are was were will may must can has have".split() else "nicht"
        yield f"{text[: match.end()]} {no}{text[match.end() :]}"


def _directions(text: str) -> Iterator[str]:
    for old, new in _DIRECTIONS:
        for match in re.finditer(rf"\b{old}\b(?=\s\w)", text):
            yield text[: match.start()] + new + text[match.end() :]


def _subjects(text: str, others: Sequence[str]) -> Iterator[str]:
    """The first figure replaced by one with the same unit from a sentence about something else."""
    figure = re.compile(r"(\d+(?:[.,]\d+)*) (\w+|€|%)")
    own = figure.search(text)
    if own is None:
        return
    known = {match[1] for match in figure.finditer(text)}
    for other in others:
        for match in figure.finditer(other):
            if match[2][:4] == own[2][:4] and match[1] not in known and other not in text and text not in other:
                yield text[: own.start(1)] + match[1] + text[own.end(1) :]
                return


def _parties(text: str, others: Sequence[str]) -> Iterator[str]:
    """Who does it, replaced by somebody that none of the others speak of."""
    around = " ".join((text, *others)).lower()
    for names in _PARTIES:
        strangers = [name for name in names if name.lower() not in around]
        for match in (
            re.finditer(rf"\b(?:{'|'.join(names)})(?:s|n|in|innen)?\b", text, re.IGNORECASE) if strangers else ()
        ):
            yield text[: match.start()] + _draw(text, strangers, match[0]) + text[match.end() :]
