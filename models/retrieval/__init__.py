"""From an ask to its candidates: sources, their fusion, and what the intent names itself."""
