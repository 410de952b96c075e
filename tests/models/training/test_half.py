"""The ranker in float16: near to float32, in the same order, and float32 where halves would not do."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import Tensor

from models.base.arrays import Floats
from models.base.artifact import verify
from models.base.errors import SessionError
from models.base.onnx_session import open_session
from models.features.kernels import LARGEST, RECENT
from models.ranking.ranker import Ranker, RankInput
from models.training import export
from models.training.fitting import fit
from models.training.half import HalfAttention, halved
from models.training.network import Attention, RankerNetwork, list_stats
from models.training.ranker import train
from tests.support.synthetic import rankings

pytestmark = pytest.mark.usefixtures("quick_judging")

LIMIT = export.TOLERANCE["float16"]
#: candidates a list, as many as a query has
SIZE = 150


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ranker, Ranker]:
    """Two rankers of the same training: float32 and float16."""
    folder, some = tmp_path_factory.mktemp("half"), rankings(250, 40)
    train(some, folder / "whole", seed=1)
    train(some, folder / "half", seed=1, precision="float16")
    return Ranker(folder / "whole", "cpu"), Ranker(folder / "half", "cpu")


@pytest.fixture(scope="module")
def small() -> RankerNetwork:
    """A network that has learnt little; tests change copies of it."""
    return fit(rankings(150, 20), 150, np.random.default_rng(0))


def by_torch(network: RankerNetwork, one: RankInput) -> Floats:
    """Scores (n,) by torch, which on the CPU too rounds each step to float16 where weights are float16."""
    arrays = (one.features, np.ones(len(one.features), np.float32), one.candidates, one.recent, one.recent_weight)
    with torch.no_grad():
        return np.asarray(network(*(torch.tensor(array)[None] for array in arrays))[0])


def ndcg(wanted: Floats, found: Floats) -> float:
    """NDCG@10 of the order by ``found`` where the ten best by ``wanted`` are worth 10, 9, … 1."""
    worth = np.zeros(len(wanted))
    worth[np.argsort(-wanted)[:10]] = np.arange(10, 0, -1)
    discount = 1 / np.log2(np.arange(2, 12))
    return float((worth[np.argsort(-found)[:10]] * discount).sum() / (np.arange(10, 0, -1) * discount).sum())


def agree(whole: Sequence[Floats], half: Sequence[Floats]) -> None:
    """Scores differ by rounding, and the ten best are nearly always the same, in nearly the same order."""
    lists = list(zip(whole, half, strict=True))
    assert max(float(np.abs(a - b).max()) for a, b in lists) < 0.005
    assert np.mean([set(np.argsort(-a)[:10]) == set(np.argsort(-b)[:10]) for a, b in lists]) >= 0.97
    assert np.mean([ndcg(a, b) for a, b in lists]) > 0.999


def test_the_manifest_says_the_precision_and_how_near_it_is(pair: tuple[Ranker, Ranker]) -> None:
    """Both verify, with float32 ports and free lengths; the float16 one differs from torch by more, within its own."""
    for ranker, precision in zip(pair, ("float32", "float16"), strict=True):
        manifest = verify(ranker.artifact.path).manifest
        assert manifest.created_from["precision"] == precision
        assert {port.dtype for port in (*manifest.inputs, *manifest.outputs)} == {"float32"}
        assert [port.shape for port in manifest.outputs] == [("lists", "candidates")]
    near = [float(ranker.artifact.manifest.figures["onnx_against_torch"]) for ranker in pair]
    assert near[0] < export.TOLERANCE["float32"] / 10 < near[1] < LIMIT


def test_the_products_are_float16_and_the_knots_are_not(pair: tuple[Ranker, Ranker]) -> None:
    """All products but those of the output, the prior and the first candidate take halves; no table does."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(pair[1].artifact.graph))).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    types |= {constant.name: constant.data_type for constant in graph.initializer}
    halves = [types[n.output[0]] == TensorProto.FLOAT16 for n in graph.node if n.op_type == "MatMul"]
    # halves: plain and learnt similarity, two projections, two hidden layers
    assert (sum(halves), len(halves)) == (6, 13)
    tables = [types[name] for name in types if name.startswith("normalise.")]
    assert tables
    assert TensorProto.FLOAT16 not in tables


def test_the_order_is_practically_the_same(pair: tuple[Ranker, Ranker]) -> None:
    """On 100 lists of 150: scores within .005, the ten best the same in 97 of them, and NDCG between the two .999."""
    some = rankings(100, SIZE, seed=7)
    whole, half = (ranker.score([some.rank_input(i) for i in range(len(some))]) for ranker in pair)
    agree(whole, half)


def test_the_order_is_practically_the_same_with_every_step_rounded() -> None:
    """The CPU's provider computes halves in float32; torch rounds after each step, as a device does."""
    some = rankings(100, SIZE, seed=8)
    network = fit(rankings(300, 40), 300, np.random.default_rng(0))
    lists = [some.rank_input(i) for i in range(len(some))]
    half = halved(network)
    agree([by_torch(network, one) for one in lists], [by_torch(half, one) for one in lists])


