"""HOIGym: vectorised human-object-interaction environments and skill learning."""

import sys
from pathlib import Path

if not Path(__file__).with_name("envs").is_dir():
    # In a clone the folders lie beside this one, where the project's user wants them; a wheel has them inside.
    __path__.append(str(Path(__file__).parents[1]))

if "gymnasium" in sys.modules:
    # `gymnasium.make_vec("hoigym:hoigym/BallPlay-v0")` imports this to learn the names. The help of the command line
    # does without gymnasium, whose import takes longer than all the rest of it.
    import hoigym.envs  # noqa: F401
