import json
import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hoigym.envs.reward import (
    DEEPMIMIC_WEIGHTS,
    REWARDS,
    Contacts,
    Reward,
    RewardWeights,
    deepmimic_reward,
    force_rule_contacts,
    object_free_rows,
    skillmimic_reward,
)
from hoigym.motions.rotations import exp_to_quat, normalize, quat_from_yaw, quat_mul, quat_rotate
from hoigym.motions.skeleton import load_skeleton

N, J, B, K = 4, 5, 6, 2
KEYS = torch.tensor([2, 5])
ALL_ON = RewardWeights(**dict.fromkeys(asdict(RewardWeights()), 1.0))
NOBODY_FREE = torch.zeros(N, dtype=torch.bool)


@dataclass
class State:
    root_pos: Tensor
    root_quat: Tensor
    joint_rot: Tensor
    joint_vel: Tensor
    body_pos: Tensor
    object_pos: Tensor
    object_quat: Tensor
    object_lin_vel: Tensor
    object_ang_vel: Tensor
    contact: Tensor


@pytest.fixture
def reference() -> State:
    generator = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return State(
        root_pos=normal(N, 3),
        root_quat=normalize(normal(N, 4)),
        joint_rot=0.5 * normal(N, J, 3),
        joint_vel=normal(N, J, 3),
        body_pos=normal(N, B, 3),
        object_pos=normal(N, K, 3),
        object_quat=normalize(normal(N, K, 4)),
        object_lin_vel=normal(N, K, 3),
        object_ang_vel=normal(N, K, 3),
        contact=torch.tensor([[1.0, 0.0]]).repeat(N, 1),
    )


def reward(
    state: State,
    reference: State,
    weights: RewardWeights = ALL_ON,
    function=skillmimic_reward,
    **changes,
) -> Reward:
    defaults = {
        "contacts": Contacts(torch.zeros(N, dtype=torch.bool), reference.contact > 0.5),
        "previous_joint_vel": reference.joint_vel,
        "object_free": NOBODY_FREE,
        "key_bodies": KEYS,
    }
    return function(state, reference, weights=weights, **(defaults | changes))


def rooted(exp_map: Tensor, like: State) -> State:
    return replace(like, root_quat=exp_to_quat(exp_map.expand(N, 3)))


def root_term(state: State, reference: State, mode: str) -> Tensor:
    """Squared root error in rad^2 as the reward sees it."""
    weights = RewardWeights(**(dict.fromkeys(asdict(ALL_ON), 0.0) | {"r": 1.0}))
    return -reward(state, reference, weights, rotation_difference=mode).total.log() * 3 * (J + 1)


@pytest.mark.parametrize("objectless", [False, True])
@pytest.mark.parametrize("name", ["ballplay", "soft"])
def test_published_reward(shared, name, objectless):
    arrays = np.load(shared / "golden" / "obs_reward.npz", allow_pickle=False)
    skeleton = load_skeleton("mocap")
    weights = json.loads(str(arrays[f"weights_{name}"]))
    published = RewardWeights(
        p=weights["p"],
        r=weights["r"],
        rv=weights["rv"],
        op=weights["op"],
        orot=weights["or"],
        opv=weights["opv"],
        orv=weights["orv"],
        ig=weights["ig"],
        cg_body=weights["cg1"],
        cg_object=weights["cg2"],
    )

    def tensor(key: str) -> Tensor:
        return torch.from_numpy(arrays[key])

    def state(key: str) -> State:
        frame = tensor(key)
        body_pos = torch.full((64, 53, 3), torch.nan)
        body_pos[:, list(skeleton.key_bodies)] = frame[:, 328:379].view(64, 17, 3)
        return State(
            root_pos=frame[:, 0:3],
            root_quat=exp_to_quat(frame[:, 3:6]),
            joint_rot=frame[:, 6:162].view(64, 52, 3),
            joint_vel=frame[:, 162:318].view(64, 52, 3),
            body_pos=body_pos,
            object_pos=frame[:, None, 318:321],
            object_quat=frame[:, None, [324, 321, 322, 323]],
            object_lin_vel=frame[:, None, 325:328],
            object_ang_vel=torch.full((64, 1, 3), torch.nan),
            contact=frame[:, 379:],
        )

    skill = tensor("skill_label")
    result = skillmimic_reward(
        state("sim"),
        state("ref"),
        contacts=force_rule_contacts(
            tensor("body_contact_forces"),
            tensor("object_contact_force")[:, None],
            torch.tensor(skeleton.contact_free),
        ),
        previous_joint_vel=state("sim_previous").joint_vel,
        object_free=object_free_rows(skill, (0, 10) if objectless else ()),
        key_bodies=torch.tensor(skeleton.key_bodies),
        weights=published,
        rotation_difference="exp_map",
    )
    expected = tensor(f"reward_noobject_{name}" if objectless else f"reward_{name}").float()
    torch.testing.assert_close(result.total, expected, atol=1e-5, rtol=0)
    product = torch.stack(list(result.terms.values())).prod(0)
    torch.testing.assert_close(product, result.total, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["rotation", "exp_map"])
