import torch

from hoigym.envs.reward import force_rule_contacts, pair_contacts

BODIES, OBJECTS = 6, 2
FREE, HANDS = torch.tensor([0, 1]), torch.tensor([4, 5])


def test_pairs_tell_who_touches_what():
    ground = torch.zeros(6, BODIES, dtype=torch.bool)
    objects = torch.zeros(6, BODIES, OBJECTS, dtype=torch.bool)
    ground[1, 1] = True  # a body that must stay free lies on the ground
    objects[2, 0, 1] = True  # ... or is hit by the second object
    ground[3, 3] = True  # a foot stands
    objects[4, 3, 0] = True  # a foot kicks the first object
    objects[5, 4, 0] = True  # a hand holds it
    contacts = pair_contacts(ground, objects, FREE, HANDS)
    assert contacts.body.tolist() == [False, True, True, False, False, False]
    assert contacts.object.tolist() == [[False, False]] * 5 + [[True, False]]


def test_pairs_without_objects():
    ground = torch.ones(2, BODIES, dtype=torch.bool)
    contacts = pair_contacts(ground, torch.zeros(2, BODIES, 0, dtype=torch.bool), FREE, HANDS)
    assert contacts.body.all()
    assert contacts.object.shape == (2, 0)


def test_force_rule_thresholds():
    body_force = torch.zeros(4, BODIES, 3)
    body_force[1, 1, 2] = -0.1
    body_force[2, 0, 0] = 0.0999
    body_force[3, 4, 0] = 50.0  # hands may touch
    object_force = torch.zeros(4, OBJECTS, 3)
    object_force[0, 0, 2] = 70.0  # the floor
    object_force[1, 1, 1] = -0.11
    object_force[2, 0, 0] = 0.1
    contacts = force_rule_contacts(body_force, object_force, FREE)
    assert contacts.body.tolist() == [False, True, False, False]
    assert contacts.object.tolist() == [[False, False], [False, True], [False, False], [False, False]]
