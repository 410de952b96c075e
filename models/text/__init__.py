"""Texts to words, vectors and intents."""
