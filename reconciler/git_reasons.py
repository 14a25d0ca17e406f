"""Why Git failed, in one line: the reason among the advice that Git writes around it."""

# What Git says after the reason, whatever it was, where a repository cannot be reached.
_NOT_READ = "fatal: Could not read from remote repository."
_FATAL = "fatal: "
_THERE = "remote: error: "


def reason(said: str) -> str:
    """The line of `said` that says why; empty where none does.

    That is the first that is fatal, or the first error over there, of which Git itself says no more
    than that the push failed; where another program failed, such as ssh, its last.
    """
    told, not_read, _ = said.partition(_NOT_READ)
    for sign in (_FATAL, _THERE):
        _, is_it, why = told.partition(sign)
        if is_it:
            return why.partition("\n")[0].strip(" '")
    lines = [line.strip() for line in told.splitlines() if line.strip(" '")]
    # GitPython puts what it caught between quotes.
    last = lines[-1] if lines else not_read.removeprefix(_FATAL)
    return last.removeprefix("stderr: '").strip(" '")
