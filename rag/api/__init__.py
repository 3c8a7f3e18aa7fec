"""The HTTP doors: `http` for people and programs, `local` for the commands of this machine's owner."""
