"""What people look at: videos and pictures of clips and rollouts, behind one viewer protocol."""
