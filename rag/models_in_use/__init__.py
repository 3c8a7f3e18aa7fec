"""The models the settings name, opened and looked after. How each kind is spoken to is in `rag.models`.

embedders    the embedder in use, and one that answered before
adapting     the embedder's adapter in use
writers      the language models that are open
perceiving   what reads, hears and sees documents
pinning      are they the pinned versions?
licensing    may they be used?
"""
