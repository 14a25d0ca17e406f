"""Writes weights.safetensors beside it, with the real library (it was made with 0.8.0).

pip install safetensors==0.8.0 numpy && python make_safetensors.py
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

save_file(
    {
        "embedding": np.arange(24, dtype=np.float32).reshape(6, 4),
        "half": np.ones((2, 3), np.float16),
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 4), np.uint8),
    },
    Path(__file__).with_name("weights.safetensors"),
    metadata={"format": "np"},
)
