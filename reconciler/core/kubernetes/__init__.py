"""From what Git asks for to Kubernetes' own objects: plain values, no cluster, no clock.

`workload` has what runs an instance, `gateway` who reaches it, `kserve` the same for who lets
KServe do both, `text` the YAML, `rendering` what `plimsoll render` prints.
"""
