"""Of what Git writes, the line that says why."""

import pytest

from reconciler import git_reasons

NOT_READ = """fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.'"""

DUBIOUS = f"""stderr: 'fatal: detected dubious ownership in repository at '/srv/models.git'
To add an exception for this directory, call:

	git config --global --add safe.directory /srv/models.git
{NOT_READ}"""

REFUSED = f"""stderr: 'git@git.example.org: Permission denied (publickey).
{NOT_READ}"""

AWAY = f"""stderr: 'Warning: Permanently added 'git.example.org'
ssh: connect to host git.example.org port 22: Connection refused
{NOT_READ}"""

REJECTED = """To /srv/models.git
 ! [rejected] x -> x
error: failed to push some refs to '/srv/models.git'"""

LOCKED_THERE = """stderr: 'remote: error: cannot lock ref 'refs/heads/x': Unable to create 'x.lock': File exists.        
remote: 
remote: Another git process seems to be running in this repository, e.g.        
To /srv/models.git
 ! [remote rejected] x -> x (failed to update ref)
error: failed to push some refs to '/srv/models.git'"""  # noqa: E501, W291  as it writes it


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (LOCKED_THERE, "cannot lock ref 'refs/heads/x': Unable to create 'x.lock': File exists."),
        (DUBIOUS, "detected dubious ownership in repository at '/srv/models.git"),
        (REFUSED, "git@git.example.org: Permission denied (publickey)."),
        (AWAY, "ssh: connect to host git.example.org port 22: Connection refused"),
        ("stderr: 'fatal: couldn't find remote ref x'", "couldn't find remote ref x"),
        (REJECTED, "error: failed to push some refs to '/srv/models.git"),
        (NOT_READ, "Could not read from remote repository."),
        ("", ""),
    ],
)
def test_the_reason_is_told_and_not_the_advice_around_it(said: str, why: str) -> None:
    assert git_reasons.reason(said) == why
