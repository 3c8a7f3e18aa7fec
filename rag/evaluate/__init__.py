"""Golden questions to figures. Uses the app as a door does."""
