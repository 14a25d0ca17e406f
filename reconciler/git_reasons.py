"""Why Git failed, in one line: the reason among the advice that Git writes around it."""

# What Git says after the reason, whatever it was, where a repository cannot be reached.
_NOT_READ = "fatal: Could not read from remote repository."
_FATAL = "fatal: "


def reason(said: str) -> str:
    """The line of `said` that says why; empty where none does.

    That is the first that is fatal; where another program failed, such as ssh, its last.
    """
    told, not_read, _ = said.partition(_NOT_READ)
    _, is_fatal, why = told.partition(_FATAL)
    if is_fatal:
        return why.partition("\n")[0].strip(" '")
    lines = [line.strip() for line in told.splitlines() if line.strip(" '")]
    # GitPython puts what it caught between quotes.
    last = lines[-1] if lines else not_read.removeprefix(_FATAL)
    return last.removeprefix("stderr: '").strip(" '")
