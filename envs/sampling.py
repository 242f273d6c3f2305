"""Adaptive trajectory sampling: how often episodes start on each clip and frame."""

import torch
from torch import Tensor

from hoigym.motions.library import MotionLibrary
from hoigym.motions.skill_set import load_skill_set


def cap_shares(shares: Tensor, limit: Tensor) -> Tensor:
    """Shares lowered to a limit; what the largest lose goes to the others of their row, in proportion.

    Args:
        shares: (M, T), each row adding up to 1, or to 0.
        limit: (M, 1), at least 1 over the number of shares above 0 in the row.

    Returns:
        (M, T), rows adding up to what they did.
    """
    largest = shares.sort(dim=1, descending=True).values
    rest = largest.flip(1).cumsum(1).flip(1)  # of a share and all smaller ones
    capped = torch.arange(shares.shape[1], device=shares.device)
    # Factor of the others once so many are capped: the right one is the first that takes no further share too far.
    factor = (1.0 - capped * limit) / rest.clamp_min(torch.finfo(shares.dtype).tiny)
    fits = factor * largest <= limit * (1.0 + 1e-5)
    first = fits.float().argmax(dim=1, keepdim=True)
    return torch.minimum(shares * factor.gather(1, first), limit)


# --- How often episodes start on each clip and frame: adaptive trajectory sampling ----------------------------------


# SkillMimic-V2, table 9: how sharply low rewards draw samples, among clips and among start frames.
CLIP_SHARPNESS, FRAME_SHARPNESS = 5.0, 10.0


