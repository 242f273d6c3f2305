"""Warp kernels that read MuJoCo-Warp's state out into tensors of the engine seam.

They run within the engine's graphs, so a control step is one launch. Rows are worlds. Quaternions are wxyz:
the four components of wp.quat hold them in that order, as MuJoCo-Warp has it.
"""

import warp as wp

wp.set_module_options({"enable_backward": False})

GROUND = wp.constant(-1)
"""Contact slot of the ground; bodies have slots 0 .. B-1, objects B .. B+K-1."""
UNTRACKED = wp.constant(-2)
"""Contact slot of projectiles, of which no flag tells."""
_SMALL_ANGLE = wp.constant(1e-4)


@wp.func
def _turned(quat: wp.quat, vector: wp.vec3) -> wp.vec3:
    axis = wp.vec3(quat[1], quat[2], quat[3])
    twice = 2.0 * wp.cross(axis, vector)
    return vector + quat[0] * twice + wp.cross(axis, twice)


@wp.func
def _exp_map(quat: wp.quat) -> wp.vec3:
    sign = wp.where(quat[0] < 0.0, -1.0, 1.0)
    cosine = sign * quat[0]
    axis = sign * wp.vec3(quat[1], quat[2], quat[3])
    sine = wp.length(axis)
    if sine < _SMALL_ANGLE:
        return axis * (2.0 / wp.max(cosine, 0.5))
    return axis * (2.0 * wp.atan2(sine, cosine) / sine)


@wp.func
def _vector(values: wp.array2d[float], row: int, begin: int) -> wp.vec3:
    return wp.vec3(values[row, begin], values[row, begin + 1], values[row, begin + 2])


@wp.func
def _quat(values: wp.array2d[float], row: int, begin: int) -> wp.quat:
    return wp.quat(values[row, begin], values[row, begin + 1], values[row, begin + 2], values[row, begin + 3])


@wp.kernel
def read_free_bodies(
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    first_qpos: int,
    first_qvel: int,
    pos: wp.array2d[wp.vec3],
    quat: wp.array2d[wp.quat],
    lin_vel: wp.array2d[wp.vec3],
    ang_vel: wp.array2d[wp.vec3],
):
    """Pose and world-frame velocity of bodies on free joints, which lie in a row from the given addresses on.

    Dimensions (N, bodies).
    """
    row, body = wp.tid()
    at, speed_at = first_qpos + 7 * body, first_qvel + 6 * body
    turn = _quat(qpos, row, at + 3)
    pos[row, body] = _vector(qpos, row, at)
    quat[row, body] = turn
    lin_vel[row, body] = _vector(qvel, row, speed_at)
    # MuJoCo keeps a free joint's angular velocity in the body frame.
    ang_vel[row, body] = _turned(turn, _vector(qvel, row, speed_at + 3))


@wp.kernel
def read_joints(
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    free_joints: wp.array[int],
    joint_rot: wp.array2d[wp.vec3],
    joint_vel: wp.array2d[wp.vec3],
):
    """Exp-maps and velocities of the ball joints. Dimensions (N, free joints)."""
    row, index = wp.tid()
    joint = free_joints[index]
    joint_rot[row, joint] = _exp_map(_quat(qpos, row, 7 + 4 * index))
    joint_vel[row, joint] = _vector(qvel, row, 6 + 3 * index)


@wp.kernel
def read_bodies(
    xpos: wp.array2d[wp.vec3],
    xquat: wp.array2d[wp.quat],
    cvel: wp.array2d[wp.spatial_vector],
    subtree_com: wp.array2d[wp.vec3],
    root: int,
    pos: wp.array2d[wp.vec3],
    quat: wp.array2d[wp.quat],
    lin_vel: wp.array2d[wp.vec3],
    ang_vel: wp.array2d[wp.vec3],
):
    """Poses and velocities of the humanoid's body frames; its bodies follow each other from root on.

    MuJoCo gives velocities at the centre of mass of the whole tree. Dimensions (N, B).
    """
    row, index = wp.tid()
    body = root + index
    spin = wp.spatial_top(cvel[row, body])
    lever = xpos[row, body] - subtree_com[row, root]
    pos[row, index] = xpos[row, body]
    quat[row, index] = xquat[row, body]
    ang_vel[row, index] = spin
    lin_vel[row, index] = wp.spatial_bottom(cvel[row, body]) + wp.cross(spin, lever)


