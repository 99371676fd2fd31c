"""The claims of the literature: one file a claim or a small family, with its rules and experiments."""
