"""Why an item is shown, in words: the facts behind the strongest contributions to its score, in English or Chinese.

A sentence is said only where its fact holds and what it tells of added to the score, or where the source that it tells
of gave the item.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from models.features.registry import FAMILIES
from models.ranking.adjustments.registry import ADJUSTMENTS, BASES
from models.retrieval.facts import Case
from models.retrieval.sentences import SHARED, Language, Sentence
from models.retrieval.sources.registry import SOURCES

#: the second sentence is said when it counts at least so much of the first
SECOND: Final = 0.3


def _speaking() -> Iterable[tuple[Sentence, str]]:
    """Each sentence with a line of the explanation that it speaks for."""
    for source in SOURCES.values():
        yield from ((sentence, source.name) for sentence in source.sentences)
    for family in FAMILIES:
        for group, sentences in family.sentences.items():
            yield from ((sentence, group) for sentence in sentences)
    for adjustment in (*BASES, *ADJUSTMENTS):
        yield from ((sentence, adjustment.name) for sentence in adjustment.sentences)


def _lines() -> dict[Sentence, tuple[str, ...]]:
    """The lines of the explanation that each sentence speaks for; shared sentences first."""
    lines: dict[Sentence, tuple[str, ...]] = dict.fromkeys(SHARED, ())
    for sentence, line in _speaking():
        lines[sentence] = (*lines.get(sentence, ()), line)
    return lines


#: Every sentence, the preferred ones first, with the lines that it speaks for.
LINES: Final = _lines()


def in_words(
    case: Case, contributions: Mapping[str, float], sources: Collection[str], language: Language
) -> str | None:
    """One or two sentences on why a candidate is shown, None when there is nothing to say.

    ``contributions`` by line, as ``explain`` gives them; ``sources``: those that gave the candidate.
    """
    strengths = [(_strength(lines, contributions), sentence, lines) for sentence, lines in LINES.items()]
    said: list[str] = []
    first = 0.0
    for strength, sentence, lines in sorted(strengths, key=lambda one: -one[0]):
        if said and strength < SECOND * first:
            break
        if strength <= 0 and not set(lines) & set(sources):
            continue
        named = sentence.fact(case)
        if named is None:
            continue
        said.append(sentence.said(named, language))
        first = strength
        if len(said) == 2 or strength <= 0:
            break
    if not said:
        return None
    return ". ".join(said) + "." if language == "en" else "；".join(said) + "。"


def _strength(lines: Iterable[str], contributions: Mapping[str, float]) -> float:
    """What some lines, the online weights' too, add to the score."""
    return sum(contributions.get(line, 0.0) + contributions.get(f"online:{line}", 0.0) for line in lines)
