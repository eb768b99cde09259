"""From a prompt to an image: tokens, noise schedule, samplers, the loop over steps.

May import ``config`` and what is below it; the networks are passed in.
"""
