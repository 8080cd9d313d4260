"""Group MADE: masks, densities, and the likelihood of a known process."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from asdkit_group_made.blocks import BlockLinear
from asdkit_group_made.config import GroupMadeConfig
from asdkit_group_made.detector import GroupMade, GroupMadeNetwork
from asdkit_group_made.mixture import LOG_VARIANCE_FLOOR, by_torch, mixture_nll, on_cpu
from hypothesis import given, settings
from hypothesis import strategies as st

from asdkit.api import Context, Features, JobOutline, cut_windows
from tests.helpers.detector_rooms import clips, training
from tests.helpers.properties import examples

BANDS = 6
DIRECT = pytest.mark.parametrize("direct", [False, True])
ORDERS = ["middle", "causal", "reverse", [[0, 1, 3, 4], [2]], [[4, 1], [0], [3, 2]], [[2], [0, 1, 3, 4]]]


def network(order, likelihood, hidden=(12, 10, 8), components=3, seed=0, frames=5, **options) -> GroupMadeNetwork:
    """A network with random weights everywhere, in float64."""
    config = GroupMadeConfig(order=order, likelihood=likelihood, hidden=list(hidden), components=components, **options)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = GroupMadeNetwork(config.groups(frames), BANDS, config)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        net.activation = torch.nn.SiLU()  # zeros of ReLU could hide a connection
    return net


def outputs(net: GroupMadeNetwork, window: torch.Tensor) -> list[torch.Tensor]:
    """All mixture parameters of each group with inputs [``[numbers]``]: the arguments of its likelihood."""
    known = torch.cat([window[:, frame] for group in net.groups[:-1] for frame in group], 1)
    hidden = known
    for layer in net.hidden:
        hidden = net.activation(torch.cat(layer(hidden), 1))
    shifts = net.shifts(known) if net.shifts else [known[:, :0]] * len(net.predicted)
    pairs = zip(net.mixtures(hidden), shifts, strict=True)
    return [torch.cat([mixture.flatten(), shift.flatten()]) for mixture, shift in pairs]


@pytest.mark.parametrize("likelihood", ["conditional", "joint"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
@DIRECT
def test_a_group_depends_on_exactly_the_earlier_groups(order, likelihood, direct) -> None:
    net = network(order, likelihood, direct=direct)
    window = torch.randn(1, 5, BANDS)
    count = len(outputs(net, window))
    for position in range(count):
        group = len(net.groups) - count + position
        allowed = [frame for earlier in net.groups[:group] for frame in earlier]
        jacobian = torch.autograd.functional.jacobian(lambda x, p=position: outputs(net, x)[p], window)[:, 0]
        seen = jacobian.abs().sum(dim=(0, 2))
        for frame in range(5):
            if frame in allowed:
                assert (jacobian[:, frame].abs().sum(dim=0) > 0).all(), f"group {group} ignores frame {frame}"
            else:
                assert seen[frame] == 0, f"group {group} sees frame {frame}"


@given(seed=st.integers(0, 10_000), frames=st.integers(2, 6))
@settings(max_examples=examples(15), deadline=None)
def test_the_masks_hold_for_any_grouping(seed, frames) -> None:
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.choice(np.arange(1, frames), rng.integers(1, frames), replace=False))
    groups = [part.tolist() for part in np.split(rng.permutation(frames), cuts)]
    net = network(groups, "joint", hidden=(8, 9), components=2, seed=seed, frames=frames)
    window = torch.randn(1, frames, BANDS)
    for position in range(len(groups) - 1):
        allowed = {frame for earlier in groups[: position + 1] for frame in earlier}
        jacobian = torch.autograd.functional.jacobian(lambda x, p=position: outputs(net, x)[p], window)[:, 0]
        assert {f for f in range(frames) if jacobian[:, f].abs().sum() > 0} == allowed


def test_block_layers_equal_a_masked_layer() -> None:
    sees, gives = [3, 5, 9], [2, 4, 3]
    blocks = BlockLinear(sees, gives)
    weight, mask = torch.randn(9, 9), torch.zeros(9, 9)  # MADE: the weight is multiplied by a mask
    row = 0
    for width, height, linear in zip(sees, gives, blocks.blocks, strict=True):
        mask[row : row + height, :width] = 1
        weight[row : row + height, :width] = linear.weight.detach()
        row += height
    bias = torch.cat([linear.bias for linear in blocks.blocks])
    inputs = torch.randn(7, 9)
    masked = torch.nn.functional.linear(inputs, weight * mask, bias)
    torch.testing.assert_close(torch.cat(blocks(inputs), 1), masked)
    assert sum(p.numel() for p in blocks.parameters()) == int(mask.sum()) + 9


@pytest.mark.parametrize("order", ORDERS, ids=str)
@DIRECT
def test_the_joint_density_is_the_product_of_its_conditionals(order, direct) -> None:
    net = network(order, "joint", direct=direct)
    window = torch.randn(4, 5, BANDS)
    terms = [net._first_term(window, 0.0)[i] for i in range(len(net.groups[0]))]
    known = torch.cat([window[:, frame] for group in net.groups[:-1] for frame in group], 1)
    hidden = known
    for layer in net.hidden:
        hidden = net.activation(torch.cat(layer(hidden), 1))
    shifts = net.shifts(known) if net.shifts else [torch.zeros(4, len(group) * BANDS) for group in net.predicted]
    for group, mixture, shift in zip(net.predicted, net.mixtures(hidden), shifts, strict=True):
        for position, frame in enumerate(group):
            parameters = mixture.reshape(4, len(group), *net.shape)[:, position]
            offset = shift.reshape(4, len(group), BANDS)[:, position]
            terms.append(mixture_nll(parameters, offset, window[:, frame])[:, None])
    torch.testing.assert_close(net.nll(window), torch.cat(terms, 1).mean(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("components", [1, 2, 10])
def test_the_density_of_a_bin_integrates_to_one(components) -> None:
    torch.manual_seed(0)
    values = torch.linspace(-60, 60, 240_001)
    for _ in range(5):
        one = torch.randn(1, 3, components, 1) * torch.tensor([2.0, 3.0, 1.5])[:, None, None]
        parameters = one.expand(len(values), 3, components, 1).contiguous()
        offset = torch.full((len(values), 1), 0.7)
        density = torch.exp(-mixture_nll(parameters, offset, values[:, None])).double()
        assert torch.trapezoid(density, values.double()).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("way", [on_cpu, by_torch])
def test_outliers_add_a_uniform_density(way) -> None:
    torch.manual_seed(2)
    parameters, offset, target = torch.randn(6, 3, 4, 1), torch.randn(6, 1), torch.randn(6, 1) * 3
    plain = way(parameters, offset, target, False)[0]
    expected = -torch.log(0.8 * torch.exp(-plain) + 0.2 / 20)
    torch.testing.assert_close(way(parameters, offset, target, False, 0.2)[0], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(mixture_nll(parameters, offset, target, 0.2), expected, rtol=1e-5, atol=1e-6)
    one_bin_far_off = torch.cat([target.expand(6, 4).clone(), torch.full((6, 1), 1e6)], 1)
    many = [tensor.expand(*tensor.shape[:-1], 5).contiguous() for tensor in (parameters, offset)]
    most = way(*many, one_bin_far_off, False, 0.2)[0] * 5 - 4 * expected
    torch.testing.assert_close(most, torch.full((6,), -np.log(0.2 / 20)).float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("way", [on_cpu, by_torch])
def test_outliers_do_not_hide_nan(way) -> None:
    parameters, offset, target = torch.zeros(2, 3, 4, 3), torch.zeros(2, 3), torch.zeros(2, 3)
    target[0, 1] = torch.nan
    parameters[1] = torch.nan  # the network's output for such a frame
    assert not way(parameters, offset, target, False, 0.2)[0].isfinite().any()


def test_outliers_affect_scores_only() -> None:
    strict, allowing = (network("middle", "conditional", outliers=share) for share in (0.0, 0.2))
    allowing.load_state_dict(strict.state_dict())
    windows = torch.randn(4, 5, BANDS)
    torch.testing.assert_close(strict.loss(windows, windows), allowing.loss(windows, windows), rtol=0, atol=0)
    torch.testing.assert_close(strict.score(windows), strict.nll(windows), rtol=0, atol=0)
    assert not torch.allclose(allowing.score(windows), allowing.nll(windows))


def naive_nll(parameters: torch.Tensor, offset: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The definition, in torch's own distributions."""
    logits, means, log_variances = (p.transpose(1, 2) for p in parameters.double().unbind(1))
    deviation = torch.exp(0.5 * log_variances.clamp(min=LOG_VARIANCE_FLOOR))
    normal = torch.distributions.Normal(means + offset.double()[..., None], deviation)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=logits), normal)
    return -mixture.log_prob(target.double()).mean(1)


