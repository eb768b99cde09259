"""Find the fastest settings for a workload on this machine: a race, a final, and the answer.

The race tries a ladder of switches (conf/tune.yaml) in long-lived processes whose UNet calls are
timed in turn. The fastest candidates go into the final, rounds of the normal launcher, whose
verdicts make up the answer.

May import ``execution`` and what is below it; only ``cli`` imports this package.
"""
