"""Chat programs ask the model for more than answers: a title for the chat, tags, what to ask next, words to search for.

They send it as a chat request like any other. These are never searched for in documents, and nothing is read or
recorded for them: the answer is made of the prompt alone, in the form the program expects. A title is the beginning of
what the person typed first; lists are empty. Pure.

The prompts are those of Open WebUI (``backend/open_webui/config.py``: each begins with ``### Task:`` and names its JSON
form) and LibreChat (``@librechat/agents``, title generation).
"""

from __future__ import annotations

import json
import re
from typing import Final

_MAX_TITLE: Final = 60

_LISTS: Final = ("tags", "follow_ups", "queries")
_OPEN_WEBUI: Final = re.compile(r"\s*#{2,3} Task:", re.IGNORECASE)
_LIBRECHAT: Final = re.compile(
    r"\s*(?:Provide a concise, 5-word-or-less title for the conversation|"
    r"Analyze this conversation and provide:\s*1\. The detected language|"
    r"Please generate a concise, 5-word-or-less title for the conversation)",
    re.IGNORECASE,
)
_FIRST_SAID: Final = re.compile(
    r"(?:^|\n)\s*(?:USER|User|user|\|\|>User|Human|human)\s*:\s*\n?\s*[\"“]?(?P<words>[^\n]+)", re.MULTILINE
)
_FILES: Final = re.compile(r"</?context>|<source\b", re.IGNORECASE)


class ChatFiles(Exception):
    """The prompt holds files of the chat, which are no documents of the index."""


def task_answer(prompt: str) -> str | None:
    """What to answer to a program's own request; None for a person's question.

    Raises:
        ChatFiles: it is a question about files that were put into the chat.
    """
    if _LIBRECHAT.match(prompt):
        title = _title(prompt)
        if "detected language" in prompt.lower():
            return json.dumps({"language": "", "title": title}, ensure_ascii=False)
        return title
    if not _OPEN_WEBUI.match(prompt):
        return None
    if _FILES.search(prompt) and "chat_history" not in prompt:
        raise ChatFiles
    for name in _LISTS:
        if re.search(rf'"{name}"\s*:', prompt):
            return json.dumps({name: []})
    if re.search(r'"title"\s*:', prompt):
        return json.dumps({"title": _title(prompt)}, ensure_ascii=False)
    if re.search(r'"(?:text|prompt)"\s*:', prompt):
        return json.dumps({"text": ""} if re.search(r'"text"\s*:', prompt) else {"prompt": ""})
    return "{}"


def _title(prompt: str) -> str:
    found = _FIRST_SAID.search(prompt)
    words = " ".join(found["words"].split()).strip('"“” ') if found else ""
    if len(words) > _MAX_TITLE:
        words = words[:_MAX_TITLE].rsplit(" ", 1)[0] + " …"
    return words or "Archivar"
