"""What the owner of a home can ask of it, as plain JSON values. Everything here stands on `rag.app`.

operations   one table of them all, for the command line and the home's socket
lookup       documents: which there are, what one says, who may read it and why
ingestion    an ingest: what it waits for, how far it is, what came of it
erasing      erasures and access requests
auditing     the audit, and who the owner may be
admission    API keys, and who is shut out
withdrawing  messages of bots, to be taken back
doctor       the examination of an installation
figures      what an open App is like, for its figures
readiness    is it ready to answer, part by part?
forms        the JSON forms of what the others show
"""
