"""The contact graph of the reward: who touches what.

Two nodes: a body that should touch nothing, and an object that a hand should or should not hold.
"""

from typing import NamedTuple

from torch import Tensor


class Contacts(NamedTuple):
    """Nodes of the contact graph.

    body: (N,) bool, a body that must stay free touches something. object: (N, K) bool, the object is held.
    """

    body: Tensor
    object: Tensor


def pair_contacts(ground_contact: Tensor, object_contact: Tensor, contact_free: Tensor, hands: Tensor) -> Contacts:
    """Contact graph from the engine's contact pairs.

    Args:
        ground_contact: (N, B) bool, body touches the ground.
        object_contact: (N, B, K) bool, body touches object.
        contact_free: (C,) long, bodies that should touch nothing.
        hands: (H,) long, bodies that hold objects.
    """
    on_ground = ground_contact.index_select(1, contact_free).any(1)
    on_object = object_contact.index_select(1, contact_free).flatten(1).any(1)
    return Contacts(on_ground | on_object, object_contact.index_select(1, hands).any(1))


def force_rule_contacts(
    body_force: Tensor, object_force: Tensor, contact_free: Tensor, threshold: float = 0.1
) -> Contacts:
    """Contact graph guessed from net contact forces, the rule of the published system.

    A body touches where any component of its force reaches the threshold. An object is held where a
    horizontal component of its force exceeds it; the vertical one is left out, for the floor pushes upwards.

    Args:
        body_force: (N, B, 3) world [N].
        object_force: (N, K, 3) world [N].
        contact_free: (C,) long, bodies that should touch nothing.
        threshold: [N].
    """
    body = (body_force.index_select(1, contact_free).abs() >= threshold).flatten(1).any(1)
    return Contacts(body, (object_force[..., :2].abs() > threshold).any(-1))
