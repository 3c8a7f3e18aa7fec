"""What stands in the passages, but not so: figures, names, numbers in the words of another sentence; denials turned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.ask.check import Checker
from rag.ask.flaws import Flaw
from rag.store.words import WordIndex
from tests.ask.test_cite import passage


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordIndex]:
    """Real stems."""
    index = WordIndex(Path(tmp_path_factory.mktemp("words")))
    yield index
    index.close()


def flaw_of(words: WordIndex, source: str, statement: str, question: str = "") -> Flaw:
    return Checker([passage(source)], stems=words.stems, question=question).check(statement).flaw


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        ("Nach fünf Fehlversuchen wird das Konto für 30 Minuten gesperrt. "
         "Nach zehn Fehlversuchen wird das Konto für 15 Minuten gesperrt.",
         "Nach fünf Fehlversuchen wird das Konto für 30 Minuten gesperrt und nach zehn für 15 Minuten."),
        ("Vollzeitbeschäftigte haben Anspruch auf 30 Arbeitstage Erholungsurlaub im Kalenderjahr.",
         "Vollzeitbeschäftigte haben Anspruch auf 30 Urlaubstage Erholungsurlaub."),
        ("Vollzeitbeschäftigte haben Anspruch auf dreißig Arbeitstage Erholungsurlaub im Kalenderjahr.",
         "Vollzeitbeschäftigte haben Anspruch auf dreißig Urlaubstage Erholungsurlaub."),
        ("Ausgegeben werden im Monat höchstens 12 Kanister Kaltlöser.",
         "Im Monat werden höchstens 12 Gebinde Kaltlöser ausgegeben."),
        ("Die Bestellung von Frau Krahl geht an Norvang. Norvang liefert an Krahl.",
         "Die Bestellung von Krahl geht an Norvang; Norvang liefert an Krahl."),
        ("Das Gerät wird nach 400 Betriebsstunden oder zwölf Monaten geschmiert.",
         "Das Gerät wird nach 400 Stunden oder 12 Monaten geschmiert."),
        ("| Ausbildungsjahr | Vergütung |\n| --- | --- |\n| 3. Jahr | 1340 |\n| 2. Jahr | 1260 |",
         "Im 3. Jahr beträgt die Vergütung 1.340 €."),
        ("Eine Auszahlung findet nicht statt.", "Eine Auszahlung des Guthabens findet nicht statt."),
        ("Nicht nur die Leitung darf das Archiv betreten.", "Nicht nur die Leitung darf das Archiv betreten."),
        ("Für Döbernitz wird eine eigene Vereinbarung verhandelt, bis dahin gibt es dort keine Regelung.",
         "Noch nichts: Für Döbernitz wird eine eigene Vereinbarung verhandelt."),
    ],
)  # fmt: skip
def test_what_stands_there_in_other_words_is_believed(words: WordIndex, source: str, statement: str) -> None:
    assert flaw_of(words, source, statement) is Flaw.NONE


@pytest.mark.parametrize(
    ("source", "statement", "flaw"),
    [
        ("Mobil gearbeitet werden kann an höchstens zwei Tagen je Woche.\n\n§ 2 Umfang der mobilen Arbeit",
         "Mobil gearbeitet werden kann an höchstens zwei Stunden je Woche.", Flaw.FIGURE),
        ("Auslandsreisen sind spätestens vier Wochen nach der Rückkehr abzurechnen.\n\n6 Fremdwährung der Reisen",
         "Auslandsreisen sind spätestens sechs Wochen nach der Rückkehr abzurechnen.", Flaw.FIGURE),
        ("Colleagues may work from home on up to two days a week. Buddies save two hours of other work a week.",
         "Colleagues may work from home on up to two hours a week.", Flaw.FIGURE),
        ("Two flags put the matter before the officer, who decides within three working days.",
         "Three flags put the matter before the officer, who decides within three working days.", Flaw.FIGURE),
        ("Das Gerät wird nach 400 Betriebsstunden oder zwölf Monaten geschmiert, PM-8 nicht.",
         "Das Gerät wird nach 400 Monaten oder zwölf Monaten geschmiert.", Flaw.FIGURE),
        ("Die Abhängigkeit soll durch weniger Norvang und durch Wachstum bei Calderbrook sinken.",
         "Die Abhängigkeit soll durch weniger Calderbrook und durch Wachstum bei Calderbrook sinken.", Flaw.NAME),
        ("Ergänzt die RL-2024-07 (Inland); wo diese nichts regelt, gilt die Inlandsrichtlinie entsprechend. "
         "Für Reisen ins Ausland gilt die RL-2024-08.",
         "Ergänzt die RL-2024-08 (Inland); wo diese nichts regelt, gilt die Inlandsrichtlinie entsprechend.",
         Flaw.NAME),
        ("Zwischen der Hainbrecht Feinwerk GmbH und Herrn Pietzsch wird vereinbart, was folgt.",
         "Zwischen der Pietzsch Feinwerk GmbH und Herrn Hainbrecht wird vereinbart, was folgt.", Flaw.NAME),
        ("Andere Zwecke, auch die Kontrolle von Leistung, sind ausgeschlossen.",
         "Andere Zwecke, auch die Kontrolle von Leistung, sind nicht ausgeschlossen.", Flaw.DENIAL),
        ("Kameras, Tonaufnahmen und Gesichtserkennung sind unzulässig.",
         "Kameras, Tonaufnahmen und Gesichtserkennung sind nicht unzulässig.", Flaw.DENIAL),
        ("Postfächer werden nur mit Zustimmung der Person geöffnet.",
         "Postfächer werden nicht nur mit Zustimmung der Person geöffnet.", Flaw.DENIAL),
        ("Eine Auszahlung findet nicht statt.", "Eine Auszahlung findet statt.", Flaw.DENIAL),
        ("Die Auszahlung des Guthabens findet statt.", "Die Auszahlung des Guthabens erfolgt nicht.",
         Flaw.DENIAL),
        ("Die Prüfung machen an Stand 3 Anna Krahl und Peter Loh.", "Die Prüfung machen an Stand 3 Peter Krahl.",
         Flaw.NAME),
        ("The remaining pieces were blocked on 22 May.", "The remaining pieces were not blocked on 22 May.",
         Flaw.DENIAL),
        ("Use the number of the project, not of your department.",
         "Use the number of the project, of your department.", Flaw.DENIAL),
        ("Länder, die nicht genannt sind, rechnet die Buchhaltung nach der Liste ab.",
         "Länder, die genannt sind, rechnet die Buchhaltung nach der Liste ab.", Flaw.DENIAL),
    ],
)  # fmt: skip
def test_what_is_taken_from_another_place_is_noticed(words: WordIndex, source: str, statement: str, flaw: Flaw) -> None:
    assert flaw_of(words, source, source.split("\n\n")[0].split(". ")[0].rstrip(".") + ".") is Flaw.NONE
    assert flaw_of(words, source, statement) is flaw
