"""What turns a sentence round: denial, which way a limit or a date lies (at least, at most; before, after), and a plan
told as a fact. Pure.

A statement may leave such a word out only where the source has none beside the same words; it may bring its own only
where the source has one that means the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.ask.figures import figures_of
from rag.ask.quantities import tokens_of
from rag.ask.ranges import ranges_in

Stems = Callable[[str], frozenset[str]]

_HARD = re.compile(
    r"\b(?:nicht|nichts|kein\w*|nie|niemals|niemand\w*|nirgend\w*|weder|ohne|not|no|never|nobody|none|nor|neither|cannot|"
    r"without|\w+n['’]t|verboten\w*|verbiet\w*|untersagt\w*|unzulässig\w*|ausgeschlossen\w*|gesperrt\w*|prohibit\w*|"
    r"forbid\w*|banned|elsewhere)\b",
    re.IGNORECASE,
)
_SOFT = re.compile(
    r"\b(?:ausgenommen\w*|entf[aä]ll\w*|gestrichen\w*|abgelehnt\w*|exclu\w*|unless|except\w*|außer|stopp\w*|verf[aä]ll\w*|"
    r"erlischt|erloschen|refus\w*|declin\w*|blocked|nur|only|verweiger\w*|zurückgewiesen|reject\w*|rather|"
    r"statt(?=\W+\w))\b",
    re.IGNORECASE,
)
_NO_DENIAL = (
    (
        r"\b(?:nicht|kein\w*) (?:mehr|länger|höher|größer|später|öfter) als\b|"
        r"\bno (?:more|later|longer|greater) than\b|"
        r"\bnot (?:exceed|more than|later than)\b|\b(?:größer|mehr|länger|höher|später|schwerer) als"
        r"(?=[^.;,]{1,40}\bnicht\b)|\bnicht (?:über(?:schreit\w*|steig\w*))",
        " höchstens ",
    ),
    (
        r"\b(?:nicht|kein\w*) (?:weniger|kürzer|kleiner|geringer|früher) als\b|\bno (?:less|fewer|earlier) than\b|"
        r"\bnot (?:less|fewer|earlier) than\b|\bnicht unterschreit\w*",
        " mindestens ",
    ),
    (r"\bnicht nur\b|\bnot only\b|\bgar nicht erst\b|\b(?:ob|whether) (?:oder|or) (?:nicht|not)\b", " "),
)

_NOT_ONLY = re.compile(r"\b(?:nicht (?:nur|allein)|not (?:only|just))\b", re.IGNORECASE)
_ONLY = re.compile(r"\b(?:nur|allein|only|just)\b", re.IGNORECASE)

_LEAST, _MOST, _BEFORE, _AFTER = "least", "most", "before", "after"
_OPPOSITE = {_LEAST: _MOST, _MOST: _LEAST, _BEFORE: _AFTER, _AFTER: _BEFORE}
_MARKS = (
    (_MOST, r"höchstens|maximal|max\.?|bis zu|up to|at most|maximum(?: of)?|weniger als|less than|fewer than|"
            r"kürzer als|shorter than|unter|unterhalb(?: von)?|below|under|nicht über|limited to|kleiner als|"
            r"lower than|niedriger als"),
    (_LEAST, r"mindestens|wenigstens|minimal|mind\.?|at least|minimum(?: of)?|mehr als|more than|länger als|"
             r"longer than|größer als|greater than|höher als|higher than|über|oberhalb(?: von)?|above|over|"
             r"exceed(?:s|ing)?|überschreitet|beyond"),
    (_BEFORE, r"vor|before|prior to|bis|until|till|by|spätestens|no later than|bis spätestens|bis zum|vorher"),
    (_AFTER, r"nach|after|ab|seit|since|frühestens|from|starting|ab dem|erst|following"),
)  # fmt: skip
_MARK = re.compile("|".join(rf"(?P<{name}>\b(?:{words})(?!\w))" for name, words in _MARKS), re.IGNORECASE)
_IMPLIED = {
    _MOST: re.compile(
        r"höchst|maxim|max\b|bis zu|obergrenze|limit|deckel|grenz|exceed|überschreit|überst|nicht mehr|"
        r"nicht länger|darüber|no more|up to|at most|größer|longer|kleiner|unter\b|weniger|below|under|less|"
        r"cap\b|capped|not .{0,30}over|über|allowance|≤|<|binnen|innerhalb|within|nur|only",
        re.I,
    ),
    _LEAST: re.compile(
        r"mind(?:est|\.|\b)|wenigst|minim|min\b|at least|untergrenze|ab\b|from\b|more|mehr|länger|longer|"
        r"über|over|above|beyond|nicht unter|not under|erst|≥|>|größer|greater|higher|höher|exceed",
        re.I,
    ),
}
_PLANNED = re.compile(
    r"\bgeplant\s+(?:ist|sind)\b|\b(?:ist|sind)\b[^.;|]{0,60}\bgeplant\b|\bschl(?:ägt|agen)\b[^.;|]{0,80}\bvor\b|"
    r"\b(?:is|are) (?:planned|proposed)\b|\bpropos(?:es|e)\b|\bplans? to\b",
    re.IGNORECASE,
)
_NOT_YET = re.compile(
    r"\b(?:(?:ge)?plan\w*|soll\w*|vorgesch\w*|vorschl\w*|schl(?:ägt|agen)|vorgesehen\w*|w[ie]rd(?:en)?|würden?|"
    r"künftig\w*|propos\w*|planned|will|would|shall|should|intend\w*|suggest\w*)\b",
    re.IGNORECASE,
)
_SAYS_LITTLE = 2
_STEM = 6
_NEAR_CLAUSE = 0.6
"""Share of a clause's words that another must hold for their denials to be compared."""

