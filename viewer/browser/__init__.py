"""The viewer in a browser: a page served by viser."""
