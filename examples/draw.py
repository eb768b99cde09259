"""Draw a prompt: python examples/draw.py "a cat in the snow" weights=FILE scale=published"""

import sys

import sd_bench

prompt, *overrides = sys.argv[1:] or ["a cat in the snow"]
for number, image in enumerate(sd_bench.generate(prompt, *overrides)):
    image.save(f"drawn-{number}.png")
    print(f"drawn-{number}.png: {image.width}x{image.height} pixels, seed {image.info['seed']}")