def test_wild_features_new_users_and_padding_are_scored_alike(pair: tuple[Ranker, Ranker]) -> None:
    """Lists of several lengths in one call, features up to ±1e6, users without history: near float32, and finite."""
    rng, some = np.random.default_rng(0), rankings(6, 30, seed=9)
    lists = [some.rank_input(i) for i in range(6)]
    for i, scale in enumerate((1e3, 1e6, 1e9)):
        features = np.clip(rng.normal(0, scale, lists[i].features.shape), -LARGEST, LARGEST).astype(np.float32)
        lists[i] = replace(lists[i], features=features)
    for i in (0, 4):
        lists[i] = replace(lists[i], recent_weight=np.zeros(RECENT, np.float32))
    lists[2:4] = [replace(one, features=one.features[:7], candidates=one.candidates[:7]) for one in lists[2:4]]
    for whole, half, alone in zip(
        *(ranker.score_together(lists) for ranker in pair), pair[1].score(lists), strict=True
    ):
        assert np.abs(whole - half).max() < 0.005
        assert np.abs(alone - half).max() < 0.005


def test_candidates_that_are_much_alike_do_not_become_noise() -> None:
    """Within 1 % of each other, their z-scores by similarity hold; in plain halves these are far off."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=64) / 8
    arrays = (
        first + rng.normal(size=(1, 50, 64)) / 800,
        first + rng.normal(size=(1, RECENT, 64)) / 16,
        rng.normal(size=(1, RECENT)),
    )
    inputs = [torch.tensor(array, dtype=torch.float32) for array in arrays]
    torch.manual_seed(0)
    whole, plain = Attention(), Attention()
    plain.load_state_dict(whole.state_dict())

    def in_list(similar: torch.Tensor) -> torch.Tensor:
        mean, spread = list_stats(similar, torch.ones(1, 50))
        return (similar - mean) / spread

    with torch.no_grad():
        wanted, found = in_list(whole(*inputs)), in_list(HalfAttention(whole)(*inputs))
        naive = in_list(plain.half()(*(one.half() for one in inputs)).float())
    assert float((wanted - found).abs().max()) < 0.01
    assert float((wanted - naive).abs().max()) > 0.1


def test_behaviour_of_long_ago_is_no_padding() -> None:
    """A weight of 1e-8 is 0 in halves, and 0 means that there is no item; float32 keeps it."""
    torch.manual_seed(0)
    whole = Attention()
    candidates, recent = torch.randn(1, 5, 64) / 8, torch.randn(1, RECENT, 64) / 8
    weight = torch.zeros(1, RECENT)
    weight[0, :2] = torch.tensor([1e-8, -1e-8])
    with torch.no_grad():
        wanted, found = whole(candidates, recent, weight), HalfAttention(whole)(candidates, recent, weight)
    assert float(wanted.abs().max()) > 0.01
    assert float((wanted - found).abs().max()) < 0.001


def test_explanations_add_up_in_halves_too(pair: tuple[Ranker, Ranker]) -> None:
    """Being differences of neighbouring scores: to 1e-4 of those that were served, alone or with others in one call."""
    some = rankings(20, 60, seed=11)
    lists = [some.rank_input(i) for i in range(len(some))]
    for served in (
        pair[1].score(lists),
        pair[1].score_together([*lists, rankings(1, SIZE, seed=12).rank_input(0)])[:-1],
    ):
        for one, scores in zip(lists, served, strict=True):
            explanation = pair[1].explain(one, scores)
            assert explanation.base + explanation.values.sum(axis=1) == pytest.approx(scores, abs=1e-4)


def test_normalisation_in_halves_is_refused(small: RankerNetwork, tmp_path: Path) -> None:
    """A graph whose features go through float16 has other large values, and does not become an artifact."""

    class Rounded(RankerNetwork):
        def forward(self, features: Tensor, *others: Tensor) -> Tensor:
            return super().forward(features.clamp(-65504, 65504).half().float(), *others)

    half = halved(small)
    export.export(half, tmp_path / "half.onnx")
    assert export.check(small, open_session(tmp_path / "half.onnx", "cpu"), "float16") < LIMIT / 2
    half.__class__ = Rounded
    export.export(half, tmp_path / "rounded.onnx")
    with pytest.raises(SessionError, match=r"\(float16\) differs from torch .* --precision float32"):
        export.check(small, open_session(tmp_path / "rounded.onnx", "cpu"), "float16")


def test_what_halves_cannot_hold_is_refused_though_the_cpu_computes_it(small: RankerNetwork, tmp_path: Path) -> None:
    """Hidden values beyond 65,504 are infinite on a device; the CPU's provider computes them in float32."""
    network = deepcopy(small)
    weights = dict(network.named_parameters())
    with torch.no_grad():
        weights["deep.0.weight"].mul_(1e5)
        weights["deep.3.weight"].mul_(1e-5)
    export.export(halved(network), tmp_path / "half.onnx")
    session = open_session(tmp_path / "half.onnx", "cpu")
    assert np.isfinite(session.run(export._example(2, 40, 1.0, seed=0))[0]).all()
    with pytest.raises(SessionError, match=r"differs from torch by (nan|inf)"):
        export.check(network, session, "float16")
