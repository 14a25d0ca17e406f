"""A fresh machine with systemd: this one's system under an overlay, in namespaces of its own.

What is written there is gone with it, its network is a loopback alone, and its first process is
systemd, so units are started, watched and stopped as on any server. Needs root and Debian's
package systemd.
"""

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BOOT = Path(__file__).with_name("boot.sh")
# How this machine reaches package indexes.
_KEPT = ("SSL_CERT", "UV_", "PIP_", "HTTPS_PROXY", "https_proxy")
_CGROUPS = Path("/sys/fs/cgroup")
_HIERARCHIES = ("systemd", "unified", "memory", "pids")


@dataclass
class Machine:
    """`folder` is where it is mounted; `shown` are folders of this machine that are read there."""

    folder: Path
    shown: tuple[Path, ...]
    holder: subprocess.Popen[bytes] | None = None
    first_process: int = 0

    def switch_on(self) -> None:
        """Returns at once: systemd takes a moment to be `is_up`."""
        unshare = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        unshare += ["--fork", "--kill-child", "--propagation", "private"]
        enter = "".join(f"echo $$ > {one}/cgroup.procs; " for one in self._cgroups(make=True))
        boot = shlex.join([*unshare, "sh", str(_BOOT), str(self.folder), *map(str, self.shown)])
        with (self.folder / "console").open("wb") as console:
            self.holder = subprocess.Popen(
                ["sh", "-c", f"{enter}exec {boot}"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                env={"PATH": PATH, "LANG": "C.UTF-8"}, start_new_session=True,
            )  # fmt: skip

    def is_up(self) -> bool:
        assert self.holder is not None
        assert self.holder.poll() is None, self.console()
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text()
        if not children:
            return False
        self.first_process = int(children)
        if Path(f"/proc/{self.first_process}/comm").read_text().strip() != "systemd":
            return False
        return self.run("systemctl is-system-running", check=False).strip() == "running"

    def switch_off(self) -> None:
        """As a power cut."""
        if self.holder is not None:
            # All else ends with the first process; unshare returns when all has.
            os.kill(self.first_process or self.holder.pid, signal.SIGKILL)
            self.holder.wait()
        for one in self._cgroups():
            subprocess.run(
                ["find", one, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"],
                stderr=subprocess.DEVNULL, check=False,
            )  # fmt: skip

    def run(self, script: str, *, check: bool = True, online: bool = False) -> str:
        """What `script` says there as root; `online`: with the network of this machine."""
        into = ["nsenter", f"--target={self.first_process}", "--mount", "--uts", "--ipc"]
        into += ["--pid", "--cgroup", "--root", "--wd", *([] if online else ["--net"])]
        kept = {name: os.environ[name] for name in os.environ if name.startswith(_KEPT)}
        done = subprocess.run(
            [*into, "sh", "-ec", script], capture_output=True, text=True, check=False, timeout=900,
            env={"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", **kept},
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def told(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run(f"systemctl show --value --property={name} {unit}").strip()

    def journal(self, *units: str, lines: str = "all") -> str:
        """What they said; all that they have said until now, even if it was not yet read."""
        asked = f"--no-pager --output=cat --lines={lines} {' '.join(f'-u {one}' for one in units)}"
        return self.run(f"journalctl --sync; journalctl {asked}")

    def console(self) -> str:
        return (self.folder / "console").read_text(errors="replace")

    def _cgroups(self, *, make: bool = False) -> list[Path]:
        """Ours in each hierarchy that systemd uses: one in version 2, several in version 1."""
        name = f"plimsoll-{os.getpid()}"
        tops = [_CGROUPS] if (_CGROUPS / "cgroup.procs").exists() else sorted(_CGROUPS.iterdir())
        tops = [
            top for top in tops if top.name in ("cgroup", "systemd", "unified", "memory", "pids")
        ]
        for top in tops:
            if make and top.is_dir():
                (top / name).mkdir(exist_ok=True)
        return [top / name for top in tops if (top / name).is_dir()]
