"""Motion data: rotations, skeletons, clips, the library on the device, and what is built from them."""
