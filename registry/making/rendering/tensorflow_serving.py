"""A model repository for TensorFlow Serving, with `models.config` (model_server_config.proto)."""

import json

from registry.making.rendering.rendered import Rendered, Version, require

ROOT = "/models"


def render(version: Version) -> Rendered:
    """`tensorflow_model_server --model_config_file=/models/models.config` serves the folder that is
    mounted at /models. Raises NotConvertible for anything but a SavedModel."""
    require(version, {"saved_model": None}, "TensorFlow Serving")
    text = f"""# {version.model} {version.version}, {version.digest}
model_config_list {{
  config {{
    name: {json.dumps(version.model)}
    base_path: {json.dumps(f"{ROOT}/{version.model}")}
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: {version.version} }} }}
  }}
}}
"""
    return Rendered({"models.config": text}, f"{version.model}/{version.version}")
