"""The front of a host with HAProxy: Debian's program, the libraries it is linked with, and
nothing else. The official image `haproxy:2.6` or a newer one works as well: name it as
`haproxy_image`.
"""

import hashlib
from pathlib import Path
from typing import IO

from deploy import base_image, tars

PROGRAM = Path("/usr/sbin/haproxy")
CHANGES = ["USER 10001:10001", "EXPOSE 8080 8081", f'ENTRYPOINT ["{PROGRAM}"]']


def identity() -> str:
    """Changes when the program or this recipe does."""
    if not PROGRAM.exists():
        raise SystemExit(f"{PROGRAM} is missing: install Debian's package haproxy")
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    seen = PROGRAM.stat()
    return f"{seen.st_size} {seen.st_mtime_ns} {recipe}"


def write(stream: IO[bytes]) -> None:
    """The root file system as a tar."""
    with tars.opened(stream) as archive:
        for folder, mode in (("tmp", 0o1777), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
            base_image.add_folder(archive, folder, mode)
        for target, path in base_image.libraries([PROGRAM]).items():
            archive.add(path.resolve(), target, filter=base_image.of_root)
        archive.add(PROGRAM, str(PROGRAM).lstrip("/"), filter=base_image.of_root)
        base_image.add_accounts(archive)
