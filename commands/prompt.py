"""A prompt that is a video or a clip becomes the table of conditions that a policy can be shown."""

from dataclasses import replace
from pathlib import Path

from commands.uniskill_extract import ExtractConfig, extract
from motions.errors import UserError

FOLDER = Path("output/prompts")
TABLE = ".npz"


def prompt_table(prompt: str, model: str, depth_model: str) -> str:
    """The table of a prompt: itself where it is one, else what a UniSkill model makes of the video or clip.

    model: that of the conditions that the policy was trained with; without one an .npz is a table. Raises UserError.
    """
    path = Path(prompt)
    if not prompt or (path.suffix == TABLE and not model):
        return prompt
    if not model:
        raise UserError(
            f"{prompt}: a prompt that is no table needs --prompt_model, the UniSkill model to describe it with"
        )
    table = FOLDER / f"{path.stem}{TABLE}"
    config = ExtractConfig(path, table, model, overwrite=True)
    extract(replace(config, depth_model=depth_model) if depth_model else config)
    return str(table)
