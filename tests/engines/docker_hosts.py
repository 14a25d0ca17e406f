"""Real Docker hosts on one machine, each with its own dockerd behind mutual TLS and sshd.

A host is a set of namespaces whose first process is docker-init; ending that process is a
power cut. A LAN namespace with a bridge joins the hosts to this machine, which has the first
address on it. Needs root, iproute2, openssl, openssh-server and docker.io.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NEWER = Path(".build/engines/newer").resolve()
"""Where deploy/newer_debian.sh unpacked the next generation."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _sh(script: str, *, check: bool = True) -> str:
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{script}\nfailed: {done.stderr.strip()}")
    return done.stdout


@dataclass
class Lan:
    """`number` keeps the names and addresses of two test runs on one machine apart."""

    folder: Path
    number: int = field(default_factory=lambda: os.getpid() % 200)
    hosts: list["Host"] = field(default_factory=list)

    @property
    def net(self) -> str:
        return f"10.78.{self.number}"

    @property
    def name(self) -> str:
        return f"plan{self.number}"

    @property
    def credentials(self) -> Path:
        """ca.pem, cert.pem and key.pem of the reconciler; key and known_hosts for ssh."""
        return self.folder / "credentials"

    def up(self) -> None:
        """The bridge in a namespace of its own, and our leg on it."""
        _sh(f"""
            ip netns add {self.name}
            ip -n {self.name} link add br0 type bridge
            ip -n {self.name} link set br0 up
            ip link add {self.name} type veth peer name ctl netns {self.name}
            ip -n {self.name} link set ctl master br0 up
            ip addr add {self.net}.1/24 dev {self.name}
            ip link set {self.name} up""")
        self.authority()

    def authority(self) -> None:
        """A certificate authority, and what the reconciler shows to hosts."""
        self.credentials.mkdir(parents=True)
        _sh(f"""
            cd {self.credentials}
            openssl ecparam -name prime256v1 -genkey -noout -out ca-key.pem
            openssl req -new -x509 -days 2 -key ca-key.pem -subj /CN=ca -out ca.pem
            ssh-keygen -q -t ed25519 -N '' -f key
            touch known_hosts""")
        self.certify(self.credentials, "reconciler", "extendedKeyUsage=clientAuth")

    def certify(self, folder: Path, name: str, extension: str) -> None:
        """cert.pem and key.pem in `folder`, signed by this LAN's authority."""
        ca = self.credentials
        _sh(f"""
            cd {folder}
            openssl ecparam -name prime256v1 -genkey -noout -out key.pem
            openssl req -new -key key.pem -subj /CN={name} -out request
            printf '{extension}' > extension
            openssl x509 -req -days 2 -in request -CA {ca}/ca.pem -CAkey {ca}/ca-key.pem \
                -CAcreateserial -extfile extension -out cert.pem""")

    def add_host(self) -> "Host":
        host = self.add_bare_host()
        host.start_docker()
        return host

    def add_bare_host(self) -> "Host":
        host = Host(self, len(self.hosts) + 1)
        self.hosts.append(host)
        host.boot()
        return host

    def down(self) -> None:
        for host in self.hosts:
            host.power_off()
        _sh(f"ip link del {self.name}; ip netns del {self.name}", check=False)
        for host in self.hosts:
            host.wipe()


