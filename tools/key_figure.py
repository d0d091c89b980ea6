"""Write the README's picture: the comparison of the three readings in chapter 06.

The picture is taken out of the stored outputs, so it is the one the book shows.
"""

import base64
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "06_two_period_example.ipynb"
PICTURE = ROOT / "book" / "static" / "three_readings.png"


def picture():
    """Return the bytes of the picture."""
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if "figures.readings(" in "".join(cell["source"]):
            for output in cell["outputs"]:
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output["data"]["image/png"])
    raise SystemExit(f"{NOTEBOOK.name} shows no figure of the readings: make refresh")


if __name__ == "__main__":
    PICTURE.write_bytes(picture())
