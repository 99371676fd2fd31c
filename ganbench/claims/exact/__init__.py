"""Exact exhibits: small calculations with known answers, in double precision, from the GAN and WGAN literature.

What is covered: discrete optimal transport, divergences, parallel lines, the optimal critic and the generator's
gradients under it, the bound on W by the Jensen-Shannon divergence of noised distributions, the xy game and the
Dirac-GAN. No network is trained here.
"""
