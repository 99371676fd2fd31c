"""Find, import, isolate and build plugins."""
