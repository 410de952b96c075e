"""A new ranker from the feedback topic, in a process of its own."""
