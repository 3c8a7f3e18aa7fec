"""What a caller shows to say who they are: API keys, and who is shut out whatever they show.

`keys` makes, checks and ends keys, `suspensions` shuts people out, `revocations` keeps both outside the ledger so that
an older backup cannot undo them, `failures` limits guessing. What a credential comes to is `identified`; the principal
is made of it by `rag.identity`.
"""