@pytest.mark.parametrize("compute", [on_cpu, by_torch])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("components", [1, 10])
def test_fused_likelihood_and_gradient_equal_torch_distributions(compute, dtype, components) -> None:
    torch.manual_seed(1)
    parameters = (torch.randn(7, 3, components, 5) * 2).to(dtype)
    offset, target = torch.randn(7, 5), torch.randn(7, 5) * 2
    exact = parameters.double().requires_grad_()
    shift = offset.double().requires_grad_()
    reference = naive_nll(exact, shift, target)
    reference.sum().backward()
    nll, gradient, by_offset = compute(parameters, offset, target, True)
    torch.testing.assert_close(nll.double(), reference.detach(), rtol=1e-5, atol=1e-6)
    near = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-2, "atol": 1e-5}
    torch.testing.assert_close(gradient.double() / 5, exact.grad, **near)
    torch.testing.assert_close(by_offset.double() / 5, shift.grad, rtol=1e-4, atol=1e-5)


def test_the_gradient_reaches_all_weights() -> None:
    for order, direct in product(("middle", "causal"), (False, True)):
        net = network(order, None, direct=direct)
        net.loss(torch.randn(8, 5, BANDS), torch.empty(8, 0)).backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_below_the_variance_floor_gradients_only_widen() -> None:
    parameters = torch.zeros(2, 3, 1, 1)
    parameters[:, 2] = LOG_VARIANCE_FLOOR - 1
    target = torch.tensor([[0.0], [5.0]])
    for compute in (on_cpu, by_torch):
        _, gradient, _ = compute(parameters, torch.zeros(2, 1), target, True)
        assert gradient[0, 2].item() == 0  # at the mean: narrower would be better, but is not possible
        assert gradient[1, 2].item() < 0  # far out: descent raises the log-variance