class StartSampler:
    """Draws start frames, more often where episodes went badly (SkillMimic-V2, adaptive trajectory sampling).

    Two tables are kept: the mean reward of episodes by start frame and by clip, each moved half way to every new
    result. With R the rewards, c the skill of clip i and t a start frame of it,

        clip weight  w_i = (1 - a) u_i + a softmax_c(-5 R_c) softmax_(i in c)(-5 R_i)
        frame weight w_t = (1 - a) / T + a cap(softmax_(t in i)(-10 R_t))

    with R_c the mean of R_i over the clips of c, u_i the fixed weights of skills and clips (those of skills as the
    skill set has them, with pick-up double; equal among a skill's clips) and a the blend; a = 0 leaves the fixed
    weights alone. Frames that no episode started on count as reward 0, so they are drawn first. Two things differ
    from the released code: the rewards of a clip are those of whole episodes, and not of the one step at which its
    weights are renewed; and no frame's share exceeds `cap` / T, for one from which nothing can be learned keeps
    reward 0 and would draw ever more of the starts.

    Args:
        library: M clips, F frames.
        allowed: (F,) bool, frames that may be drawn.
        blend: a, in 0 .. 1.
        by_frame: whether frames are weighted too, or only clips.
        cap: how many times as often as in an even draw a frame may be drawn within its clip, 1 or more; 0 is no limit.
    """

    def __init__(self, library: MotionLibrary, allowed: Tensor, blend: float, by_frame: bool = True, cap: float = 0.0):
        self._library = library
        self._allowed = allowed.float()
        self._blend = blend
        self._by_frame = by_frame
        self._starts = _group_sum(self._allowed, library.frame_clip, library.num_clips)
        self._limit = (cap / self._starts.clamp_min(1.0)).unsqueeze(1) if cap else None
        longest = int(library.clip_length.max())
        frame = torch.arange(library.num_frames, device=library.device) - library.clip_start[library.frame_clip]
        self._slot = library.frame_clip * longest + frame  # of every frame in a table of clips by frames
        self._table_size = (library.num_clips, longest)
        self._usable = (self._starts > 0).float()
        skills, self._skill = library.clip_skill.unique(return_inverse=True)
        self._num_skills = len(skills)
        self._clips_of_skill = _group_sum(self._usable, self._skill, self._num_skills)
        favour = load_skill_set(library.skeleton.name).start_weights(skills) / self._clips_of_skill.clamp_min(1.0)
        fixed = favour[self._skill] * self._usable
        self._fixed = fixed / fixed.sum()
        self.frame_reward = torch.zeros(library.num_frames, device=library.device)
        self.clip_reward = torch.zeros(library.num_clips, device=library.device)
        self._weights = self._all_weights()

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Rows (count,) of the library to start on."""
        # torch.multinomial waits for the device where it is asked for one draw.
        ends = self._weights.double().cumsum(0)
        share = torch.rand(count, dtype=torch.float64, generator=generator, device=ends.device)
        return torch.searchsorted(ends, share * ends[-1], right=True)

    @property
    def weights(self) -> Tensor:
        """Weight of every frame, (F,); 0 where no episode may start. They sum to 1."""
        return self._weights

    def clip_weights(self) -> Tensor:
        """Weight of every clip, (M,); they sum to 1."""
        skill, skills = self._skill, self._num_skills
        within = torch.exp(-CLIP_SHARPNESS * self.clip_reward) * self._usable
        reward = _group_sum(self.clip_reward * self._usable, skill, skills) / self._clips_of_skill.clamp_min(1.0)
        among = torch.exp(-CLIP_SHARPNESS * reward) * (self._clips_of_skill > 0)
        share = within / _group_sum(within, skill, skills)[skill].clamp_min(1e-12)
        return (1.0 - self._blend) * self._fixed + self._blend * (among / among.sum())[skill] * share

    def record(self, row: Tensor, reward: Tensor, counted: Tensor) -> None:
        """Notes episodes that ended.

        Args:
            row: (R,) rows of the library they started on.
            reward: (R,) mean reward per step.
            counted: (R,) bool, episodes to note.
        """
        clip = self._library.frame_clip[row]
        _move_half_way(self.frame_reward, row, reward, counted)
        _move_half_way(self.clip_reward, clip, reward, counted)
        if self._blend > 0.0:
            self._weights.copy_(self._all_weights())

    def state_dict(self) -> dict[str, Tensor]:
        """The tables, for checkpoints."""
        return {"frame_reward": self.frame_reward.clone(), "clip_reward": self.clip_reward.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues with the tables of the same library."""
        self.frame_reward.copy_(state["frame_reward"])
        self.clip_reward.copy_(state["clip_reward"])
        self._weights.copy_(self._all_weights())

    def _all_weights(self) -> Tensor:
        weight = self.clip_weights()[self._library.frame_clip] * self._frame_weights()
        return weight / weight.sum()

    def _frame_weights(self) -> Tensor:
        """Weight of every frame within its clip, (F,)."""
        clip = self._library.frame_clip
        uniform = self._allowed / self._starts.clamp_min(1.0)[clip]
        if not self._by_frame:
            return uniform
        poor = torch.exp(-FRAME_SHARPNESS * self.frame_reward) * self._allowed
        share = poor / _group_sum(poor, clip, self._library.num_clips).clamp_min(1e-12)[clip]
        if self._limit is not None:
            share = self._capped(share, self._limit)
        return (1.0 - self._blend) * uniform + self._blend * share

    def _capped(self, share: Tensor, limit: Tensor) -> Tensor:
        """Shares of frames in their clips (F,), each clip's (M, 1) limit kept."""
        clips, longest = self._table_size
        table = torch.zeros(clips * longest, device=share.device).index_copy_(0, self._slot, share)
        return cap_shares(table.view(clips, longest), limit).flatten()[self._slot]


def _group_sum(values: Tensor, group: Tensor, groups: int) -> Tensor:
    return torch.zeros(groups, device=values.device).index_add_(0, group, values)


def _move_half_way(table: Tensor, index: Tensor, values: Tensor, counted: Tensor) -> None:
    """Moves the entries at index half way to the mean of their new values."""
    weight = counted.float()
    count = torch.zeros_like(table).index_add_(0, index, weight)
    mean = torch.zeros_like(table).index_add_(0, index, values * weight) / count.clamp_min(1.0)
    table.copy_(torch.where(count > 0, (table + mean) / 2.0, table))