def test_perfect_tracking_is_worth_one(reference, mode):
    result = reward(reference, reference, rotation_difference=mode)
    assert set(result.terms) == {f"r_{name}" for name in asdict(ALL_ON)}
    for name, term in result.terms.items():
        assert torch.equal(term, torch.ones(N)), name
    assert torch.equal(result.total, torch.ones(N))


@pytest.mark.parametrize(
    ("quantity", "moved"),
    [
        ("root_pos", {"r_p", "r_ig"}),
        ("body_pos", {"r_p", "r_ig"}),
        ("root_quat", {"r_r"}),
        ("joint_rot", {"r_r"}),
        ("joint_vel", {"r_rv"}),
        ("object_pos", {"r_op", "r_ig"}),
        ("object_quat", {"r_orot"}),
        ("object_lin_vel", {"r_opv"}),
        ("object_ang_vel", {"r_orv"}),
    ],
)
def test_each_error_lowers_its_own_terms_only(reference, quantity, moved):
    value = getattr(reference, quantity)
    changed = normalize(value + 0.1) if quantity.endswith("quat") else value + 0.1
    result = reward(replace(reference, **{quantity: changed}), reference)
    for name, term in result.terms.items():
        assert (term < 1 - 1e-5).all() if name in moved else torch.equal(term, torch.ones(N)), name


def test_smoothness_watches_joints_that_rest_in_the_reference(reference):
    reference.joint_vel[:, 0] = 0.0
    shaken = reference.joint_vel.clone()
    shaken[:, 1:] += 3.0  # these are meant to move
    smooth = reward(reference, reference, previous_joint_vel=shaken).terms["r_smooth"]
    torch.testing.assert_close(smooth, torch.ones(N))
    shaken[:, 0, 0] = 2.0
    smooth = reward(reference, reference, previous_joint_vel=shaken).terms["r_smooth"]
    torch.testing.assert_close(smooth, torch.full((N,), math.exp(-4.0 / (3 * J))))


def test_contact_terms(reference):
    body = reward(
        reference,
        reference,
        contacts=Contacts(torch.ones(N, dtype=torch.bool), reference.contact > 0.5),
    )
    torch.testing.assert_close(body.terms["r_cg_body"], torch.full((N,), math.exp(-1.0)))
    assert torch.equal(body.terms["r_cg_object"], torch.ones(N))
    dropped = reward(
        reference,
        reference,
        contacts=Contacts(torch.zeros(N, dtype=torch.bool), torch.zeros(N, K, dtype=torch.bool)),
    )
    torch.testing.assert_close(dropped.terms["r_cg_object"], torch.full((N,), math.exp(-0.5)))
    assert torch.equal(dropped.terms["r_cg_body"], torch.ones(N))


def test_errors_are_means_over_all_numbers(reference):
    state = replace(reference, object_pos=reference.object_pos.clone(), body_pos=reference.body_pos.clone())
    state.object_pos[:, 1, 2] += 0.5
    terms = reward(state, reference).terms
    torch.testing.assert_close(terms["r_op"], torch.full((N,), math.exp(-0.25 / (3 * K))))
    torch.testing.assert_close(terms["r_ig"], torch.full((N,), math.exp(-0.25 / (3 * K))))
    state.body_pos[:, 3] += 9.0  # not a key body
    assert torch.equal(reward(state, reference).terms["r_p"], torch.ones(N))
    state.body_pos[:, 5, 0] += 0.3
    torch.testing.assert_close(
        reward(state, reference).terms["r_p"], torch.full((N,), math.exp(-0.09 / (3 * (1 + len(KEYS)))))
    )


