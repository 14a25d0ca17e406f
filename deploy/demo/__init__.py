"""The whole main job in one go, on real parts: `python -m deploy.demo`."""
