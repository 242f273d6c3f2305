"""Physics engines behind one seam."""
