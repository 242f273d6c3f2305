"""A prompt that is a video or a clip becomes the table of conditions that a policy can be shown."""

from dataclasses import replace
from pathlib import Path

from commands.uniskill_extract import ExtractConfig, extract
from conditioners.config import ConditionConfig
from motions.errors import UserError

FOLDER = Path("output/prompts")
TABLE = ".npz"


def prompt_table(condition: ConditionConfig, model: str, depth_model: str) -> str:
    """The table of a condition's prompt: itself where it is one, else what a UniSkill model makes of the video or clip.

    model: that of the conditions that the policy was trained with, whose gap the prompt gets; without one an .npz is
    a table. Raises UserError.
    """
    from conditioners.table_file import load_table

    prompt = condition.prompt
    path = Path(prompt)
    if not prompt or (path.suffix == TABLE and not model):
        return prompt
    if not model:
        raise UserError(
            f"{prompt}: a prompt that is no table needs --prompt_model, the UniSkill model to describe it with"
        )
    table = FOLDER / f"{path.stem}{TABLE}"
    trained = load_table(Path(condition.file)).meta
    config = ExtractConfig(path, table, model, gap=float(trained.get("gap", ExtractConfig.gap)), overwrite=True)
    extract(replace(config, depth_model=depth_model) if depth_model else config)
    return str(table)
