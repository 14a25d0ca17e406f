"""nginx on loopback, serving files by sendfile: what a download is measured against."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import addresses, processes
from registry import errors

_CONFIG = """
{user}
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@contextmanager
def serving(root: Path, *, folder: Path) -> Iterator[str]:
    """The URL of an nginx whose document root is `root`; `folder` is for its own files."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise errors.NotFound(
            "nginx, which downloads are measured against, is not installed",
            fix="apt-get install nginx-light",
        )
    folder.mkdir()
    port = addresses.free_port()
    # Started as root, its worker would otherwise be a user that may not read our files.
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(user=user, folder=folder, port=port, root=root))
    command = [program, "-e", str(folder / "error.log"), "-c", str(config)]
    with processes.running(command, log=folder / "nginx.log") as process:
        processes.await_true(
            lambda: addresses.listens(port), "nginx listening", timeout=10, process=process
        )
        yield f"http://127.0.0.1:{port}"