_LITTLE = frozenset(
    "der die das den dem des ein eine einen einem einer the a an this that dieser diese dieses ihr ihre ihren "
    "your our zum zur von vom of als einschließlich about etwa rund ca".split()
)
_WORD = re.compile(r"[^\W_]+(?:[.,:-][^\W_]+)*")
_CLAUSE = re.compile(
    r"[,;:()–]|\b(?:und|oder|aber|sondern|and|but|or|while|während|wenn|if|falls|unless|dass|that)\b", re.I
)


def turned_over(statement: str, sources: Sequence[str], context: str, stems: Stems) -> bool:
    """Whether something is denied here that is said there, or the other way round: clause by clause, each beside the
    clause of the sources that is nearest by its words; and a denial that stands nowhere in the sources is one too."""
    if _NOT_ONLY.search(statement) and not any(map(_NOT_ONLY.search, sources)) and any(map(_ONLY.search, sources)):
        return True
    there = [clause for source in sources for clause in _clauses(source, stems)]
    whole = _settled(f"{' '.join(sources)} {context}")
    if _HARD.search(_settled(statement)) and not (_HARD.search(whole) or _SOFT.search(whole)):
        return True
    return any(_differs(clause, there) for clause in _clauses(statement, stems))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clause:
    """What a clause speaks of, its denials, and the words of it that may be one; `row`: which cell is denied is not
    told."""

    words: frozenset[str]
    stems: int
    hard: int
    soft: tuple[str, ...]
    row: bool

    def agrees(self, other: _Clause) -> bool:
        """Whether both may deny, or both may not. Words that may be a denial count on both sides or on neither where
        they are the same; else they may count or not."""
        if self.soft == other.soft and not (self.row or other.row):
            return self.hard % 2 == other.hard % 2
        return bool(self._parities() & other._parities())

    def _parities(self) -> frozenset[int]:
        counts = {0, self.hard} if self.row else {self.hard, self.hard + len(self.soft)}
        return frozenset(count % 2 for count in counts)


