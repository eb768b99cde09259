"""What to set here: a race over cells, a final by the protocol, and the answer.

A ladder of switches (conf/tune.yaml) is climbed in long-lived processes whose UNet calls are timed
in turn; the fastest go into rounds of the normal launcher, whose verdicts the answer is made of.
May import ``execution`` and what lies below it; ``cli`` alone imports this room.
"""
