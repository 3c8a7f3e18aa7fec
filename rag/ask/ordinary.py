"""Ordinary words and well-known names, German and English: what tells a name from a noun. Data only."""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


DETERMINERS = _set(
    "der die das den dem des ein eine einen einem einer eines kein keine keinen keinem keiner keines mein meine "
    "meinen dein deine ihr ihre ihren ihrem ihrer ihres sein seine seinen seinem seiner unser unsere unseren unserem "
    "unserer dieser diese dieses diesen diesem jeder jede jedes jeden jedem jene jener alle allen aller alles viele "
    "vielen wenige wenigen mehrere mehreren einige einigen manche beide beiden solche welche welcher welches welchen "
    "sämtliche im am vom zum zur beim ins ans aufs fürs übers unterm zwei drei vier fünf sechs sieben acht neun zehn "
    "elf zwölf zwanzig dreißig je pro halbe halben ganze ganzen erste ersten zweite zweiten dritte dritten nächsten "
    "letzten"
)
"""Words after which a capitalised German word is a noun, not a name."""

LITTLE = _set(
    "aber alle allerdings als also am an andere anderen auch auf aus außerdem bei beim bereits bis bitte da dabei "
    "dafür dagegen daher damit danach daneben dann daran darauf daraus darf darin darüber das dass davon dazu denn "
    "der des deshalb die dies diese dieser dieses doch dort dürfen durch ein eine einen einer einmal einmalig er erst "
    "es etwa falls für ganz gegen gibt haben hat hier höchstens ihr ihre im in ist ja je jede jeder jedes jedoch kann "
    "kein keine können laut man maximal mehr mindestens mit müssen muss nach nein nicht noch nur ob ohne oder pro "
    "seit sie sind so sobald sofern solange sondern sonst spätestens über um und unter vom von vor während wann was "
    "wegen weil weitere wenn wer werden wie wird wo zu zum zur zusätzlich zuerst zwischen frühestens innerhalb "
    "außerhalb neben hinter unser unsere wir bekommt erhalten erhält beträgt gilt gelten kostet nachdem bevor zudem "
    "ferner insgesamt jährlich monatlich täglich grundsätzlich derzeit aktuell ab binnen einschließlich zuzüglich "
    "abzüglich sowie beide alles sechs sieben acht neun zehn elf zwölf zwei drei vier fünf hundert tausend januar "
    "februar märz april mai juni juli august september oktober november dezember montag dienstag mittwoch donnerstag "
    "freitag samstag sonntag nrn nr abs art satz ziff euro eur prozent uhr cent yes no the a an and or but if in on "
    "at by for from to of with without after before until when while this that these those it its they their you your "
    "we our he she his her i is are was were be has have had can may must will shall should would could do does did "
    "not only at each every any some all both more most less least up january february march may june july october "
    "december monday tuesday wednesday thursday friday saturday sunday heute gestern morgen mr mrs ms dr prof herr "
    "frau herrn ich mich mir du dich dir uns euch ihm ihn ihnen me us him them stehen steht zusteht zustehen"
)
"""Function words, months, weekdays: capitalised or not, never a name."""

CALENDAR = _set(
    "januar februar märz april mai juni juli august september oktober november dezember montag dienstag mittwoch "
    "donnerstag freitag samstag sonntag january february march may june july october december monday tuesday "
    "wednesday thursday friday saturday sunday"
)
"""Months and weekdays: people are called so, too."""

STARTS = LITTLE | _set(
    "according additionally also although another anyone because between during either employees employers colleagues "
    "customers everyone everybody first second third further given however instead last members most neither new next "
    "nobody nothing once one two three four five six seven eight nine ten people since staff such then there "
    "therefore through under unless upon what where which who whoever within visitors requests claims costs notice "
    "pay payment leave managers teams access passwords data parts goods delivery orders prices receipts expenses "
    "travel hotel please note use using over above below about against unused unknown lost twelve eleven twenty "
    "thirty half weekend overtime breaks safety quality returns repair warranty suppliers supplier"
)
"""English words that often begin a sentence."""

