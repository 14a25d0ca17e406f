"""Writes the demo's golden data set, the same bytes each time: the digits nobody trained on.

`python -m deploy.demo.golden` renews models.d/datasets/digits-golden.csv and prints its digest
for models.d/templates/digits-golden.yaml. Grey values are whole numbers from 0 to 16.
"""

from pathlib import Path

from deploy.demo import models
from registry.core import digest

TARGET = Path(__file__).resolve().parents[2] / "models.d" / "datasets" / "digits-golden.csv"


def content() -> bytes:
    """One line a picture: its label, then 64 pixels row by row."""
    _, images, _, labels = models.splits()
    lines = [",".join(["label", *(f"p{pixel:02}" for pixel in range(64))])]
    for image, label in zip(images, labels, strict=True):
        lines.append(",".join([str(int(label)), *(str(int(grey)) for grey in image)]))
    return ("\n".join(lines) + "\n").encode()


if __name__ == "__main__":
    data = content()
    TARGET.write_bytes(data)
    print(digest.of(data), len(data), "bytes")
