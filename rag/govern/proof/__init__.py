"""The offline proof: the real commands in a network of their own whose every route ends in a sink.

sink        packets counted and named, a name server that knows every name
control     deliberate attempts that must be caught, or nothing is proven
specimens   a document of every kind, each asking its reader to fetch something
rehearsal   the real stack: ingest, serve, ask, search, restart, idle
trial       all of it in order, in a process of its own (`python -m rag.govern.proof.trial`), to a verdict
certificate what was found, as signed JSON and as one page

What it shows: no packet and no question for a name left these processes, on this machine, with these versions, while
they did all this. What it does not show: what programs outside do (Ollama is one), and what no step of it ever does.
"""
