"""One example of everything the API takes and gives, for its description. A test holds them against the schemas."""

from __future__ import annotations

from typing import Any, Final

_KEY: Final = "5f0c1d3e9a7b4c2d8e6f1a0b"
_QUOTE: Final = "Der Urlaub beträgt jährlich mindestens 24 Werktage."
_PLACE: Final[dict[str, Any]] = {
    "key": _KEY,
    "document_id": "personal:urlaub.pdf",
    "title": "Urlaubsordnung",
    "uri": "file:///srv/dokumente/personal/urlaub.pdf",
    "page": 2,
    "headings": ["§ 3 Dauer"],
    "as_of": None,
    "modified": "2024-03-12T09:30:00+00:00",
    "superseded_by": None,
    "hidden_text": False,
    "hidden_because": [],
}
_PASSAGE: Final = {**_PLACE, "span": [790, 1710], "text": f"§ 3 Dauer. {_QUOTE}", "score": 0.83}
_CITATION: Final = {**_PLACE, "span": [812, 863], "marker": 1, "quote": _QUOTE}
_MODEL: Final = {"name": "qwen2.5-1.5b", "digest": "sha256:6a1a2eb6d15622bf"}
_QUESTION: Final = "Wie viele Urlaubstage habe ich?"
_ANSWER: Final = {
    "question": _QUESTION,
    "outcome": "answered",
    "text": f"{_QUOTE} [1]",
    "citations": [_CITATION],
    "passages": [_PASSAGE],
    "model": _MODEL,
    "receipt": "7fd1c20b3c5e",
    "timing_ms": {"retrieve": 31, "first_token": 410, "total": 2210},
    "asked": _QUESTION,
    "left_out": 0,
    "disagreements": [],
    "reason": None,
    "unquoted": [],
}
_URL: Final = f"https://archivar.firma.de/?document={_KEY}&span=812-863"
_IN_CHAT: Final = {"document_id": _KEY, "uri": _URL, "url": _URL}
_ANSWER_TO_BOT: Final = {
    **_ANSWER,
    "citations": [{**_CITATION, **_IN_CHAT}],
    "passages": [{**_PASSAGE, **_IN_CHAT}],
    "links": [{"url": "https://archivar.firma.de/?document=9c1e", "title": "Betriebsvereinbarung"}],
    "sensitivity": "public",
}
_FOR_ANNA: Final = {"account": "slack:T01:U02", "email": "anna@firma.de"}
_FAILURE: Final = {
    "kind": "encrypted",
    "said": "The file is protected by a password.",
    "advice": "Save it without the password.",
    "reason": "encrypted",
}
_DOCUMENT: Final = {
    **{name: _PLACE[name] for name in ("key", "document_id", "title", "uri", "modified")},
    "media_type": "application/pdf",
    "language": "de",
    "state": "indexed",
}
_OPENAI_MODEL: Final = {"id": "archivar/personal", "object": "model", "created": 0, "owned_by": "archivar"}

REQUESTS: Final[dict[str, Any]] = {
    "POST /api/ask": {"question": _QUESTION, "sources": ["personal"], "filters": {"since": "2023"}},
    "POST /api/bots/standing": {
        "receipt": "7fd1c20b3c5e",
        "on_behalf_of": _FOR_ANNA,
        "audience": "private_channel",
        "members": [_FOR_ANNA, {"account": "slack:T01:U03"}],
    },
    "POST /api/bots/messages": {
        "receipt": "7fd1c20b3c5e",
        "message": "C01/1700000000.000100",
        "on_behalf_of": _FOR_ANNA,
    },
    "POST /api/bots/withdrawn": {"message": "C01/1700000000.000100"},
    "POST /api/search": {"query": "Urlaub Werktage", "k": 3},
    "POST /api/feedback": {"receipt": "7fd1c20b3c5e", "verdict": "outdated", "reason": "Seit Januar gilt eine neue."},
    "POST /api/sources/{name}/confirm-removals": {"held": 120},
    "POST /v1/chat/completions": {
        "model": "archivar",
        "messages": [{"role": "user", "content": _QUESTION}],
        "stream": False,
    },
    "POST /mcp": {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "search", "arguments": {"query": "Urlaub Werktage"}},
    },
}
"""Operation → what is sent."""

