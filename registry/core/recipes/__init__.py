"""Recipes: how a model is made smaller and faster, what that may cost, what came of it. Pure."""