def _clauses(text: str, stems: Stems) -> list[_Clause]:
    found = []
    row = text.startswith("|")
    for clause in [text] if row else _whole_clauses(_settled(text), stems):
        words = stems(_plain(clause))
        if words:
            soft = tuple(sorted(word.lower()[:_STEM] for word in _SOFT.findall(clause)))
            found.append(
                _Clause(
                    words=words | figures_of(clause),
                    stems=len(words),
                    hard=len(_HARD.findall(clause)),
                    soft=soft,
                    row=row,
                )
            )
    return found


def _whole_clauses(text: str, stems: Stems) -> list[str]:
    """The clauses of a text; one that says too little to be compared ("…, but not of yours") goes with the one before
    it, or after it where it is the first and denies nothing ("Nein: …" is an answer)."""
    whole: list[str] = []
    carried = ""
    for clause in _CLAUSE.split(text):
        joined = f"{carried} {clause or ''}".strip()
        carried = ""
        if len(stems(_plain(joined)) | figures_of(joined)) >= _SAYS_LITTLE:
            whole.append(joined)
        elif whole:
            whole[-1] = f"{whole[-1]} {joined}"
        elif not _HARD.search(joined):
            carried = joined
    return [*whole, carried] if carried else whole


def _plain(clause: str) -> str:
    """A clause without its denials."""
    return _SOFT.sub(" ", _HARD.sub(" ", clause))


def _differs(clause: _Clause, there: Sequence[_Clause]) -> bool:
    """Whether every clause that is nearest to this one, and near, counts its denials otherwise."""
    if clause.stems < _SAYS_LITTLE and not (clause.hard and len(clause.words) >= _SAYS_LITTLE):
        return False
    shared = [len(clause.words & other.words) for other in there]
    most = max(shared, default=0)
    if most < max(1, len(clause.words) * _NEAR_CLAUSE):
        return False
    nearest = [other for other, count in zip(there, shared, strict=True) if count == most]
    return not any(clause.agrees(other) for other in nearest)


def turned_round(statement: str, sources: Sequence[str], context: str, stems: Stems) -> bool:
    """Whether a limit or a date lies the other way than in the sources, or the statement adds a limit of its own."""
    there = [mark for source in sources for mark in _marks(_settled(source), stems)]
    whole = f"{' '.join(sources)} {context}"
    ranges = [one for source in sources for one in ranges_in(tokens_of(source))]
    ends = {(_LEAST, one.low) for one in ranges} | {(_MOST, one.high) for one in ranges}
    for name, anchor in _marks(_settled(statement), stems):
        same = {known for known, at in there if at & anchor}
        if name in same:
            continue
        if _OPPOSITE[name] in same:
            return True
        pattern = _IMPLIED.get(name)
        said_so = same or (pattern is not None and pattern.search(whole)) or {(name, at) for at in anchor} & ends
        if pattern is not None and figures_anchor(anchor) and not said_so:
            return True
    return False


def only_planned(statement: str, sources: Sequence[str]) -> bool:
    """Whether a statement tells as done or there what every source of it calls planned or proposed."""
    planned = bool(sources) and all(_PLANNED.search(source) for source in sources)
    return planned and not _NOT_YET.search(statement)


def figures_anchor(anchor: frozenset[str]) -> bool:
    """Whether what a mark of direction stands before is a figure."""
    return any(word[0].isdigit() for word in anchor)


def _settled(text: str) -> str:
    """Two words that look like a denial and are a limit, as that limit."""
    for pattern, plain in _NO_DENIAL:
        text = re.sub(pattern, plain, text, flags=re.IGNORECASE)
    return text


def _marks(text: str, stems: Stems) -> list[tuple[str, frozenset[str]]]:
    """Each mark of direction and what it stands before: the figure, else the content word, next to it."""
    found = []
    for match in _MARK.finditer(text):
        anchor = _anchor(text[match.end() : match.end() + 60], stems)
        if anchor and match.lastgroup:
            found.append((match.lastgroup, anchor))
    return found


def _anchor(after: str, stems: Stems) -> frozenset[str]:
    for word in _WORD.findall(after)[:5]:
        if anchor := figures_of(word) or (frozenset() if word.lower() in _LITTLE else stems(word)):
            return anchor
    return frozenset()
