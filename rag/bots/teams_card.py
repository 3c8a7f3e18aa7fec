"""A reply as Teams shows it: text, AI label, citations, sensitivity label, feedback, and a card that opens the sources.

Of the reply only escaped text and the addresses of the internal page go in; everything that acts is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from microsoft_teams.api.activities.message.message import MessageActivityInput
from microsoft_teams.api.models.attachment.attachment import Attachment
from microsoft_teams.api.models.channel_data import ChannelData
from microsoft_teams.api.models.channel_data.feedback_loop import FeedbackLoop
from microsoft_teams.api.models.entity.citation_entity import CitationEntity

from rag.bots.adapter import Reply, Source, Stage, Verdict
from rag.bots.teams_text import label, message
from rag.text.sentences import texts

VERB: Final = "archivar.verdict"
"""What a press on our button is called when it comes back."""
_CARD: Final = "application/vnd.microsoft.card.adaptive"
_MOST_ROWS: Final = 10
_MOST_CITED: Final = 20
_ROW_CHARS: Final = 240
_NAME_CHARS: Final = 80
_ABSTRACT_CHARS: Final = 160


def drawn(reply: Reply) -> MessageActivityInput:
    """The message for a reply at any stage; only a final one has marks and a card."""
    paragraphs = (message(reply.text), message(reply.notice))
    activity = MessageActivityInput(text="\n\n".join(filter(None, paragraphs)), text_format="markdown")
    if reply.stage is not Stage.FINAL:
        return activity
    activity.add_entity(_marks(reply))
    if reply.receipt:
        activity.channel_data = ChannelData(feedback_loop=FeedbackLoop(type="default"))
    if reply.sources or reply.receipt:
        activity.add_attachments(Attachment(content_type=_CARD, content=card(reply)))
    return activity


def _marks(reply: Reply) -> CitationEntity:
    """The one entity that says of a message that a machine wrote it, on what, and how sensitive it is. Read from its
    form on the wire: the library has no type that holds all three, and drops what a subtype adds."""
    said = texts(reply.language, "teams")
    marks: dict[str, Any] = {}
    if reply.text:
        marks["additionalType"] = ["AIGeneratedContent"]
        marks["citation"] = [_claim(source, said) for source in reply.sources[:_MOST_CITED]] or None
    if name := said.get(f"class.{reply.sensitivity}", ""):
        usage = {"type": "https://schema.org/Message", "@type": "CreativeWork"}
        marks["usageInfo"] = usage | {"name": name, "description": said["class"]}
    return CitationEntity.model_validate(marks)


def _claim(source: Source, said: Mapping[str, str]) -> dict[str, Any]:
    appearance = {
        "@type": "DigitalDocument",
        "name": label(source.title or said["internal_page"], most=_NAME_CHARS),
        "abstract": label(source.place or said["cited"], most=_ABSTRACT_CHARS),
        "url": source.url,
    }
    return {"@type": "Claim", "position": source.marker, "appearance": appearance}


def card(reply: Reply) -> dict[str, Any]:
    """The card below a final reply: a row for every source, and the button that Teams' own thumbs lack."""
    said = texts(reply.language, "teams")
    rows: list[dict[str, Any]] = [_row(source, said) for source in reply.sources[:_MOST_ROWS]]
    if rows:
        rows.insert(0, _words(said["sources"], weight="Bolder"))
    if len(reply.sources) > _MOST_ROWS:
        rows.append(_words(said["more_sources"], isSubtle=True))
    actions = [_outdated(reply.receipt, said)] if reply.receipt else []
    return {
        "type": "AdaptiveCard",
        "$schema": "https://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "body": rows,
        **({"actions": actions} if actions else {}),
    }


def _row(source: Source, said: Mapping[str, str]) -> dict[str, Any]:
    names = (label(source.title or said["internal_page"], most=_ROW_CHARS), label(source.place, most=_ROW_CHARS))
    opens = {"type": "Action.OpenUrl", "title": said["open"], "url": source.url}
    return {
        "type": "ColumnSet",
        "columns": [
            {
                "type": "Column",
                "width": "stretch",
                "verticalContentAlignment": "Center",
                "items": [_words(f"[{source.marker}] {', '.join(filter(None, names))}")],
            },
            {"type": "Column", "width": "auto", "items": [{"type": "ActionSet", "actions": [opens]}]},
        ],
    }


def _words(text: str, **look: Any) -> dict[str, Any]:
    """Text that no reader of Markdown sees: a run, not a block."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}


def _outdated(receipt: str, said: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "Action.Execute",
        "title": said["outdated"],
        "tooltip": said["outdated_hint"],
        "verb": VERB,
        "data": {"receipt": receipt, "verdict": Verdict.OUTDATED.value},
    }
