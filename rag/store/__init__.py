"""What survives a restart: the ledger is the truth, vectors and words are rebuilt from it, one process owns all."""
