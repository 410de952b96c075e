"""An experiment's TOML file: its arms, their shares, and the settings in which each differs from the worker's own.

    name = "diverse-home"
    salt = "2026-03"                 # another salt draws the users anew
    surfaces = ["home"]              # optional: other queries are answered by the worker's settings
    control = "control"              # optional: the arm that the others are compared with

    [arms.control]
    share = 0.5

    [arms.explore]
    share = 0.5
    settings = { epsilon = 0.1, online = false, sources = "covisits,trending", ranker = "artifacts/ranker-b" }

An arm may set whatever a plan depends on (``allowed``), and ``ranker``: the folder of a ranker artifact, from the
TOML file's folder on. Users are assigned by ``models.experiments.arms``; a query of nobody known by
its request id, so each of those is assigned on its own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from models.base.errors import ModelError
from models.experiments.arms import arm_at, place
from models.retrieval.candidates import check as check_sources
from streamrank_client.errors import SettingsError
from streamrank_client.events import Query
from streamrank_client.settings import ClientSettings
from streamrank_client.vocabulary import SURFACES
from streams.policy.plans import Plan, plan_of
from streams.settings import PlanSettings, Settings, parse

__all__ = ["Arm", "Experiment", "allowed", "load_experiment"]

#: an arm's key for a ranker artifact of its own; it is no setting of the worker
RANKER: Final = "ranker"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
#: shares add up to 1 within this
_CLOSE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Arm:
    """``plan``: how its queries are answered; ``ranker``: the folder of its own artifact, None for the worker's."""

    name: str
    share: float
    plan: Plan
    ranker: Path | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms in the file's order. ``surfaces``: those that take part, none given: all."""

    name: str
    salt: str
    surfaces: tuple[str, ...]
    control: str
    arms: tuple[Arm, ...]

    @property
    def shares(self) -> dict[str, float]:
        """The share of each arm by name."""
        return {arm.name: arm.share for arm in self.arms}

    def arm(self, unit: str) -> Arm:
        """The arm of a user id, or of the request id of a query by nobody known: always the same."""
        return self.arms[arm_at(place(self.salt, self.name, unit), [arm.share for arm in self.arms])]

    def plan(self, query: Query, surface: str) -> Plan | None:
        """How a query of the given surface is answered; None if its surface takes no part."""
        if self.surfaces and surface not in self.surfaces:
            return None
        return self.arm(query.key).plan


def load_experiment(path: Path | str, settings: Settings) -> Experiment:
    """Read and check an experiment; ``settings`` are what its arms do not set.

    Raises SettingsError naming the file, the table, the key, the value and what to do. Rankers are not opened.
    """
    return _Reader(Path(path), settings).experiment()


def allowed() -> tuple[str, ...]:
    """The settings that an arm may set: those that a plan is made of.

    >>> {"epsilon", "sources", "online", "candidates"} <= set(allowed()), "kafka" in allowed()
    (True, False)
    """
    shared = {f.name for f in fields(ClientSettings)}
    return tuple(f.name for f in fields(PlanSettings) if f.name not in shared)


class _Reader:
    """One file: every error that it raises names it."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self.allowed = allowed()

    def experiment(self) -> Experiment:
        """The experiment that the file describes. Raises SettingsError."""
        found = self._table()
        self._known(found, ("name", "salt", "surfaces", "control", "arms"), "")
        name = self._name(found.get("name"), "name")
        salt = self._text(found.get("salt", ""), "salt")
        tables = found.get("arms")
        if not isinstance(tables, dict) or len(tables) < 2:
            raise self.wrong("arms", tables, "expected at least two tables [arms.NAME], each with its share")
        arms = tuple(self._arm(key, table, name) for key, table in tables.items())
        total = sum(arm.share for arm in arms)
        if abs(total - 1) > _CLOSE:
            shares = ", ".join(f"{arm.name} {arm.share:g}" for arm in arms)
            raise self.wrong("[arms] share", shares, f"they add up to {total:g}; make them add up to 1", plain=True)
        control = found.get("control", "control")
        if control not in tables:
            known = ", ".join(tables)
            raise self.wrong("control", control, f"no such arm: expected one of {known} (name the arm to compare with)")
        return Experiment(name, salt, self._surfaces(found.get("surfaces", [])), control, arms)

    def _table(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.path.read_text("utf-8"))
        except OSError as error:
            raise SettingsError(f"{self.path}: {error.strerror or error}: check the path of the experiment") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self.path}: not TOML: {error}: mend that line") from error

    def _arm(self, name: str, table: object, experiment: str) -> Arm:
        where = f"[arms.{name}]"
        self._name(name, where)
        if not isinstance(table, dict):
            raise self.wrong(where, table, "expected a table with its share")
        self._known(table, ("share", "settings"), where)
        share = table.get("share")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise self.wrong(f"{where} share", share, "expected a number from 0 to 1")
        given = table.get("settings", {})
        if not isinstance(given, dict):
            raise self.wrong(f"{where} settings", given, "expected a table such as { epsilon = 0.1 }")
        values = {key: self._setting(where, key, value) for key, value in given.items() if key != RANKER}
        try:
            plan = plan_of(replace(self.settings, **values), name)
            check_sources(plan.sources)
        except (ModelError, SettingsError) as error:
            raise SettingsError(f"{self.path}: {where} settings: {error}") from error
        ranker = self._ranker(where, given.get(RANKER))
        return Arm(name, float(share), replace(plan, experiment=experiment), ranker)

    def _setting(self, where: str, key: str, value: object) -> Any:
        label = f"{where} settings.{key}"
        if key not in self.allowed:
            known = ", ".join((*self.allowed, RANKER))
            raise self.wrong(label, value, f"an arm cannot set {key!r}; it may set {known}")
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = ",".join(value)
        if not isinstance(value, bool | int | float | str):
            raise self.wrong(label, value, "expected a text, a number, or true or false")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return parse(key, text, f"{self.path}: {label}")

    def _ranker(self, where: str, value: object) -> Path | None:
        if value is None:
            return None
        label = f"{where} settings.{RANKER}"
        folder = self.path.parent / self._text(value, label)
        if not (folder / "manifest.json").is_file():
            remedy = f"no artifact in {folder}: build one with `streamrank artifact build ranker -o {folder}`"
            raise self.wrong(label, value, remedy)
        return folder

    def _surfaces(self, value: object) -> tuple[str, ...]:
        known = SURFACES
        if not isinstance(value, list) or any(one not in known for one in value):
            raise self.wrong("surfaces", value, f"expected a list of some of {', '.join(known)}")
        return tuple(value)

    def _name(self, value: object, where: str) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise self.wrong(where, value, "expected a name of letters, digits, '.', '_' and '-', 100 at most")
        return value

    def _text(self, value: object, where: str) -> str:
        if not isinstance(value, str):
            raise self.wrong(where, value, "expected a text in quotes")
        return value

    def _known(self, table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in known:
                raise self.wrong(f"{where} {key}".strip(), table[key], f"unknown key; expected {', '.join(known)}")

    def wrong(self, where: str, value: object, remedy: str, *, plain: bool = False) -> SettingsError:
        return SettingsError(f"{self.path}: {where} = {value if plain else repr(value)}: {remedy}")
