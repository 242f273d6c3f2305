"""Whether the nearest pairs in a gallery show the same skill."""

import torch
from torch import Tensor

NEIGHBOURS = 5


def knn_accuracy(
    gallery: Tensor, gallery_skill: Tensor, queries: Tensor, query_skill: Tensor, standardise: bool
) -> float:
    """Accuracy of the most frequent skill among the five nearest (Euclidean), as the mean over the queries' skills.

    gallery: (G, D) with skills (G,). queries: (Q, D) with skills (Q,). standardise: bring every dimension to the
    gallery's unit deviation first. Of equally frequent skills the one with the nearest pair wins.
    """
    if standardise:
        mean, std = gallery.mean(0), gallery.std(0).clamp_min(1e-6)
        gallery, queries = (gallery - mean) / std, (queries - mean) / std
    nearest = torch.cdist(queries, gallery).topk(min(NEIGHBOURS, len(gallery)), largest=False).indices
    votes = torch.nn.functional.one_hot(gallery_skill[nearest]).float()
    # Less than a vote in all, and each more than all after it: it decides between equals alone.
    bonus = 0.5 ** torch.arange(1, votes.shape[1] + 1, device=votes.device)
    winner = (votes * (1 + bonus)[:, None]).sum(1).argmax(1)
    right = (winner == query_skill).float()
    return float(torch.stack([right[query_skill == skill].mean() for skill in query_skill.unique()]).mean())