@dataclass
class Host:
    lan: Lan
    number: int
    first_process: int = 0
    holder: subprocess.Popen[bytes] | None = None
    dockerd: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return f"{self.lan.name}h{self.number}"

    @property
    def address(self) -> str:
        return f"{self.lan.net}.{10 + self.number}"

    @property
    def folder(self) -> Path:
        return self.lan.folder / self.name

    @property
    def socket(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def boot(self) -> None:
        """A new machine, switched on, with an address, and no Docker yet."""
        (self.folder / "etc-docker").mkdir(parents=True)
        san = f"subjectAltName=IP:{self.address}\\nextendedKeyUsage=serverAuth"
        self.lan.certify(self.folder, self.name, san)
        self.switch_on()

    def switch_on(self) -> None:
        """For the first time, or again after `power_off`; what is on its disk is still there."""
        unshare = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"]
        unshare += ["--kill-child", "--mount-proc", "--propagation", "private"]
        self.holder = subprocess.Popen(
            [*unshare, "docker-init", "-s", "--", "sleep", "infinity"], start_new_session=True
        )
        self.first_process = _child_of(self.holder.pid)
        mac = f"02:70:6c:00:{self.lan.number:02x}:{self.number:02x}"
        leg = f"h{self.number}"
        _sh(f"""
            ip -n {self.lan.name} link del {leg} 2>/dev/null || true
            ip -n {self.lan.name} link add {leg} type veth peer name eth0 \
                address {mac} netns {self.first_process}
            ip -n {self.lan.name} link set {leg} master br0 up""")
        self.run(f"""
            hostname {self.name}
            ip link set lo up
            ip addr add {self.address}/24 dev eth0
            ip link set eth0 up
            ip route add default via {self.lan.net}.1
            echo 1 > /proc/sys/net/ipv4/ip_forward
            mount -t tmpfs tmpfs /run
            mkdir -p /run/lock /run/sshd /etc/docker
            mount --bind {self.folder}/etc-docker /etc/docker""")

    def run(self, script: str) -> str:
        """A shell script on the host."""
        return _sh(f"nsenter -t {self.first_process} -a sh -ec '{script}'")

    def enter_network(self) -> None:
        """From now on this thread's new connections are made from the host."""
        with Path(f"/proc/{self.first_process}/ns/net").open() as network:
            assert ctypes.CDLL(None).setns(network.fileno(), 0) == 0

    def start_docker(self, programs: Path | None = None, *, more: str = "") -> None:
        """The installed engine, or the one whose files lie below `programs`."""
        path = f"{programs}/usr/bin:{programs}/usr/sbin:{_PATH}" if programs else _PATH
        tls = f"--tlsverify --tlscacert {self.lan.credentials}/ca.pem "
        tls += f"--tlscert {self.folder}/cert.pem --tlskey {self.folder}/key.pem"
        listen = f"-H {self.socket} -H unix:///run/docker.sock -H tcp://{self.address}:2376"
        places = f"--data-root {self.folder}/data --exec-root /run/docker"
        places += f" --pidfile /run/docker.pid --cgroup-parent /{self.name}"
        command = f"nsenter -t {self.first_process} -a env -i PATH={path} HOME=/root dockerd "
        with (self.folder / "dockerd.log").open("ab") as log:
            self.dockerd = subprocess.Popen(
                [*command.split(), *f"{places} {listen} {tls} {more}".split()],
                start_new_session=True,
                stdout=log,
                stderr=log,
            )
        self._await_docker()

    def start_podman(self) -> None:
        """Podman's API, at the socket where Docker's would be."""
        places = f"--root {self.folder}/data --runroot /run/containers"
        command = f"nsenter -t {self.first_process} -a env -i PATH={_PATH} HOME=/root podman "
        command += f"{places} --runtime runc --cgroup-manager cgroupfs --network-backend netavark "
        command += f"system service --time 0 {self.socket}"
        with (self.folder / "dockerd.log").open("ab") as log:
            self.dockerd = subprocess.Popen(
                command.split(), start_new_session=True, stdout=log, stderr=log
            )
        self._await_docker()

    def start_sshd(self) -> None:
        """Root may come in with the reconciler's key; docker itself needs the local socket."""
        (self.folder / "authorized").write_bytes((self.lan.credentials / "key.pub").read_bytes())
        _sh(f"ssh-keygen -q -t ed25519 -N '' -f {self.folder}/host_key")
        config = f"""
            ListenAddress {self.address}
            HostKey {self.folder}/host_key
            AuthorizedKeysFile {self.folder}/authorized
            PidFile /run/sshd.pid
            PasswordAuthentication no
            PermitRootLogin prohibit-password
            StrictModes no
            UsePAM no
            """
        (self.folder / "sshd_config").write_text(config)
        self.run(f"/usr/sbin/sshd -f {self.folder}/sshd_config")
        key = (self.folder / "host_key.pub").read_text().rpartition(" ")[0]
        with (self.lan.credentials / "known_hosts").open("a") as known:
            known.write(f"{self.address} {key}\n")

    def cut(self) -> None:
        """Pull the network cable: nobody is told that connections ended."""
        _sh(f"ip -n {self.lan.name} link set h{self.number} down")

    def mend(self) -> None:
        _sh(f"ip -n {self.lan.name} link set h{self.number} up")

    def power_off(self) -> None:
        _sh(f"ip -n {self.lan.name} link set h{self.number} down", check=False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.first_process, signal.SIGKILL)
        for process in (self.dockerd, self.holder):
            if process is not None:
                _await_end(process)

    def kill_docker(self) -> None:
        """SIGKILL to dockerd; what it started runs on."""
        assert self.dockerd is not None
        self.run("kill -9 $(cat /run/docker.pid)")
        _await_end(self.dockerd)
        self.run("rm -f /run/docker.pid")

    def wipe(self) -> None:
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        for group in Path("/sys/fs/cgroup").glob(f"*/{self.name}"):
            with contextlib.suppress(OSError):
                group.rmdir()

    def load(self, image: str) -> None:
        """Copy an image from this machine's engine to the host's."""
        _sh(f"docker save {image} | docker -H {self.socket} load -q")

    def docker(self, arguments: str, *, check: bool = True) -> str:
        """What the docker program says to the host's engine."""
        return _sh(f"docker -H {self.socket} {arguments}", check=check)

    def _await_docker(self) -> None:
        end = time.monotonic() + 90
        while not self._is_up():
            assert self.dockerd is not None
            log = (self.folder / "dockerd.log").read_text()[-2000:]
            assert self.dockerd.poll() is None, log
            assert time.monotonic() < end, log
            time.sleep(0.05)

    def _is_up(self) -> bool:
        found = subprocess.run(
            ["docker", "-H", self.socket, "version"], capture_output=True, check=False
        )
        return found.returncode == 0


@contextlib.contextmanager
def alone(folder: Path, start: Callable[[Host], None], images: Sequence[str]) -> Iterator[Host]:
    """One host on a LAN of its own, with the engine that `start` starts, and these images."""
    lan = Lan(folder)
    try:
        lan.up()
        host = lan.add_bare_host()
        start(host)
        for image in images:
            host.load(image)
        yield host
    finally:
        lan.down()


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """nsenter stands still when what it started does, and does not go on by itself."""
    process.send_signal(signal.SIGCONT)
    process.wait(60)


def _child_of(parent: int) -> int:
    """The first process inside the namespaces, once it is docker-init and no longer unshare."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, check=False)
        for child in children.stdout.split():
            with contextlib.suppress(OSError):
                if b"docker-init" in Path(f"/proc/{int(child)}/cmdline").read_bytes():
                    return int(child)
        time.sleep(0.005)
    raise AssertionError("the host's first process did not appear")
