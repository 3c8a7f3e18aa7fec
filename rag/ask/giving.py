"""What a model is given: as much of the passages as it can take, and reads in the time people wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rag.answers import Passage
from rag.ask import budget, cite, prompt
from rag.ask.budget import Given
from rag.ask.course import Course
from rag.ask.retrieve import Retriever
from rag.ask.rules import Rules
from rag.ask.searched import Retrieved
from rag.ask.speed import SPEEDS, ReadingSpeeds
from rag.ask.versions import speaking as speaking_of
from rag.ports import LanguageModel, Message
from rag.text.house_prompts import HousePrompt, prompts_of

_WORDS_WEIGH = 0.15
"""What holding all words of the question is worth beside a cosine."""
_LEAST_TOKENS = 250
"""Passage tokens that are always given, however slow the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """Chooses what a model reads. `prompts`: source → what it is told besides."""

    retriever: Retriever
    rules: Rules
    speeds: ReadingSpeeds = field(default=SPEEDS)
    prompts: Mapping[str, HousePrompt] = field(default_factory=dict)

    def first(self, shown: Sequence[Passage], asked: str) -> Sequence[Passage]:
        """Those of the passages that a model is given, as far as they fit."""
        return speaking_of(shown, asked)[: self.rules.prompt_passages]

    def house(self, passages: Sequence[Passage]) -> tuple[HousePrompt, ...]:
        """What the house wants said besides about these."""
        return prompts_of((one.chunk.document_id.partition(":")[0] for one in passages), self.prompts)

    def given(
        self,
        course: Course,
        found: Retrieved,
        shown: Sequence[Passage],
        model: LanguageModel,
        salt: str,
        *,
        most: int | None = None,
    ) -> tuple[Given, list[Message], int]:
        """What of the passages fits, the prompt, and how many tokens of it are new to the model."""
        passages = self.first(shown, course.asked)
        course.house = self.house(passages)

        def prompted(texts: Sequence[str]) -> list[Message]:
            kept = [(passage, text) for passage, text in zip(passages, texts, strict=False) if text]
            return prompt.messages(
                course.asked,
                [p for p, _ in kept],
                [t for _, t in kept],
                salt=salt,
                language=course.language,
                house=course.house,
            )

        empty = model.count_tokens(prompted([]))
        room = min(self.rules.prompt_tokens, model.context_tokens - self.rules.max_answer_tokens - empty)
        room = room if most is None else min(room, most)

        def cost(texts: Sequence[str]) -> int:
            return model.count_tokens(prompted(texts)) - empty

        speed = self.speeds.tokens_a_second(course.speaker)
        patient = int(speed * self.rules.patience_s) if speed else room
        allowed = max(min(room, _LEAST_TOKENS), min(room, patient))
        texts = [passage.chunk.text for passage in passages]
        slow = patient < room and cost(texts) > allowed
        fits: budget.Fits = lambda some: cost(some) <= allowed  # noqa: E731  # one of two rules
        course.extracted = slow or cost(texts[:1]) > allowed
        if course.before is not None:
            fits, course.extracted = course.before.fits, course.before.extracted
        given = (
            self._extracted(course, found, passages, fits) if course.extracted else budget.whole(passages, fits=fits)
        )
        messages = prompt.messages(
            course.asked, given.passages, given.texts, salt=salt, language=course.language, house=course.house
        )
        return given, messages, model.count_tokens(messages) - empty

    def _extracted(self, course: Course, found: Retrieved, passages: Sequence[Passage], fits: budget.Fits) -> Given:
        units = cite.units_of(passages)
        return budget.extract(passages, units, self.nearness(course, found, units), fits=fits)

    def nearness(self, course: Course, found: Retrieved, units: Sequence[cite.Unit]) -> list[float]:
        """How near each unit is to the question: cosine, and a little for its words."""
        texts = [unit.text for unit in units]
        meaning = self.retriever.embedder.embed_passages(texts) @ found.question_vector
        coverage = self.retriever.words.coverage(course.asked, texts, grant=found.grant)
        return [float(near) + _WORDS_WEIGH * words for near, words in zip(meaning, coverage, strict=True)]

    def learn(self, course: Course, new_tokens: int) -> None:
        """How fast the model read this prompt, for the next."""
        times = course.timing_ms
        if "first_token" in times:
            seconds = (times["first_token"] - times["prompt"]) / 1000
            self.speeds.learn(course.speaker, tokens=new_tokens, seconds=seconds)
