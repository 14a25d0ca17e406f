#!/bin/sh
# The first process of a machine of tests/deploy/machine.py, in namespaces of its own: mounts what
# a machine has, and becomes systemd. Usage: boot.sh FOLDER [SHOWN ...]
set -e
folder=$1
shift
root=$folder/root
mkdir -p "$folder/disk" "$root"
mount -t tmpfs disk "$folder/disk"
mkdir "$folder/disk/upper" "$folder/disk/work"
mount -t overlay root "$root" -o "lowerdir=/,upperdir=$folder/disk/upper,workdir=$folder/disk/work"
# Nothing of this machine starts there, nothing of it is known there, and names are still found.
rm -rf "$root/etc/systemd/system" "$root/etc/plimsoll" "$root/var/lib/plimsoll" "$root/opt/plimsoll" "$root/var/log/journal"
mkdir "$root/etc/systemd/system"
cat /etc/resolv.conf >"$folder/resolv.conf" 2>/dev/null || true
rm -f "$root/etc/resolv.conf" "$root/etc/machine-id"
cp "$folder/resolv.conf" "$root/etc/resolv.conf"
: >"$root/etc/machine-id"

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
for place in run tmp dev; do mount -t tmpfs "$place" "$root/$place" -o mode=755; done
chmod 1777 "$root/tmp"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666
mount -t tmpfs shm "$root/dev/shm" -o mode=1777
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

groups=$root/sys/fs/cgroup
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
  mount -t cgroup2 cgroup2 "$groups"
else
  mount -t tmpfs cgroup "$groups" -o mode=755
  mkdir "$groups/systemd" "$groups/unified" "$groups/memory" "$groups/pids"
  mount -t cgroup -o none,name=systemd cgroup "$groups/systemd"
  mount -t cgroup2 cgroup2 "$groups/unified"
  for one in memory pids; do mount -t cgroup -o "$one" cgroup "$groups/$one"; done
fi

for shown in "$@"; do
  mkdir -p "$root$shown"
  mount --bind "$shown" "$root$shown"
done
ip link set lo up
hostname plimsoll-machine
mkdir -p "$root/old"
cd "$root"
pivot_root . old
umount -l /old
# By this variable systemd knows that there is no hardware to look after.
export container=plimsoll
exec /usr/lib/systemd/systemd --log-target=console --unit=multi-user.target
