"""Projects: what of a fleet belongs to whom, what each may ask for, and when it may begin. Pure.

`allowance` holds a deployment against its project, `windows` says when rollouts may begin,
`cron` when a schedule comes.
"""
