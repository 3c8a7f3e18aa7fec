"""Language models side by side on one's own documents.

questions, making   questions of the user's documents: by rules, or by a named model that runs here
contestants         a model as the settings name it, opened, with its size
cases, trial        a question with passages that were found once → what a model made of them
scoring, standing   an answer → what it is worth; answers → figures, ranks, resamples, the gate. Pure
machine             memory and energy, where they can be read
report, page        the result as JSON, as a table and as a page
judge               a model that judges besides, named and pinned; changes no rank
ballot, votes       answers without names, for people to choose between, and what they chose
"""
