"""Who does it: a statement may not give to the customer what the passage says of the employer. Pure.

Told is one exchange alone: a statement names a party that stands nowhere in the passages it cites, by none of the words
there are for it, while the sentences cited name another that the statement leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PARTIES = (
    (r"arbeitnehmer\w*|beschäftigt\w*|mitarbeite\w*|angestellt\w*|employees?|staff", ""),
    (r"arbeitgeber\w*|employers?",
     r"unternehmen\w*|firm\w*|gesellschaft\w*|betrieb(?:e[ns]?|s)?|wir|uns\w*|company|we|our|us|gmbh|ag|kg|se|ltd"),
    (r"kund(?:e|en|in|innen)|customers?",
     r"\w*kund(?:e|en|in|innen)|auftraggeber\w*|bestell\w*|käufer\w*|abnehmer\w*|clients?|buyers?|purchasers?"),
    (r"lieferant\w*|suppliers?|vendors?",
     r"\w*lieferant\w*|lieferer\w*|auftragnehmer\w*|verkäufer\w*|hersteller\w*|anbieter\w*|dienstleister\w*|sellers?|"
     r"contractors?|manufacturers?|providers?"),
    (r"vorgesetzt\w*|führungskr\w*|line managers?|supervisors?",
     r"\w*leit\w*|chef\w*|\w*manage\w*|heads?|leads?|directors?"),
    (r"geschäftsführ\w*|geschäftsleit\w*|vorstand\w*|managing directors?|board",
     r"\w*leitung|direkt\w*|management|directors?|inhaber\w*"),
    (r"personalabteilung|personalwesen|human resources", r"personal\w*|hr|people\s\w+"),
    (r"buchhaltung|finanzabteilung|accounting", r"\w*buchhalt\w*|finan\w+|account\w*|rechnungswesen"),
    (r"einkauf(?:s|sabteilung)?|purchasing|procurement", r"\w*kauf\w*|beschaff\w*|buy\w*|procure\w*"),
    (r"vertrieb(?:s|sabteilung)?|sales", r"\w*vertrieb\w*|verkauf\w*|sell\w*|sold|sale"),
    (r"it-(?:abteilung|service|support)|it department", r"(?-i:IT)\w*|help\s?desk|service\s?desk|technik\w*"),
    (r"betriebsr\w+|personalr[aä]t\w*|works? councils?", r"arbeitnehmervertret\w*|mitarbeitervertret\w*|council"),
    (r"auszubildende\w*|azubis?|apprentices?", r"\w*azubi\w*|lehrling\w*|ausbild\w*|trainees?"),
    (r"patient(?:en|in|innen|s)?", r"\w*patient\w*|behandelt\w*"),
    (r"[aä]rzt(?:e|en|in|innen|es)?|physicians?|doctors?", r"\w*[aä]rzt\w*|mediziner\w*|dr|gp"),
    (r"besucher\w*|visitors?", r"\w*besuch\w*|g[aä]st\w*|guests?"),
    (r"versicherer[ns]?|insurers?", r"\w*versicherung\w*|\w*kasse\w*|insurance"),
    (r"vermieter\w*|landlords?", r"\w*vermiet\w*|eigentümer\w*|lessors?|owners?"),
    (r"mieter\w*|tenants?", r"(?!vermiet)\w*miet\w*|lessees?|rent\w*"),
)  # fmt: skip
"""One who acts: the words that name them and nobody else, and those that may mean them besides."""


def _compiled(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})(?!\w)", re.IGNORECASE)


_NAMED = tuple(_compiled(named) for named, _ in _PARTIES)
_MEANT = tuple(_compiled(f"{named}|{meant}" if meant else named) for named, meant in _PARTIES)
_ADDRESSED = 0
"""Staff are who papers of a house speak to: by "you", by "one", by no word at all. They are never the stranger."""


def other_party(statement: str, cited: Sequence[str], around: Sequence[str]) -> bool:
    """Whether a statement gives to one what the sentences `cited` say of another. `around`: the passages they stand
    in, with title and headings; who is spoken of there is no stranger."""
    there = " ".join(cited)
    known = " ".join((there, *around))
    both = tuple(zip(_NAMED, _MEANT, strict=True))
    strange = any(named.search(statement) and not meant.search(known) for named, meant in both[_ADDRESSED + 1 :])
    return strange and any(named.search(there) and not meant.search(statement) for named, meant in both)
