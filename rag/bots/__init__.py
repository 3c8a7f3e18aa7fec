"""Doors in chat, each a process of its own that speaks to the service through `rag.client` and holds no store.

None stands here yet. What they will carry is decided already: `rag.access` has the channels and audiences, and
`rag.ask.release` says, before any prompt, what of which class may go where.
"""
