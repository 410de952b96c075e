"""Sources: where candidates come from, one retrieval method a file."""

from __future__ import annotations

from models.sources.base import Scope, Source, search
from models.sources.registry import SOURCES
from models.sources.retrieval import SURFACES, Candidates, Timer, retrieve, untimed

__all__ = ["SOURCES", "SURFACES", "Candidates", "Scope", "Source", "Timer", "retrieve", "search", "untimed"]
