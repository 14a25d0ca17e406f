"""Pull requests looked at: what they would do is gathered, told on the forge, and told again.

`gathering` asks the registry and the policies, `heads` has the commits, `telling` writes comment
and statuses, `rounds` does it again and again on a thread of its own, and `merged` tells of the
commit that came of it. All of it is beside the loop: no host waits for a forge.
"""
