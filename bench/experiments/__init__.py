"""What experiments cost and never do, by simulation of users who are looked at one by one."""
