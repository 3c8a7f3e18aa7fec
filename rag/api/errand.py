"""What threads do for one question at the desk: a finder begins its flow, a writer runs it to its end.

Nothing of the desk is touched here; what happens is told on the event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from rag.answers import Answer, AnswerEvent, Done, Found
from rag.api.answering import Asked

_log = logging.getLogger(__name__)


def find(
    asked: Asked,
    *,
    sighted: Callable[[Asked, Found], None],
    found: Callable[[Asked, AnswerEvent], None],
    ended: Callable[[Asked, BaseException | None], None],
) -> None:
    """Begin the answer and run it to the event that decides whether a model is needed.

    On the event loop `sighted` is told of passages that are not settled yet, and then either `found` of that event or
    `ended` that there is none, with what was raised.
    """
    error: BaseException | None = None
    try:
        if not asked.gone:
            asked.iterator = asked.context.run(asked.make)
            event = asked.context.run(next, asked.iterator)
            while isinstance(event, Found) and not event.settled:
                asked.later(sighted, asked, event)
                event = asked.context.run(next, asked.iterator)
            asked.later(found, asked, event)
            return
    except StopIteration:
        pass
    except Exception as failure:  # handed to the reader, who answers for it
        error = failure
    asked.later(ended, asked, error)


def finish(
    asked: Asked, *, answered: Callable[[Answer], None], ended: Callable[[Asked, BaseException | None], None]
) -> None:
    """Run the rest of the answer, or only close it where its reader has gone. `answered` is told of the whole answer
    here in the thread, `ended` on the event loop."""
    error: BaseException | None = None
    try:
        while not asked.gone and asked.iterator is not None:
            event = asked.context.run(next, asked.iterator)
            if isinstance(event, Done):
                answered(event.answer)
            asked.later(asked.inbox.put_nowait, (event, None))
    except StopIteration:
        pass
    except Exception as failure:  # handed to the reader, who answers for it
        error = failure
    close(asked)
    asked.later(ended, asked, error)


def close(asked: Asked) -> None:
    """Close the answer's iterator, which lets go of the model; a failure of that is logged and goes no further."""
    method = getattr(asked.iterator, "close", None)
    try:
        if method is not None:
            asked.context.run(method)
    except Exception:
        _log.exception("An answer could not be closed", extra={"action": "answer_not_closed"})
