#!/bin/sh
# A node with a kubelet: a container without a container engine. Started by machine.ts, which says
# in the environment what to use:
#
#   NODE NETNS GROUPS    its name, its network namespace, its control groups (folders)
#   FOLDER               where its state lives; what is not under it is lost with the node
#   KUBELET IMAGES       the program; archives to import before it starts
#   HIERARCHIES          what to mount below /sys/fs/cgroup, as `path=options`; `unified` is v2
#
# The process that remains is `unshare`; its child is process 1 of the node. When either ends, the
# kernel ends everything of the node at once: that is its power switch.
set -eu

if [ "${1:-}" != init ]; then
  for group in $GROUPS; do
    # Groups of pods that a power cut left cost the kubelet three seconds each.
    find "$group" -mindepth 1 -depth -type d -exec rmdir {} \; 2>/dev/null || true
    echo $$ >"$group/cgroup.procs"
  done
  # `ip netns exec` would remount /sys, without the groups.
  exec nsenter --net="$NETNS" unshare --mount --uts --ipc --cgroup --pid --fork \
    --kill-child=KILL -- sh "$0" init
fi

hostname "$NODE"
mount -t proc proc /proc
mount -t sysfs sysfs /sys

# Its own view of the control groups: the cgroup namespace makes the node's group the root.
if [ "$HIERARCHIES" = unified ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  # A group with processes cannot give its controllers to groups below it.
  mkdir -p /sys/fs/cgroup/init
  while read -r pid; do
    echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || true
  done </sys/fs/cgroup/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
  done
else
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  for one in $HIERARCHIES; do
    mkdir "/sys/fs/cgroup/${one%%=*}"
    mount -t cgroup -o "${one#*=}" cgroup "/sys/fs/cgroup/${one%%=*}"
  done
fi

# The kubelet's program may lie below a folder that is hidden next.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/containerd /run/cni /run/netns /run/kernel /run/bin
touch /run/bin/kubelet
mount --bind "$KUBELET" /run/bin/kubelet

# What a kubelet or a container engine writes outside the folders it is told.
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p /var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log/pods /var/log/containers
mount --bind "$FOLDER/kubelet" /var/lib/kubelet
mount --bind "$FOLDER/containerd" /var/lib/containerd

# A kubelet sets these for the whole machine unless it finds them so: let it find them.
while read -r key value; do
  [ -e "/proc/sys/$key" ] || continue
  file=/run/kernel/$(echo "$key" | tr / .)
  echo "$value" >"$file"
  mount --bind "$file" "/proc/sys/$key"
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END

mount --make-rshared /

containerd --config "$FOLDER/containerd.toml" >"$FOLDER/containerd.log" 2>&1 &
tries=0
until ctr version >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 400 ]; then
    echo 'containerd does not answer:' >&2
    tail -n 5 "$FOLDER/containerd.log" >&2
    exit 1
  fi
  sleep 0.05
done
for image in $IMAGES; do ctr --namespace k8s.io images import "$image" >&2; done

/run/bin/kubelet --config="$FOLDER/kubelet.json" --kubeconfig="$KUBECONFIG" \
  --hostname-override="$NODE" --node-ip="$NODE_IP" --root-dir=/var/lib/kubelet &
# As process 1 the shell also takes in what the containers leave behind.
wait $!