ENGLISH_CAPITALISED = LITTLE | _set(
    "german english british european french italian austrian swiss dutch american chinese christmas easter internet "
    "ok note appendix section chapter table figure page level grade class stage step phase"
)

NOUN_ENDINGS = (
    "ung", "ungen", "heit", "heiten", "keit", "keiten", "schaft", "schaften", "tion", "tionen", "sion", "sionen", "tät",
    "täten", "nis", "nisse", "nissen", "ment", "mente", "ismus", "ling", "linge", "lings", "anz", "enz", "enzen", "ik",
    "ur", "tum", "barkeit", "eitung", "ungs", "tions", "nahme", "nahmen", "weise", "fall", "fälle", "fällen", "werk",
    "los", "zeug", "zeuge", "zeugen", "gut", "stoff", "stoffe", "mittel", "mitteln", "kraft", "kräfte",
)  # fmt: skip

NOUNS = _set(
    "abend abgabe abfall ablauf abnahme abrechnung abschluss abschnitt absprache abteilung abteilungen adresse akte "
    "akten aktion alarm alter amt analyse anfang anfrage angabe angaben angebot angebote angehörige angehörigen "
    "anhang anlage anlagen anlass anmeldung anruf ansprechpartner anspruch ansprüche anteil antrag anträge "
    "antragsteller antwort anzahl anzeige apparat arbeit arbeiten arbeiter arbeitgeber arbeitgebers arbeitnehmer "
    "arbeitnehmern arbeitsplatz archiv artikel arzt aufgabe aufgaben aufnahme auftrag aufträge auftraggeber aufwand "
    "ausfall ausgabe ausgang auskunft ausland inland ausnahme ausnahmen ausweis ausweise auszahlung auto azubi azubis "
    "auszubildende auszubildenden bahn band bank bar basis bau bauteil bauteile beamte bedarf bedingung bedingungen "
    "befund beginn beispiel beitrag beiträge beleg belege belegschaft benutzer berater bereich bereiche bericht "
    "berichte beruf bescheid bescheinigung beschäftigte beschäftigten beschäftigter beschluss beschwerde besuch "
    "besucher besuchern betrag beträge betrieb betriebe betriebs betriebsrat betriebsrats bewerber bewerberin bezug "
    "bild bilder bildschirm blatt boden bogen brand brief bruch brutto buch bund büro büros chef chefin code dach "
    "daten datei dateien datum dauer dienst dienste dienstwagen ding dokument dokumente druck drucker durchschnitt "
    "ebene ebenen ehe eigentum eigentümer einfluss eingang eingriff einkauf einkäufe einsatz einsätze eintrag "
    "eintritt einwilligung einzelfall eltern elternzeit empfang empfänger ende energie entgelt entwurf erfahrung "
    "erfolg ergebnis ergebnisse erlaubnis ersatz ersatzteile essen etage fach fachkraft fahrer fahrt fahrten familie "
    "farbe fehler fehlern feier feiertag feiertage feiertagen feld fenster ferien fertigung feuer firma firmen flug "
    "folge folgen form formular formulare frage fragen frau frauen freigabe freitag freund frist fristen führer fuß "
    "gang garantie gast gäste gebäude gebiet gebühr gebühren gefahr gefahren gehalt gehälter geld gelder gerät geräte "
    "geräten gericht gesamt geschäft geschäfte geschäftsführer geschäftsführung gesellschaft gesetz gesetze gespräch "
    "gespräche gesundheit gewicht gewinn grad grenze grenzen größe grund gründe grundlage gruppe gruppen halle hand "
    "handbuch handel haus haushalt heft herr hersteller hilfe hinweis hinweise höhe hotel inhalt information "
    "informationen interesse inventar investition jahr jahre jahren jahres jubiläum kabel kalender kammer kantine "
    "karte karten kasse kauf käufer kennwort kennwörter kennzeichen kilometer kind kinder kindern kirche klasse "
    "klassen kleidung kollege kollegen kollegin kommission kontakt konto konten kontrolle kopie körper kosten kraft "
    "krankheit kredit kreis kreuz küche kunde kunden kundin kündigung kurs kurse küste labor lade lage lager lampe "
    "land länder last lauf leben lehrling leistung leistungen leiter leiterin leitfaden leitung licht lieferant "
    "lieferanten lieferung linie liste listen lizenz lizenzen lohn löhne lösung luft mail mails mangel mängel mann "
    "maschine maschinen maß maßnahme maßnahmen material meldung menge mengen mensch menschen merkblatt messe miete "
    "mieter minute mitarbeiter mitarbeitern mitarbeiterin mitarbeiterinnen mitarbeitende mitarbeitenden mitglied "
    "mitglieder mittag mitte monat monate monaten morgen motor muster mutter nachbar nachricht nachrichten nacht "
    "nachweis nachweise name namen netz netto nummer nutzer nutzern öffnung ordner ordnung ort orte paket papier "
    "partner pass passwort passwörter patient patienten pause pausen person personen personal pflege pflicht "
    "pflichten plan pläne platz plätze position post preis preise preisliste prinzip probe probezeit problem probleme "
    "produkt produkte programm programme projekt projekte protokoll prozent prüfer prüfung prüfungen punkt punkte "
    "qualität quelle rabatt rad räder rahmen rat raum räume räumen rechner rechnung rechnungen recht rechte regel "
    "regeln region reihe reise reisen reinraum reklamation rente rest resturlaub richtlinie risiko risiken rolle "
    "rückgabe rücksprache ruhe runde sache sachen schaden schäden schein schicht schichten schicht schiff schlüssel "
    "schluss schmuck schrank schritt schritte schule schüler schuld schutz schwelle seite seiten sekunde senat server "
    "sicherheit sicherung sicht sinn sitz sitzung software sommer sonne sonntag sonntage sonntagen sonderurlaub "
    "speicher speise sperre spesen stadt stand standort standorte start station stelle stellen stellplatz steuer "
    "stichprobe stichproben stick sticks stimme stopp störung strafe straße strecke strom stück stücke studie stufe "
    "stunde stunden summe system systeme tabelle tag tage tagen tagessatz teil teile teilen teilnehmer telefon termin "
    "termine test text tier tisch titel tochter tod toleranz ton tor träger training transport treffen trennung tür "
    "typ übergabe übernahme überschuss übersicht überstunden übung umbau umfang umlage umsatz umwelt unfall unfälle "
    "unterlagen unternehmen unterricht unterschied unterschrift unterstützung urlaub urlaubs urlaubstage ursache "
    "ursachen vater verband verbot verbrauch verdacht verein verfahren vergleich vergütung verkauf verkehr verlust "
    "verluste vermerk verpflegung versand versicherung version verstoß verstöße versuch vertrag verträge vertreter "
    "vertrauen vertretung verwaltung video visum vorgabe vorgaben vorgang vorgänge vorgesetzte vorgesetzten "
    "vorgesetzter vorlauf vorschrift vorschriften vorstand vorteil vorteile waffe wagen wahl wand ware waren warnung "
    "wasser wechsel weg wege weihnachten welt werk werker werke werkstatt wert werte wettbewerber widerspruch winter "
    "wirkung wissen woche wochen wochenende wohnung wort wörter zahl zahlen zahlung zahlungen zahn zeichen zeile zeit "
    "zeiten zeitraum zentrale zertifikat zeuge zeugnis ziel ziele zimmer zoll zone zubehör zug zugang zugriff zulage "
    "zulagen zuschlag zuschläge zuschuss zustand zustimmung zutritt zweck zweifel zyklus zyklen anschaffung behörde "
    "behörden betreuer einhaltung fahrzeug gerätschaften schraube schrauben spindel spindeln welle wellen öl ofen "
    "härte los lose stahl feder lack"
)
"""Common nouns of offices and workshops; also where they end a compound."""

