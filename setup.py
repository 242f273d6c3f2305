"""The distribution `hoigym`."""

from pathlib import Path

from setuptools import find_namespace_packages, find_packages, setup

NOT_SHIPPED = ("hoigym*", "tests*", "docs*", "models*", "output*", "build*", "typings*")

REQUIRES = [
    # An engine or tensor release can change physics or random streams: exact.
    "mujoco==4.0.0",
    "torch==2.13.0",
    "rl-games==1.6.5",
    "numpy>=2,<3",
    "gymnasium[array-api]>=1.4,<2",
    "safetensors>=0.5,<1",
    "jsonargparse[signatures]>=4.53,<5",
    "pyyaml>=6,<7",
    "tensorboard>=2.18,<3",
    "pytorch-lightning>=2.6,<3",
    "trimesh>=5,<6",
    "imageio>=2.37,<3",
    "imageio-ffmpeg>=0.6,<1",
    "rich>=14,<16",
    "matplotlib>=3.10,<4",
    "pillow>=11,<14",
    "viser>=1.1,<2",
]
GPU = ["mujoco-warp==4.0.0", "warp-lang>=1.19,<1.20"]
UNISKILL = ["accelerate>=1.15,<2", "diffusers>=0.42,<1", "transformers>=5.23,<6"]
UVA = [*UNISKILL, "zarr>=3.1,<4", "h5py>=3.16,<4", "gym-pusht==0.1.8"]
# skrl shows that a learning library that is not ours can use the environment.
PYTEST = ["pytest>=9,<10", "pytest-xdist>=3.8,<4", "setuptools>=77"]
TEST = [*PYTEST, "skrl>=2.1,<3", "moviepy", "selenium>=4.30,<5", *GPU, *UVA]
DEV = [*TEST, "ruff==0.17.5", "pyright[nodejs]==1.1.414"]

# In a wheel all of it lies inside `hoigym`: people have folders called envs, agents, models and cfg themselves.
CODE = find_packages(exclude=NOT_SHIPPED)
DATA = find_namespace_packages(include=["cfg", "cfg.*", "models", "models.*"])
FOLDERS = {f"hoigym.{package}": package.replace(".", "/") for package in [*CODE, *DATA]}

setup(
    name="hoigym",
    version="0.1.0",
    description="Vectorised human-object-interaction environments and skill learning",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=3.11",
    packages=["hoigym", *FOLDERS],
    package_dir={"hoigym": "hoigym", **FOLDERS},
    package_data={"": ["*.yaml", "*.npz", "**/*.yaml", "**/*.npz", "*.safetensors", "*.json"]},
    install_requires=REQUIRES,
    extras_require={"gpu": GPU, "uniskill": UNISKILL, "uva": UVA, "test": TEST, "dev": DEV, "docs": ["mkdocs>=1.6,<2"]},
    entry_points={"console_scripts": ["hoigym=hoigym.commands.app:main"]},
)
