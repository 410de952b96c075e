"""What an expression of PromQL reads, and which labels its result carries, as far as alarms and boards need it."""

from __future__ import annotations

from typing import Final

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    LabelModifierType,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    UnaryExpr,
    VectorSelector,
    walk,
)

#: labels of every series that Prometheus reads from a worker
OF_TARGETS: Final = frozenset(("job", "instance", "role"))
#: functions that give a number or a series without labels
_WITHOUT_LABELS: Final = frozenset(("absent", "time", "vector", "scalar"))

#: the labels of each metric, by the name of its samples
Exported = dict[str, frozenset[str]]


class WrongQuery(Exception):
    """An expression that would give nothing, or not what it says."""


def selectors(expression: Expr) -> list[VectorSelector]:
    """Every selector of metrics in an expression."""
    found: list[VectorSelector] = []

    def visit(part: Expr) -> None:
        if isinstance(part, VectorSelector):
            found.append(part)

    walk(expression, visit)
    return found


def labels_of(expression: Expr, exported: Exported) -> frozenset[str] | None:
    """The labels of what an expression gives, None for a number. Raises WrongQuery for labels that are not there."""
    match expression:
        case NumberLiteral():
            return None
        case ParenExpr() | UnaryExpr():
            return labels_of(expression.expr, exported)
        case MatrixSelector():
            return labels_of(expression.vector_selector, exported)
        case VectorSelector():
            return _selected(expression, exported)
        case AggregateExpr():
            return _aggregated(expression, exported)
        case Call():
            return _called(expression, exported)
        case BinaryExpr():
            return _joined(expression, exported)
    raise WrongQuery(f"{type(expression).__name__} is not used here so far")


def _selected(selector: VectorSelector, exported: Exported) -> frozenset[str]:
    if selector.name not in exported:
        raise WrongQuery(f"{selector.name} is not exported")
    labels = exported[selector.name]
    wrong = {matcher.name for matcher in selector.matchers.matchers} - labels
    if wrong:
        raise WrongQuery(f"{selector.name} has no label {', '.join(sorted(wrong))}")
    return labels


def _aggregated(expression: AggregateExpr, exported: Exported) -> frozenset[str]:
    inner, modifier = labels_of(expression.expr, exported) or frozenset(), expression.modifier
    if str(expression.op) in ("topk", "bottomk"):
        return inner
    if modifier is None:
        return frozenset()
    if not set(modifier.labels) <= inner:
        raise WrongQuery(f"{expression.prettify()}: no label {', '.join(sorted(set(modifier.labels) - inner))}")
    if modifier.type == AggModifierType.By:
        return frozenset(modifier.labels)
    return inner - set(modifier.labels)


def _called(expression: Call, exported: Exported) -> frozenset[str] | None:
    found = [labels_of(argument, exported) for argument in expression.args]
    if expression.func.name in _WITHOUT_LABELS:
        return None if expression.func.name in ("time", "scalar") else frozenset()
    labels = frozenset[str]().union(*(one for one in found if one is not None))
    if expression.func.name != "histogram_quantile":
        return labels
    if "le" not in labels:
        raise WrongQuery(f"{expression.prettify()}: a quantile needs the label le")
    return labels - {"le"}


def _joined(expression: BinaryExpr, exported: Exported) -> frozenset[str] | None:
    left, right = labels_of(expression.lhs, exported), labels_of(expression.rhs, exported)
    if left is None or right is None:
        return right if left is None else left
    matching = expression.modifier.matching if expression.modifier else None
    if matching is None:
        if left != right:
            raise WrongQuery(f"{expression.prettify()}: {sorted(left)} never meets {sorted(right)}")
        return left
    on = matching.type == LabelModifierType.Include
    return frozenset(matching.labels) if on else left - set(matching.labels)
