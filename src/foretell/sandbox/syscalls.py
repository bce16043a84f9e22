"""System calls a child has no business with, by number on the machines we know.

A deny list, because the libraries that run in a child (BLAS, OpenMP, arrow, torch)
call whatever their version likes; what is denied is every call that starts a
program, reaches another process or the network, outlives the child, changes who
may read a file, or is a favourite way into the kernel. Numbers above `LAST_KNOWN`
do not exist for the child, so a new kernel brings nothing new.

Source: the kernel's `unistd_64.h` (x86_64) and `asm-generic/unistd.h` (aarch64);
tests/sandbox/test_seccomp.py compares them with the headers of the machine.
"""

from typing import NamedTuple

LAST_KNOWN = 469


class Numbers(NamedTuple):
    """One call's number on each machine; None where it does not exist."""

    x86_64: int | None
    aarch64: int | None


def _table(text: str) -> dict[str, Numbers]:
    rows = (line.split() for line in text.splitlines() if line)
    return {
        name: Numbers(*(None if n == "-" else int(n) for n in numbers))
        for name, *numbers in rows
    }


# Starting programs, reaching other processes, jumping the queue.
_PROCESSES = """
execve 59 221
execveat 322 281
fork 57 -
vfork 58 -
ptrace 101 117
process_vm_readv 310 270
process_vm_writev 311 271
process_madvise 440 440
process_mrelease 448 448
kcmp 312 272
pidfd_open 434 434
pidfd_getfd 438 438
pidfd_send_signal 424 424
tkill 200 130
rt_sigqueueinfo 129 138
rt_tgsigqueueinfo 297 240
setpriority 141 140
ioprio_set 251 30
sched_setaffinity 203 122
sched_setscheduler 144 119
sched_setparam 142 118
sched_setattr 314 274
move_pages 279 239
migrate_pages 256 238
personality 135 92
setrlimit 160 164
perf_event_open 298 241
"""

_NETWORK = """
socket 41 198
connect 42 203
bind 49 200
listen 50 201
accept 43 202
accept4 288 242
"""

# The kernel and the machine.
_KERNEL = """
bpf 321 280
userfaultfd 323 282
io_uring_setup 425 425
io_uring_enter 426 426
io_uring_register 427 427
keyctl 250 219
add_key 248 217
request_key 249 218
init_module 175 105
finit_module 313 273
delete_module 176 106
kexec_load 246 104
kexec_file_load 320 294
reboot 169 142
acct 163 89
quotactl 179 60
quotactl_fd 443 443
syslog 103 116
lookup_dcookie 212 18
iopl 172 -
ioperm 173 -
modify_ldt 154 -
vhangup 153 58
swapon 167 224
swapoff 168 225
settimeofday 164 170
clock_settime 227 112
clock_adjtime 305 266
adjtimex 159 171
sethostname 170 161
setdomainname 171 162
uselib 134 -
nfsservctl 180 42
lsm_set_self_attr 460 460
"""

# Mounts, namespaces, files by handle.
_MOUNTS = """
mount 165 40
umount2 166 39
pivot_root 155 41
chroot 161 51
setns 308 268
unshare 272 97
move_mount 429 429
open_tree 428 428
open_tree_attr 467 467
fsopen 430 430
fsconfig 431 431
fsmount 432 432
fspick 433 433
mount_setattr 442 442
statmount 457 457
listmount 458 458
name_to_handle_at 303 264
open_by_handle_at 304 265
fanotify_init 300 262
fanotify_mark 301 263
"""

_IDENTITY = """
setuid 105 146
setgid 106 144
setreuid 113 145
setregid 114 143
setresuid 117 147
setresgid 119 149
setgroups 116 159
setfsuid 122 151
setfsgid 123 152
capset 126 91
"""

# Who may do what with a file (Landlock does not rule that), and names that point
# elsewhere (the parent might follow them).
_FILES = """
chmod 90 -
fchmod 91 52
fchmodat 268 53
fchmodat2 452 452
chown 92 -
fchown 93 55
lchown 94 -
fchownat 260 54
setxattr 188 5
lsetxattr 189 6
fsetxattr 190 7
setxattrat 463 463
removexattr 197 14
lremovexattr 198 15
fremovexattr 199 16
removexattrat 466 466
file_setattr 469 469
utime 132 -
utimes 235 -
futimesat 261 -
utimensat 280 88
mknod 133 -
mknodat 259 33
symlink 88 -
symlinkat 266 36
link 86 -
linkat 265 37
"""

# Memory that the watch on the process does not see, or that outlives it.
_MEMORY = """
memfd_create 319 279
memfd_secret 447 447
shmget 29 194
shmat 30 196
shmctl 31 195
shmdt 67 197
semget 64 190
semop 65 193
semctl 66 191
semtimedop 220 192
msgget 68 186
msgsnd 69 189
msgrcv 70 188
msgctl 71 187
mq_open 240 180
mq_unlink 241 181
mq_timedsend 242 182
mq_timedreceive 243 183
mq_notify 244 184
mq_getsetattr 245 185
"""

DENIED = _table(
    _PROCESSES + _NETWORK + _KERNEL + _MOUNTS + _IDENTITY + _FILES + _MEMORY
)

# Allowed or denied by an argument; the rules stand in seccomp.py.
CONDITIONAL = _table("""
clone 56 220
clone3 435 435
kill 62 129
tgkill 234 131
socketpair 53 199
prlimit64 302 261
ioctl 16 29
prctl 157 167
fcntl 72 25
""")
