"""What thinks: embedders, rerankers, language models, and the weights they run on.

Each provider has one file and is imported when it is opened, never before: `import rag.models.embedder` and
`import rag.models.llm` load no vendor library. What to ask a model and what to believe of its answer is decided in
`rag.ask`.
"""
