"""What a version answers by, over many samples: a report that is signed and shown.

The methods are those of `registry.core.explaining`, which a runtime answers single requests with.
"""
