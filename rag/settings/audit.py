"""`[audit]` and `[retention]` of rag.toml: what is recorded of who was shown what, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from rag.settings.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """`[audit]`: the record of who was shown what."""

    question_text: bool = option(False, "keep the texts of questions, erasably, in the ledger; else their hashes only")
    works_council: bool = option(
        False, "pseudonyms only, another each day; a name needs two keys (rag audit keys FILE FILE)"
    )
    reason_for_as: bool = option(False, "asking as somebody else (--as) needs a --reason; in works-council mode always")
    anchor_file: str = option("", "file, best on another machine, that is told the last hash of each day; empty: none")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """`[retention]`: how long records are kept, days. What is older is purged once a day."""

    audit_days: int = option(
        365, "audit records with their receipts and reasons; HIPAA wants 2190 (six years)", least=1
    )
    question_text_days: int = option(30, "texts of questions, where they are kept", least=1)
