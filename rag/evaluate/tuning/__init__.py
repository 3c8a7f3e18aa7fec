"""The embedder fitted to the user's documents, and adopted only if it finds more.

pairs       a question and the documents that answer it, given or made of headings; parted by document
fitting     pairs and vectors → a linear adapter. Pure
embedder    the whole of it: fit, measure on what was held back, adopt or not
export      helpful answers as examples, for training a model elsewhere
"""
