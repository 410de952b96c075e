"""Sources: where candidates come from, one retrieval method a file."""

from __future__ import annotations

from models.retrieval.sources.base import Scope, Source, search
from models.retrieval.sources.registry import SOURCES
from models.retrieval.candidates import SURFACES, Candidates, Timer, retrieve, untimed

__all__ = ["SOURCES", "SURFACES", "Candidates", "Scope", "Source", "Timer", "retrieve", "search", "untimed"]
