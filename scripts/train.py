"""`fer train` for those who start it by `accelerate launch scripts/train.py RECIPE --data ... --output ...`."""

import sys

from modeling_fer_cli import app

app(["train", *sys.argv[1:]])