def test_published_weights():
    assert {name: weight for name, weight in asdict(REWARDS["skillmimic"].weights).items() if weight} == {
        "p": 20.0,
        "r": 20.0,
        "smooth": 0.1,
        "op": 1.0,
        "ig": 20.0,
        "cg_body": 5.0,
        "cg_object": 5.0,
    }
    assert {name: weight for name, weight in asdict(REWARDS["deepmimic"].weights).items() if weight} == {
        "p": 40.0,
        "r": 2.0,
        "rv": 0.1,
        "op": 40.0,
    }


def test_weight_zero_switches_a_term_off(reference):
    bad = replace(reference, object_pos=reference.object_pos + torch.nan)
    weights = replace(ALL_ON, op=0.0, ig=0.0)
    result = reward(bad, reference, weights)
    assert result.terms.keys() == reward(reference, reference).terms.keys() - {"r_op", "r_ig"}
    assert torch.equal(result.total, torch.ones(N))


def test_skills_without_an_object_keep_the_body_terms(reference):
    state = replace(reference, object_pos=reference.object_pos + 1.0, joint_rot=reference.joint_rot + 0.1)
    contacts = Contacts(torch.ones(N, dtype=torch.bool), reference.contact < 0.5)
    free = torch.tensor([True, False, True, False])
    result = reward(state, reference, contacts=contacts, object_free=free)
    torch.testing.assert_close(result.total[free], result.terms["r_r"][free])
    for name in ("r_op", "r_ig", "r_cg_body", "r_cg_object"):
        assert (result.terms[name][free] == 1).all()
        assert (result.terms[name][~free] < 1).all()


def test_a_scene_without_objects_has_no_object_terms(reference):
    nothing = replace(
        reference,
        object_pos=torch.zeros(N, 0, 3),
        object_quat=torch.zeros(N, 0, 4),
        object_lin_vel=torch.zeros(N, 0, 3),
        object_ang_vel=torch.zeros(N, 0, 3),
    )
    contacts = Contacts(torch.zeros(N, dtype=torch.bool), torch.zeros(N, 0, dtype=torch.bool))
    result = reward(nothing, reference, contacts=contacts)
    assert set(result.terms) == {"r_p", "r_r", "r_rv", "r_smooth", "r_cg_body"}
    assert torch.equal(result.total, torch.ones(N))


def test_a_reference_with_too_few_objects_is_refused(reference):
    fewer = replace(reference, object_pos=reference.object_pos[:, :1])
    with pytest.raises(ValueError, match="2 objects, but the reference has 1"):
        reward(reference, fewer)


def test_joints_left_out_do_not_count(reference):
    joint_rot, joint_vel = reference.joint_rot.clone(), reference.joint_vel.clone()
    joint_rot[:, 3:] += 1.0
    joint_vel[:, 3:] += 1.0
    state = replace(reference, joint_rot=joint_rot, joint_vel=joint_vel)
    assert torch.equal(reward(state, reference, joints=torch.tensor([0, 1, 2])).total, torch.ones(N))
    assert (reward(state, reference).total < 1).all()


def test_root_comparison_is_continuous_where_the_exp_map_wraps(reference):
    axis = torch.tensor([0.6, 0.0, 0.8])
    target = rooted(2.98 * axis, reference)
    before, after = (rooted((math.pi + step) * axis, reference) for step in (-1e-3, 1e-3))
    angles = [root_term(state, target, "rotation") for state in (before, after)]
    assert (angles[0] - angles[1]).abs().max() < 1e-3
    torch.testing.assert_close(angles[1], torch.full((N,), (math.pi + 1e-3 - 2.98) ** 2), atol=1e-4, rtol=0)
    published = [root_term(state, target, "exp_map") for state in (before, after)]
    assert published[0].max() < 0.03
    assert published[1].min() > 30


