"""What a watermark survives, measured on networks that are trained here.

`python -m bench --area watermark` measures all of it; docs/watermark.md shows the tables.
"""