FIRST_NAMES = _set(
    "anna andrea andreas anja anke annette antje astrid barbara bernd bettina birgit björn brigitte carsten christa "
    "christian christiane christina christine christoph claudia cornelia daniel daniela david dieter dirk doris "
    "dominik elena elisabeth emma emre erik eva fabian felix florian frank franz franziska friedrich gabi gabriele "
    "georg gerd gerhard gisela günter hannah hans harald heike heinrich heinz helga helmut henrik herbert holger ines "
    "ingrid jakob jan jana jens joachim johanna johannes jonas jörg josef julia jürgen karin karl katharina kathrin "
    "katja kerstin klaus konrad kurt lars laura lena leon lisa lukas lutz manfred manuela marco maria marie mario "
    "marion markus martin martina matthias max maximilian mehmet michael michaela monika moritz nadine nicole nina "
    "norbert olaf oliver ömer patrick paul peter petra philipp rainer ralf regina renate robert roland rolf sabine "
    "sandra sarah sebastian silke silvia silvio simon simone sonja sophie stefan stefanie steffen stephan susanne "
    "sven tanja thomas thorsten tim tobias tom torsten ulrich ulrike ursula ute uwe vera verena walter werner "
    "wolfgang yvonne alice amelia andrew anthony ben benjamin brian charles charlotte chloe daniel edward emily ethan "
    "george grace hannah harry helen henry isabella jack jacob james jane jennifer jessica joe john joseph karen kate "
    "kevin liam linda lucy mary matthew mia michael noah nick olivia oscar patricia paul priya rachel rebecca richard "
    "ruth ryan sam samuel sarah sophia stephen steve susan theo victoria william zoe"
)

