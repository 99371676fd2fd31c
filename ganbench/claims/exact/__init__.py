"""Closed forms from the GAN and WGAN literature, in double precision; no network is trained here.

Discrete optimal transport, the optimal critic and the generator's gradients under it, and the bound on W by the
Jensen-Shannon divergence of noised distributions.
"""
