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

An arm may set whatever a plan depends on (``allowed``), and ``ranker``: the folder of a ranker artifact, relative to
the TOML file's folder. Users are assigned by ``models.experiments.arms``; a query without a user by its request id, so
each of those is assigned on its own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Meta

from models.base.errors import ModelError
from models.experiments.arms import arm_at, place
from models.retrieval.candidates import check as check_sources
from streamrank_client.errors import SettingsError
from streamrank_client.events import Query
from streamrank_client.settings import ClientSettings
from streamrank_client.vocabulary import SURFACES, Surface
from streams.policy.plans import Plan, plan_of
from streams.settings import PlanSettings, Settings, parse

__all__ = ["Arm", "Experiment", "allowed", "load_experiment"]

#: an arm's key for a ranker artifact of its own; it is no setting of the worker
RANKER: Final = "ranker"
#: shares add up to 1 within this
_CLOSE: Final = 1e-6

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Arm:
    """``plan``: how its queries are answered; ``ranker``: the folder of its own artifact, None for the worker's."""

    name: str
    share: float
    plan: Plan
    ranker: Path | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms in the file's order. ``surfaces``: those that take part, all if there are none."""

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
        """The arm of a user id, or of the request id of a query without a user: always the same."""
        return self.arms[arm_at(place(self.salt, self.name, unit), [arm.share for arm in self.arms])]

    def plan(self, query: Query, surface: str) -> Plan | None:
        """How a query of the given surface is answered; None if its surface takes no part."""
        if self.surfaces and surface not in self.surfaces:
            return None
        return self.arm(query.key).plan


# What each key of the file may be; the description is what an error says was expected.
_Name: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]{1,100}\Z",
        description="a name of letters, digits, '.', '_' and '-', 100 at most",
    ),
]
_Text: TypeAlias = Annotated[str, Meta(description="a text in quotes")]
_Plain: TypeAlias = Annotated[
    bool | int | float | str | list[str], Meta(description="a text, a number, or true or false")
]


class _ArmTable(msgspec.Struct):
    share: Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
    settings: Annotated[dict[str, Any], Meta(description="a table such as { epsilon = 0.1 }")] = {}


class _File(msgspec.Struct):
    name: _Name
    arms: Annotated[
        dict[str, Any], Meta(min_length=2, description="at least two tables [arms.NAME], each with its share")
    ]
    salt: _Text = ""
    surfaces: Annotated[tuple[Surface, ...], Meta(description=f"a list of some of {', '.join(SURFACES)}")] = ()
    control: _Text = "control"


def load_experiment(path: Path | str, settings: Settings) -> Experiment:
    """Read and check an experiment; ``settings`` are what its arms do not set.

    Raises SettingsError naming the file, the table, the key, the value and what to do. Rankers are not opened.
    """
    path = Path(path)
    try:
        return _experiment(_table(path), path.parent, settings)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def allowed() -> tuple[str, ...]:
    """The settings that an arm may set: those that a plan is made of.

    >>> {"epsilon", "sources", "online", "candidates"} <= set(allowed()), "kafka" in allowed()
    (True, False)
    """
    shared = {f.name for f in dataclasses.fields(ClientSettings)}
    return tuple(f.name for f in dataclasses.fields(PlanSettings) if f.name not in shared)


def _table(path: Path) -> object:
    try:
        return msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{error.strerror or error}: check the path of the experiment") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"not TOML: {error}: mend that line") from error


def _experiment(table: object, folder: Path, settings: Settings) -> Experiment:
    file = _struct(_File, table, "")
    arms = tuple(_arm(name, arm, file.name, folder, settings) for name, arm in file.arms.items())
    total = sum(arm.share for arm in arms)
    if abs(total - 1) > _CLOSE:
        shares = ", ".join(f"{arm.name} {arm.share:g}" for arm in arms)
        raise SettingsError(f"[arms] share = {shares}: they add up to {total:g}; make them add up to 1")
    if file.control not in file.arms:
        names = ", ".join(file.arms)
        raise _wrong("control", file.control, f"no such arm: expected one of {names} (name the arm to compare with)")
    return Experiment(file.name, file.salt, file.surfaces, file.control, arms)


def _arm(name: str, table: object, experiment: str, folder: Path, settings: Settings) -> Arm:
    where = f"[arms.{name}]"
    _converted(_Name, name, where)
    arm = _struct(_ArmTable, table, f"{where} ")
    values = {key: _setting(key, value, where) for key, value in arm.settings.items() if key != RANKER}
    try:
        plan = plan_of(replace(settings, **values), name)
        check_sources(plan.sources)
    except (ModelError, SettingsError) as error:
        raise SettingsError(f"{where} settings: {error}") from error
    ranker = _ranker(arm.settings[RANKER], folder, where) if RANKER in arm.settings else None
    return Arm(name, arm.share, replace(plan, experiment=experiment), ranker)


def _setting(key: str, value: object, where: str) -> Any:
    """A setting's value, checked as the worker checks its environment: by its text."""
    label = f"{where} settings.{key}"
    if key not in allowed():
        raise _wrong(label, value, f"an arm cannot set {key!r}; it may set {', '.join((*allowed(), RANKER))}")
    plain: bool | float | str | list[str] = _converted(_Plain, value, label)
    if isinstance(plain, bool):
        text = str(plain).lower()
    else:
        text = ",".join(plain) if isinstance(plain, list) else str(plain)
    return parse(key, text, label)


def _ranker(value: object, experiment_folder: Path, where: str) -> Path:
    label = f"{where} settings.{RANKER}"
    folder = experiment_folder / str(_converted(_Text, value, label))
    if not (folder / "manifest.json").is_file():
        remedy = f"no artifact in {folder}: build one with `streamrank artifact build ranker -o {folder}`"
        raise _wrong(label, value, remedy)
    return folder


def _struct(kind: type[S], table: object, where: str) -> S:
    """A table as a struct, key by key, so that an error can name the one that is wrong."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    if not isinstance(table, dict):
        raise _wrong(where.strip(), table, f"expected a table with {', '.join(fields)}")
    for name in table:
        if name not in fields:
            raise _wrong(f"{where}{name}", table[name], f"unknown key; expected {', '.join(fields)}")
    given = [field for name, field in fields.items() if field.required or name in table]
    return kind(**{field.name: _converted(field.type, table.get(field.name), where + field.name) for field in given})


def _converted(hint: Any, value: object, label: str) -> Any:
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise _wrong(label, value, f"expected {get_args(hint)[1].description}") from error


def _wrong(label: str, value: object, remedy: str) -> SettingsError:
    return SettingsError(f"{label} = {value!r}: {remedy}")