PLACES = _set(
    "aachen augsburg berlin bielefeld bochum bonn braunschweig bremen chemnitz darmstadt dortmund dresden duisburg "
    "düsseldorf erfurt erlangen essen frankfurt freiburg göttingen graz halle hamburg hannover heidelberg heilbronn "
    "ingolstadt innsbruck karlsruhe kassel kiel koblenz köln leipzig linz lübeck ludwigshafen magdeburg mainz "
    "mannheim münchen münster nürnberg osnabrück paderborn passau potsdam regensburg rostock saarbrücken salzburg "
    "siegen stuttgart trier ulm wien wiesbaden wolfsburg wuppertal würzburg zürich basel bern genf luzern amsterdam "
    "antwerpen athen barcelona brüssel budapest bukarest dublin edinburgh glasgow helsinki istanbul kopenhagen krakau "
    "leeds lissabon liverpool london lyon madrid mailand manchester moskau neapel oslo paris prag riga rom rotterdam "
    "sofia stockholm tallinn turin venedig vilnius warschau zagreb boston chicago dallas houston madison seattle "
    "toronto tokio peking shanghai singapur sydney mumbai delhi dubai milan munich vienna zurich geneva brussels "
    "lisbon prague warsaw cologne nuremberg copenhagen moscow athens rome birmingham bristol cambridge oxford "
    "sheffield york bradford deutschland österreich schweiz frankreich italien spanien polen tschechien ungarn "
    "belgien niederlande dänemark schweden norwegen finnland großbritannien england irland portugal griechenland "
    "türkei russland ukraine usa china japan indien brasilien kanada mexiko australien germany austria switzerland "
    "france italy spain poland hungary belgium netherlands denmark sweden norway finland britain ireland greece "
    "turkey russia india brazil canada mexico australia bayern sachsen hessen thüringen brandenburg niedersachsen "
    "saarland bavaria saxony"
)

_SAME = (
    "deutschland germany|österreich austria|schweiz switzerland|frankreich france|italien italy|spanien spain|"
    "polen poland|ungarn hungary|belgien belgium|niederlande netherlands|dänemark denmark|schweden sweden|"
    "norwegen norway|finnland finland|großbritannien britain england uk|irland ireland|griechenland greece|"
    "türkei turkey|russland russia|indien india|brasilien brazil|kanada canada|mexiko mexico|"
    "australien australia|bayern bavaria|"
    "sachsen saxony|münchen munich|wien vienna|zürich zurich|genf geneva|brüssel brussels|lissabon lisbon|prag prague|"
    "warschau warsaw|köln cologne|nürnberg nuremberg|kopenhagen copenhagen|moskau moscow|athen athens|rom rome|"
    "mailand milan|europa europe|eu ec|usa us"
)
EXONYMS = {
    name: tuple(other for other in group.split() if other != name)
    for group in _SAME.split("|")
    for name in group.split()
}
"""A place's name in the other language."""
