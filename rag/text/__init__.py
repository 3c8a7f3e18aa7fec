"""Text as people write it and read it.

sentences      those of page, bots and outcomes, in their reader's language
advice         what to do about a file that is not searchable
dates          as they are written, and the one a document states of itself
language       is it German or English?
phrases        what stands in quotation marks in a question
patterns       patterns on paths, as they are typed
house_prompts  what a house wants said to a model besides
toml_lines     where a key stands in a TOML file
"""
