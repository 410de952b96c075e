"""What the log teaches about texts: known queries, spelling, synonyms."""
