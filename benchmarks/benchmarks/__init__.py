"""What `asv` times. Each class is a step, its parameters are sizes."""

import sys
from pathlib import Path

# Tables, anchors and steps are those of the programs beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
