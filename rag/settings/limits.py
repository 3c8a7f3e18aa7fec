"""`[server]` and `[limits]` of rag.toml: how many questions are worked on, wait, and are taken from one person."""

from __future__ import annotations

from dataclasses import dataclass

from rag.settings.option import option as _option


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """`[server]`: how the service works on questions."""

    slots: int = _option(
        0,
        "answers written at the same time; 0: 1, for an openai-compatible server 4. More than the model server works "
        "on at once (OLLAMA_NUM_PARALLEL) wait where nobody sees it",
    )
    retrieval_threads: int = _option(4, "questions searched for at the same time", least=1)
    drain_s: float = _option(
        6.0, "told to stop, the service lets answers under way end for so many seconds", least=0, most=8
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSettings:
    """`[limits]`: how much may be asked; beyond it a question is refused at once, with the time to try again."""

    waiting: int = _option(200, "questions that may wait for the model, of everybody together", least=1)
    waiting_per_user: int = _option(8, "questions of one person that may wait", least=1)
    running_per_user: int = _option(2, "answers to one person that may be written at the same time", least=1)
    user_per_minute: float = _option(60.0, "questions and searches of one person a minute; 0: any number")
    user_burst: int = _option(20, "questions one person may put in one go before that counts", least=1)
    channel_per_minute: float = _option(0.0, "questions and searches through one channel a minute; 0: any number")
    channel_burst: int = _option(100, "questions one channel may put in one go before that counts", least=1)