@wp.func
def _push(
    row: int,
    slot: int,
    force: wp.vec3,
    body_force: wp.array2d[wp.vec3],
    object_force: wp.array2d[wp.vec3],
):
    bodies = body_force.shape[1]
    if slot >= bodies:
        wp.atomic_add(object_force, row, slot - bodies, force)
    elif slot >= 0:
        wp.atomic_add(body_force, row, slot, force)


@wp.kernel
def add_contact_forces(
    count: wp.array[int],
    world: wp.array[int],
    geom: wp.array[wp.vec2i],
    wrench: wp.array[wp.spatial_vector],
    slot_of_geom: wp.array[int],
    body_force: wp.array2d[wp.vec3],
    object_force: wp.array2d[wp.vec3],
):
    """Adds each contact's force [N] to what it acts on: the second geom, and its reaction on the first.

    Dimensions (contacts that there is room for).
    """
    contact = wp.tid()
    if contact >= count[0]:
        return
    row, pair = world[contact], geom[contact]
    force = wp.spatial_top(wrench[contact])
    _push(row, slot_of_geom[pair[0]], -force, body_force, object_force)
    _push(row, slot_of_geom[pair[1]], force, body_force, object_force)


@wp.kernel
def clear_contacts(
    selected: wp.array[wp.bool],
    ground_contact: wp.array2d[wp.bool],
    object_contact: wp.array3d[wp.bool],
):
    """Clears the flags of the selected rows. Dimensions (N, B)."""
    row, body = wp.tid()
    if selected[row]:
        ground_contact[row, body] = False
        for item in range(object_contact.shape[2]):
            object_contact[row, body, item] = False


@wp.kernel
def mark_contacts(
    selected: wp.array[wp.bool],
    count: wp.array[int],
    world: wp.array[int],
    geom: wp.array[wp.vec2i],
    slot_of_geom: wp.array[int],
    ground_contact: wp.array2d[wp.bool],
    object_contact: wp.array3d[wp.bool],
):
    """Sets the flag of each pair in contact in the selected rows. Dimensions (contacts that there is room for)."""
    contact = wp.tid()
    if contact >= count[0]:
        return
    row, pair = world[contact], geom[contact]
    if not selected[row]:
        return
    first, second = slot_of_geom[pair[0]], slot_of_geom[pair[1]]
    low, high = wp.min(first, second), wp.max(first, second)
    bodies = ground_contact.shape[1]
    if low == GROUND and high >= 0 and high < bodies:
        ground_contact[row, high] = True
    if low >= 0 and low < bodies and high >= bodies:
        object_contact[row, low, high - bodies] = True


@wp.kernel
def judge_buffers(
    overflow: wp.array[int],
    bits: int,
    num_pairs: wp.array[int],
    num_contacts: wp.array[int],
    room: int,
    diverged: wp.array[wp.bool],
):
    """Sets or clears each row's flag by whether its numbers were computed from full buffers. Dimensions (N,).

    The contact buffer is shared, so nobody knows which row's contacts were dropped: then all are flagged.
    """
    row = wp.tid()
    full = num_pairs[0] > room or num_contacts[0] > room
    diverged[row] = full or (overflow[row] & bits) != 0


@wp.kernel
def judge_numbers(
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    max_speed: float,
    diverged: wp.array[wp.bool],
):
    """Sets the flag of rows with a position that is no number or a speed beyond reason.

    Dimensions (N, nq).
    """
    row, index = wp.tid()
    if not wp.isfinite(qpos[row, index]):
        diverged[row] = True
    if index < qvel.shape[1] and not wp.abs(qvel[row, index]) < max_speed:  # NaN fails every comparison
        diverged[row] = True


@wp.kernel
def count_events(
    overflow: wp.array[int],
    bits: wp.array[int],
    diverged: wp.array[wp.bool],
    diverged_rows: wp.array[wp.int64],
    counts: wp.array[wp.int64],
):
    """Adds a step's rows to the totals: diverged ones, and those with any of bits[i] set. Dimensions (N,)."""
    row = wp.tid()
    if diverged[row]:
        wp.atomic_add(diverged_rows, 0, wp.int64(1))
    for index in range(bits.shape[0]):
        if (overflow[row] & bits[index]) != 0:
            wp.atomic_add(counts, index, wp.int64(1))