@pytest.mark.parametrize("start", [0.0, 1.0, 2.98])
def test_root_comparison_equals_the_published_one_about_the_same_axis(reference, start):
    axis = torch.tensor([0.0, 0.6, -0.8])
    target, state = rooted(start * axis, reference), rooted((start + 0.1) * axis, reference)
    for mode in ("rotation", "exp_map"):
        torch.testing.assert_close(root_term(state, target, mode), torch.full((N,), 0.01), atol=2e-5, rtol=0)


def test_root_comparison_equals_the_published_one_to_first_order_near_identity(reference):
    base, error = torch.tensor([0.05, -0.02, 0.03]), torch.tensor([-0.06, 0.08, 0.0])
    target, state = rooted(base, reference), rooted(base + error, reference)
    angle = root_term(state, target, "rotation")
    torch.testing.assert_close(angle, root_term(state, target, "exp_map"), atol=0, rtol=5e-3)
    torch.testing.assert_close(angle, torch.full((N,), 0.01), atol=0, rtol=5e-3)


def test_turning_the_world_changes_nothing(reference):
    generator = torch.Generator().manual_seed(8)
    state = replace(
        reference,
        root_quat=normalize(reference.root_quat + 0.1 * torch.randn((N, 4), generator=generator)),
        object_pos=reference.object_pos + 0.1 * torch.randn((N, K, 3), generator=generator),
    )
    here = reward(state, reference)
    turn = quat_from_yaw(torch.tensor([0.7, -2.0, 3.0, 1.6]))
    there = reward(turned(state, turn), turned(reference, turn))
    for name in set(here.terms) - {"r_orot"}:
        torch.testing.assert_close(there.terms[name], here.terms[name], atol=1e-5, rtol=0)


def turned(state: State, turn: Tensor) -> State:
    def vectors(value: Tensor) -> Tensor:
        return quat_rotate(turn[:, None].expand(-1, value.shape[1], -1), value)

    return replace(
        state,
        root_pos=quat_rotate(turn, state.root_pos),
        root_quat=quat_mul(turn, state.root_quat),
        body_pos=vectors(state.body_pos),
        object_pos=vectors(state.object_pos),
        object_lin_vel=vectors(state.object_lin_vel),
        object_ang_vel=vectors(state.object_ang_vel),
    )


def test_the_sign_of_a_quaternion_means_nothing(reference):
    state = replace(reference, root_quat=-reference.root_quat, object_quat=-reference.object_quat)
    assert torch.equal(reward(state, reference).total, torch.ones(N))
    published = reward(state, reference, rotation_difference="exp_map").terms["r_orot"]
    torch.testing.assert_close(published, torch.full((N,), math.exp(-1.0)))  # |2 q|^2 / 4


def test_deepmimic_adds_its_terms(reference):
    state = replace(reference, joint_vel=reference.joint_vel + 2.0, object_pos=reference.object_pos + 9.0)
    free = torch.tensor([True, False, False, True])
    result = reward(state, reference, DEEPMIMIC_WEIGHTS, deepmimic_reward, object_free=free)
    assert list(result.terms) == ["r_p", "r_r", "r_rv", "r_op"]
    torch.testing.assert_close(result.total, torch.full((N,), 2.0 + math.exp(-0.4)))
    perfect = reward(reference, reference, DEEPMIMIC_WEIGHTS, deepmimic_reward, object_free=free)
    assert perfect.total.tolist() == [3.0, 4.0, 4.0, 3.0]


def test_a_share_is_1_at_best():
    terms = {name: torch.ones(2) for name in ("r_p", "r_r", "r_rv", "r_op")}
    free = torch.tensor([False, True])  # there, only the three terms of the body count
    assert deepmimic_reward.share(torch.tensor([4.0, 3.0]), terms, free).tolist() == [1.0, 1.0]
    assert deepmimic_reward.share(torch.tensor([2.0, 1.5]), terms, free).tolist() == [0.5, 0.5]
    product = torch.tensor([0.25, 1.0])
    assert torch.equal(skillmimic_reward.share(product, terms, free), product)