def test_a_second_backward_pass_raises() -> None:
    parameters = torch.randn(2, 3, 2, 4, requires_grad=True)
    loss = mixture_nll(parameters, torch.zeros(2, 4), torch.randn(2, 4)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@given(
    logit=st.floats(-1e4, 1e4, width=32),
    mean=st.floats(-1e3, 1e3, width=32),
    log_variance=st.floats(-200, 80, width=32),
    target=st.floats(-1e3, 1e3, width=32),
)
@settings(deadline=None)
def test_extreme_mixtures_have_finite_likelihoods_and_gradients(logit, mean, log_variance, target) -> None:
    parameters = torch.zeros(1, 3, 2, 1)
    parameters[0, :, 0, 0] = torch.tensor([logit, mean, log_variance])
    for dtype in (torch.float32, torch.bfloat16):
        for result in on_cpu(parameters.to(dtype), torch.zeros(1, 1), torch.full((1, 1), target), True):
            assert torch.isfinite(result).all()


def test_bfloat16_training_is_stable_with_outliers() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(-50, 5, (400, BANDS)).astype(np.float32)
    frames[:100] = -100
    frames[:, 2] = -70
    frames[::50] += 500
    features = Features(frames, np.arange(0, 401, 40))
    detector = GroupMade(GroupMadeConfig(precision="bfloat16", epochs=5, hidden=[16, 16], batch_size=32))
    detector.fit(training(features, ["id_00"] * 10, 5), Context())
    scores = detector.score(features, cut_windows(features.offsets, 5), ["id_00"] * 10, Context())
    assert np.isfinite(scores).all()


PROCESS_BANDS, NOISE = 8, 0.5


def gaussian_process(windows: int, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Windows whose first frame has independent bins and each next one is A times the one before plus noise.

    Returns windows, A, and the true negative log-likelihood a bin in expectation.
    """
    rng = np.random.default_rng(7)
    a = np.linalg.qr(rng.normal(size=(PROCESS_BANDS, PROCESS_BANDS)))[0] * np.sqrt(1 - NOISE**2)
    rng = np.random.default_rng(seed)
    all_frames = [rng.normal(size=(windows, PROCESS_BANDS))]
    for _ in range(frames - 1):
        all_frames.append(all_frames[-1] @ a.T + NOISE * rng.normal(size=(windows, PROCESS_BANDS)))
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    return np.stack(all_frames, 1).astype(np.float32), a, entropy + (frames - 1) / frames * math.log(NOISE)


@pytest.mark.parametrize(
    ("order", "excess"),
    [
        ("causal", 0.0),
        # In the opposite order each frame but the first of the order is, given the next, Gaussian with covariance
        # (1 - (1 - NOISE^2)) I again, A being orthogonal: the process is reversible, and "reverse" loses nothing.
        ("reverse", 0.0),
        # Frames 0 and 2 first, as if independent: their information about each other, -log(1 - r^2) / 2 nats a bin
        # with r^2 = (1 - NOISE^2)^2, is lost, over three frames.
        ([[0, 2], [1]], -0.5 * math.log(1 - (1 - NOISE**2) ** 2) / 3),
    ],
    ids=str,
)
def test_likelihoods_of_a_gaussian_process_match_theory(order, excess) -> None:
    """3 frames of 8 bins; 3,000 clips of one window each for training, and as many for the test."""
    frames = 3
    windows, _, truth = gaussian_process(3000, frames, seed=1)
    fresh, _, _ = gaussian_process(3000, frames, seed=2)
    features = Features(windows.reshape(-1, PROCESS_BANDS), np.arange(3001, dtype=np.int64) * frames)
    other = Features(fresh.reshape(-1, PROCESS_BANDS), features.offsets)
    config = GroupMadeConfig(
        order=order,
        likelihood="joint",
        components=1,
        hidden=[24, 24],
        epochs=20,
        batch_size=128,
        learning_rate=3e-3,
        level="keep",
        direct=True,  # the process is linear
        outliers=0,
    )
    detector = GroupMade(config)
    detector.fit(training(features, ["a"] * 3000, frames), Context(seed=3))
    scores = detector.score(other, cut_windows(other.offsets, frames), ["a"] * 3000, Context())
    # Scores refer to standardised bins: in the units of the process a bin adds log(deviation).
    own_units = scores.mean() + np.log(windows.reshape(-1, PROCESS_BANDS).std(axis=0)).mean()
    spread = 3 * scores.std() / math.sqrt(len(scores))
    assert own_units == pytest.approx(truth + excess, abs=0.02)
    assert spread < 0.02


@pytest.mark.parametrize(("centre", "same"), [("id", True), ("machine", False)])
def test_windows_are_scored_relative_to_their_ids_mean(centre, same) -> None:
    ids = ["id_00", "id_01"] * 6
    data = training(clips(ids), ids, 5)
    detector = GroupMade(GroupMadeConfig(centre=centre, epochs=2, hidden=[8], least_batches=2))
    detector.fit(data, Context())
    by_clip = data.features.frames.reshape(12, -1, data.features.bands)
    step = by_clip[1::2].mean(axis=(0, 1)) - by_clip[::2].mean(axis=(0, 1))
    swapped = by_clip + np.where(np.arange(12) % 2, -1, 1)[:, None, None] * step
    moved = Features(swapped.reshape(-1, data.features.bands).astype(np.float32), data.features.offsets)
    own = detector.score(data.features, data.windows, ids, Context())
    others = detector.score(moved, data.windows, ids[1:] + ids[:1], Context())
    assert np.allclose(own, others, rtol=1e-4, atol=1e-4) == same


@pytest.mark.parametrize(("level", "same"), [("window", True), ("keep", False)])
def test_gains_of_clips_do_not_matter_without_level(level, same) -> None:
    """Clips at other gains, in training or among those scored."""
    ids = ["id_00", "id_01"] * 6
    data = training(clips(ids), ids, 5)
    by_clip = data.features.frames.reshape(12, -1, data.features.bands)
    gains = np.random.default_rng(3).uniform(-12, 6, (12, 1, 1))
    moved = Features((by_clip + gains).reshape(data.features.frames.shape).astype(np.float32), data.features.offsets)
    plain, trained_at_gains = (
        GroupMade(GroupMadeConfig(level=level, epochs=2, hidden=[8], precision="float32")) for _ in range(2)
    )
    plain.fit(data, Context())
    trained_at_gains.fit(training(moved, ids, 5), Context())
    own = plain.score(data.features, data.windows, ids, Context())
    scored_at_gains = plain.score(moved, data.windows, ids, Context())
    assert np.allclose(own, scored_at_gains, rtol=1e-4, atol=1e-4) == same
    assert np.allclose(own, trained_at_gains.score(moved, data.windows, ids, Context()), atol=0.02) == same


@pytest.mark.parametrize(
    ("options", "frames", "message"),
    [
        ({"order": "middle"}, 4, 'order: "middle" needs an odd number of frames'),
        ({"order": [[0, 1], [2]]}, 5, "order: must name each of the frames 0 to 4 once"),
        ({"order": [[0, 1], [1, 2]]}, 3, "order: must name each"),
        ({"order": [[0, 1, 2]], "likelihood": "conditional"}, 3, 'likelihood: "conditional" needs at least two groups'),
        ({"order": "causal", "hidden": [3, 8]}, 5, "hidden: 5 groups need layers of at least 4 units"),
        ({}, "clip", "frames: a network needs a number of frames"),
    ],
)
def test_incompatible_options_are_named(options, frames, message) -> None:
    (problem,) = GroupMadeConfig(**options).problems(JobOutline(frames=frames))
    assert problem.startswith(message)


def test_compatible_options_have_no_problems() -> None:
    for order in ORDERS:
        assert GroupMadeConfig(order=order).problems(JobOutline(frames=5)) == []
    assert GroupMadeConfig(order=[[0, 1, 2]]).problems(JobOutline(frames=3)) == []


def test_the_default_likelihood_depends_on_the_order() -> None:
    assert GroupMadeConfig().terms == "conditional"
    assert GroupMadeConfig(order="causal").terms == "joint"
    assert GroupMadeConfig(order=[[0], [1]]).terms == "joint"
    assert GroupMadeConfig(order="middle", likelihood="joint").terms == "joint"


def test_a_state_with_other_outliers_is_refused() -> None:
    config = GroupMadeConfig(epochs=1, hidden=[8], components=2, outliers=0.2)
    detector = GroupMade(config)
    detector.fit(training(clips(["a", "a"]), ["a", "a"], 5), Context())
    state = detector.state()
    GroupMade(config).load(state)
    with pytest.raises(ValueError, match=r"of the outliers 0\.2; expected 0"):
        GroupMade(GroupMadeConfig(epochs=1, hidden=[8], components=2, outliers=0)).load(state)
    del state["outliers"]  # as in versions without outliers
    with pytest.raises(ValueError, match=r"of the outliers None; expected 0\.2"):
        GroupMade(config).load(state)


@DIRECT
@pytest.mark.parametrize("level", ["keep", "window"])
def test_a_state_is_scored_as_it_was_trained_whatever_the_options(direct, level) -> None:
    """States of versions without these options have direct connections and levels; a bundle has today's defaults."""
    options = {"epochs": 1, "hidden": [8], "components": 2}
    detector, data = GroupMade(GroupMadeConfig(direct=direct, level=level, **options)), training(clips("aa"), "aa", 5)
    detector.fit(data, Context())
    state = detector.state()
    assert ("standard.less_level" in state, any("shifts" in key for key in state)) == (level == "window", direct)
    loaded = GroupMade(GroupMadeConfig(direct=not direct, level="window" if level == "keep" else "keep", **options))
    loaded.load(state)
    scores = (each.score(data.features, data.windows, "aa", Context()) for each in (detector, loaded))
    np.testing.assert_array_equal(*scores)