ANSWERS: Final[dict[str, Any]] = {
    "Answer": _ANSWER,
    "BotAnswer": _ANSWER_TO_BOT,
    "Standing": {"standing": True},
    "Withdrawals": {"messages": ["C01/1700000000.000100"]},
    "Found": {"evidence": 0.93, "passages": [_PASSAGE], "unquoted": []},
    "Choices": {"sources": ["personal"], "types": ["pdf"], "languages": ["de", "en", "other"]},
    "DocumentKnown": {**_DOCUMENT, "pages": 4},
    "DocumentText": {
        **{name: _PLACE[name] for name in ("key", "document_id", "title", "uri", "modified")},
        "version": "b7a0",
        "text": _QUOTE,
        "sections": [{"span": [0, len(_QUOTE)], "headings": ["§ 3 Dauer"], "page": 2, "table": False}],
    },
    "DocumentList": {
        "documents": [
            {
                **_DOCUMENT,
                "source": "personal",
                "type": "pdf",
                "indexed": "2024-03-12T09:31:04+00:00",
                "part_of": None,
                "failure": None,
                "notes": [],
            }
        ],
        "next": None,
        "counts": {"indexed": 1, "failed": 0, "outdated": 0, "total": 1},
        "sources": {"personal": {"indexed": 1, "failed": 0, "outdated": 0}},
    },
    "Marks": {
        "key": _KEY,
        "version": "b7a0",
        "page": 2,
        "pages": 4,
        "size": [595.28, 841.89],
        "boxes": [[0.118, 0.203, 0.741, 0.221]],
        "found": True,
        "share": 1.0,
        "by_ocr": False,
    },
    "Uploaded": {
        "document_id": "eingang:angebot.pdf",
        "receipt": "c41f",
        "status": "/api/uploads/c41f",
        "watched": True,
    },
    "UploadPlaces": {"sources": ["eingang"], "max_bytes": 104857600},
    "UploadState": {"document_id": "eingang:angebot.pdf", "key": None, "state": "failed", "failure": _FAILURE},
    "Removing": {"document_id": "eingang:angebot.pdf", "state": "removing", "messages": 2},
    "FeedbackKept": {"receipt": "7fd1c20b3c5e", "verdict": "outdated"},
    "Progress": {
        "sources": [
            {
                "name": "personal",
                "documents": {"indexed": 41, "failed": 1, "outdated": 0},
                "reached": "2024-03-12T09:31:04+00:00",
                "offline_since": None,
                "watched": "events",
                "reading": {"share": 0.4, "done": 4, "total": 10, "failed": 0},
            }
        ]
    },
    "State": {"version": "0.1.0", "model": {"name": "qwen2.5-1.5b", "licence": "Apache-2.0"}, "sources": []},
    "Lately": {
        "since": "2026-11-26T06:00:00+00:00",
        "hours": [
            {
                "began": "2026-11-26T09:00:00+00:00",
                "outcomes": {"answered": 31, "nothing_found": 4},
                "found_s": {"p50": 0.04, "p95": 0.11},
                "total_s": {"p50": 4.2, "p95": 9.8},
            }
        ],
    },
    "Confirmed": {"source": "personal", "held": 120, "status": "/api/status"},
    "Health": {"status": "ok"},
    "Ready": {"status": "ready", "index": {"documents": 41, "failed": 1, "chunks": 903}},
    "OpenAIModels": {"object": "list", "data": [{**_OPENAI_MODEL, "id": "archivar"}, _OPENAI_MODEL]},
    "OpenAIModel": _OPENAI_MODEL,
    "OpenAICompletion": {
        "id": "chatcmpl-7fd1c20b3c5e",
        "object": "chat.completion",
        "created": 1710235864,
        "model": "archivar",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": f"{_QUOTE} [1]\n\n---\n[1] Urlaubsordnung, S. 2, § 3 Dauer  ",
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "archivar": {
            "outcome": "answered",
            "asked": _QUESTION,
            "citations": [_CITATION],
            "model": _MODEL,
            "receipt": "7fd1c20b3c5e",
            "unquoted": [],
        },
    },
    "ProblemDetails": {
        "type": "urn:archivar:problem:not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such thing here.",
        "code": "not_found",
    },
    "OpenAIError": {
        "error": {
            "message": "There is no model of this name here. GET /v1/models lists those there are.",
            "type": "invalid_request_error",
            "param": None,
            "code": "model_not_found",
        }
    },
}
"""Schema → what is given."""
