"""Does a model fit this machine, and how fast will it be: its anatomy, the machine's, and what follows from both.

Nothing here loads a model but `trial`, which runs one for a few seconds to see how fast it is.
"""
