"""The open home: what a door asks, and what is put together for it.

assembly     Settings → App: opens and closes everything
asking       questions, answered or only searched for
index        the parts of the index that are open
indexing     what is done to the index
keeping      the index level with the sources, once or as they change
signing_in   who signs in, and who is known, by the settings
observing    what is counted of a question
telemetry    traces for a collector on the premises

From outside only `App` is opened; the rest is for it.
"""

from rag.app.assembly import App

__all__ = ["App"]
